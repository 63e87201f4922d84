"""A real web server for tests: nginx, serving one folder. From Debian (`INSTALL`)."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INSTALL = "apt-get install --no-install-recommends nginx"
START_S_MAX = 20.0
_CONFIG = """\
daemon off; worker_processes 1; pid {state}/pid; error_log {state}/error.log; {user}
events {{ worker_connections 256; }}
http {{
    access_log {state}/access.log; tcp_nodelay on; default_type application/octet-stream;
    client_body_temp_path {state}/body; proxy_temp_path {state}/proxy; fastcgi_temp_path {state}/fastcgi;
    uwsgi_temp_path {state}/uwsgi; scgi_temp_path {state}/scgi;
    server {{
        listen 127.0.0.1:{port}; root {root};
        location /no-ranges/ {{ alias {root}/; max_ranges 0; }}
        location /no-tag/ {{ alias {root}/; etag off; }}
        location /moved/ {{ rewrite ^/moved/(.*)$ http://127.0.0.1:{port}/$1 redirect; }}
        location /inside/ {{ return 302 http://127.0.0.2:{port}/one; }}
        location /around/ {{ return 302 http://127.0.0.1:{port}$request_uri; }}
        location /denied/ {{ return 403; }}
        location /busy/ {{ return 503; }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running server.

    Attributes:
        url: of its root, without a slash.
        root: the folder that it serves.
        log: every request that it was sent, one a line.
    """

    url: str
    root: Path
    log: Path

    def put(self, name: str, content: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def requests(self, path: str) -> list[str]:
        """Return the lines of the log that name a path."""
        return [line for line in self.log.read_text().splitlines() if f" {path} " in line]


def program() -> str | None:
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@contextlib.contextmanager
def running_nginx(folder: Path) -> Iterator[Nginx]:
    """Serve an empty folder below `folder` until the block ends."""
    root, state = folder / "root", folder / "state"
    root.mkdir(parents=True)
    state.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = program()
    assert command is not None
    # As root it would serve as somebody who may not read the folder.
    user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
    config = state / "nginx.conf"
    config.write_text(_CONFIG.format(state=state, root=root, port=port, user=user))
    process = subprocess.Popen([command, "-p", str(state), "-c", str(config), "-e", str(state / "error.log")])
    try:
        _wait(process, port)
        yield Nginx(f"http://127.0.0.1:{port}", root, state / "access.log")
    finally:
        process.terminate()
        process.wait(START_S_MAX)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_S_MAX
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("nginx did not start") from None
            time.sleep(0.01)
