"""Transformations of the cluster."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from moss.sdk._async.session import RequestClient
from moss.sdk.answers import Answer
from moss.sdk.errors import AISError, InvalidPipelineError
from moss.sdk.etl.build import class_environment, init_message, runtime_image, spec_message, validate_etl_name
from moss.sdk.etl.etl_const import DEFAULT_ETL_OBJ_TIMEOUT, DEFAULT_ETL_TIMEOUT
from moss.sdk.info_types import ETLDetails, ETLNodeLogs, decode_etl_details, decode_etl_logs
from moss.sdk.operations import Request
from moss.sdk.utils import convert_to_seconds

__all__ = ["Etl"]


class Etl:
    """One transformation. Making one sends nothing.

        with client.etl("upper-case") as etl:      # stopped and deleted at the end of the block
            etl.init(image="registry.example/upper:1")
            client.bucket("b").object("o").get_reader(etl=ETLConfig(etl)).read_all()

    Args:
        client: the client, or its way to the cluster.
        name: 6 to 32 of `a-z 0-9 -`.

    Raises:
        ValueError: another name.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._session: RequestClient = getattr(client, "request_client", client)
        self._name = validate_etl_name(name)
        self._pipeline: list[str] = []

    @property
    def name(self) -> str:
        return self._name

    @property
    def pipeline(self) -> list[str]:
        """Names of the transformations that follow this one."""
        return list(self._pipeline)

    def __rshift__(self, other: "Etl") -> "Etl":
        """`a >> b` gives the output of `a` to `b`. Makes a new object of the name of `a`.

        Raises:
            InvalidPipelineError: a transformation twice.
        """
        if not isinstance(other, Etl):
            return NotImplemented
        chained = Etl(self._session, self._name)
        chained._pipeline = [*self._pipeline, other._name, *other._pipeline]
        names = [chained._name, *chained._pipeline]
        if len(set(names)) < len(names):
            raise InvalidPipelineError(f"a transformation stands twice in {' >> '.join(names)}")
        return chained

    async def __aenter__(self) -> "Etl":
        return self

    async def __aexit__(self, *_error: object) -> None:
        for end in (self.stop, self.delete):
            try:
                await end()
            except AISError:
                pass

    async def init(
        self,
        image: str,
        command: Sequence[str] | str | None = None,
        comm_type: str = "hpush",
        init_timeout: str = DEFAULT_ETL_TIMEOUT,
        obj_timeout: str = DEFAULT_ETL_OBJ_TIMEOUT,
        direct_put: bool = False,
        direct_file_access: bool = False,
        **env: Any,
    ) -> str:
        """Start a container image on every target; answers when it runs.

        Args:
            image: name of the image.
            command: replaces the image's own; text is split at blanks.
            comm_type: `hpush`, `hpull` or `ws`.
            init_timeout: how long it may take to start, `5m`.
            obj_timeout: how long one object may take.
            direct_put: the image sends results to their destination itself.
            direct_file_access: the image reads the files of the target.
            env: environment variables.

        Returns:
            Id of the job.

        Raises:
            ValueError: unknown communication type.
            ErrETLAlreadyExists: one of this name exists.
        """
        environment = {"ETL_DIRECT_FQN": "true", **env} if direct_file_access else env
        message = init_message(
            self._name,
            image,
            command=command,
            comm_type=comm_type,
            init_timeout=init_timeout,
            obj_timeout=obj_timeout,
            direct_put=direct_put,
            environment=environment,
        )
        return await self._init(message, init_timeout)

    def init_class(
        self,
        *,
        dependencies: Sequence[str] | None = None,
        os_packages: Sequence[str] | None = None,
        comm_type: str = "hpush",
        init_timeout: str = DEFAULT_ETL_TIMEOUT,
        obj_timeout: str = DEFAULT_ETL_OBJ_TIMEOUT,
        direct_put: bool = True,
        direct_file_access: bool = False,
        **env: Any,
    ) -> Callable[[type], Any]:
        """Decorator that starts a class, a subclass of a server of `moss.sdk.etl.webserver`, on every target.

        Args:
            dependencies: packages that are installed first.
            os_packages: packages of the operating system, likewise.

        The other arguments and the errors are those of `init`. In the asynchronous client the decorator returns an
        awaitable that starts the class and gives it back.

        Raises:
            TypeError: the class is no `ETLServer`.
            ValueError: there is no image for this version of Python.
        """

        async def start(cls: type) -> type:
            from moss.sdk.etl.webserver.utils import serialize_class

            environment = class_environment(
                serialize_class(cls), dependencies, os_packages, direct_file_access=direct_file_access, environment=env
            )
            message = init_message(
                self._name,
                runtime_image(),
                command=None,
                comm_type=comm_type,
                init_timeout=init_timeout,
                obj_timeout=obj_timeout,
                direct_put=direct_put,
                environment=environment,
            )
            await self._init(message, init_timeout)
            return cls

        return start

    async def init_spec(
        self,
        template: str,
        communication_type: str = "hpush",
        timeout: str = DEFAULT_ETL_TIMEOUT,
        *,
        init_timeout: str | None = None,
        obj_timeout: str = DEFAULT_ETL_OBJ_TIMEOUT,
    ) -> str:
        """Start a Kubernetes pod on every target.

        Args:
            template: its specification, YAML.
            timeout: same as `init_timeout`.

        Returns:
            Id of the job.
        """
        init_timeout = init_timeout or timeout
        message = spec_message(self._name, template, communication_type.removesuffix("://"), init_timeout, obj_timeout)
        return await self._init(message, init_timeout)

    async def init_code(
        self,
        transform: Callable[..., Any],
        dependencies: Sequence[str] | None = None,
        preimported_modules: Sequence[str] | None = None,
        runtime: str = "",
        communication_type: str = "hpush",
        timeout: str = DEFAULT_ETL_TIMEOUT,
        chunk_size: int | None = None,
        transform_url: bool = False,
    ) -> str:
        """Start a function on every target, wrapped into a class as `init_class` starts it.

        Args:
            transform: makes the output (bytes) of the input (bytes); with `chunk_size` it is called with a reader and
                a writer, with `transform_url` with the URL of the object, and for `io` it reads standard input and
                writes standard output.
            dependencies: packages that are installed first.
            preimported_modules: modules that are imported before the function is unpickled.
            runtime: ignored: the image is that of this interpreter, which pickled the function.
            communication_type: `hpush`, `hpull`, `hrev` or `io`.

        Returns:
            Id of the job.

        Raises:
            ValueError: unknown communication type, or `transform_url` with another one than `hpull`.
        """
        from moss.sdk.etl.legacy import make_server_class
        from moss.sdk.etl.webserver.utils import serialize_class

        kind = communication_type.removesuffix("://")
        server = make_server_class(
            transform, kind, modules=preimported_modules, chunk_size=chunk_size, transform_url=transform_url
        )
        payload = serialize_class(server, by_value=[getattr(transform, "__module__", None) or ""])
        environment = class_environment(payload, dependencies, None, direct_file_access=False, environment={})
        message = init_message(
            self._name,
            runtime_image(),
            command=None,
            comm_type="hpull" if kind in ("hpull", "hrev") else "hpush",
            init_timeout=timeout,
            obj_timeout=DEFAULT_ETL_OBJ_TIMEOUT,
            direct_put=True,
            environment=environment,
        )
        return await self._init(message, timeout)

    async def _init(self, message: dict[str, Any], timeout: str) -> str:
        # The answer comes when all targets are ready, which may take as long as the caller allows, and no less.
        settings = replace(self._session.config.settings, read_timeout_s=float(convert_to_seconds(timeout)))
        patient = RequestClient(replace(self._session.config, settings=settings), self._session.retry_config)
        # Sent twice, the second one would find that the name is taken.
        request = Request("PUT", "/etl", body=msgspec.json.encode(message), is_idempotent=False)
        try:
            return (await patient.call(request)).text.strip()
        finally:
            await patient.close()

    async def view(self, job_id: str = "") -> ETLDetails:
        """Ask how it was started, and which objects failed.

        Args:
            job_id: failures of this job instead of those of reads.

        Raises:
            ErrETLNotFound: there is none of this name.
        """
        return decode_etl_details((await self._call("GET", query=[("uuid", job_id)])).content)

    async def start(self) -> None:
        """Start it again after it was stopped."""
        await self._call("POST", "/start")

    async def stop(self) -> None:
        """Stop it, and the jobs that use it; what it is stays known."""
        await self._call("POST", "/stop")

    async def delete(self) -> None:
        """Forget it."""
        await self._call("DELETE")

    async def logs(self, target_id: str = "") -> list[ETLNodeLogs]:
        """What it wrote, on all targets or on one."""
        suffix = f"/logs/{quote(target_id, safe='')}" if target_id else "/logs"
        return decode_etl_logs((await self._call("GET", suffix)).content)

    async def _call(self, method: str, suffix: str = "", query: Any = ()) -> Answer:
        return await self._session.call(Request(method, f"/etl/{self._name}{suffix}", query))

    def __repr__(self) -> str:
        return f"Etl({' >> '.join([self._name, *self._pipeline])!r})"
