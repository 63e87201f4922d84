"""Repositories of the Hugging Face hub: which files they have, and where these are. Source: spec/python-sdk.md 8."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from moss.errors import MalformedAnswer, NotFound, Unavailable

__all__ = ["HUB", "HubFile", "HubUnavailable", "Repository", "RepositoryNotFound", "fetch_files", "messages_for"]

HUB = "https://huggingface.co"
_TIMEOUT_S = 30.0
_ANSWER_BYTES_MAX = 256 << 20


class RepositoryNotFound(NotFound):
    """A repository or revision that is not there, or that wants a token."""

    code = "repository-not-found"


class HubUnavailable(Unavailable):
    """The hub cannot be reached."""

    code = "hub-unavailable"


class Repository(NamedTuple):
    """A model or a data set, in one revision.

    Attributes:
        kind: `models` or `datasets`.
        name: as in `openai/whisper-tiny`.
        revision: branch, tag or commit.
        hub: address of the hub.
        token: sent with every request; may be empty.
    """

    kind: str
    name: str
    revision: str = "main"
    hub: str = HUB
    token: str = ""

    def __str__(self) -> str:
        return f'{self.kind.removesuffix("s")} "{self.name}" (revision {self.revision})'

    def link(self, file: str) -> str:
        """Where one of its files is."""
        folder = "" if self.kind == "models" else f"{self.kind}/"
        return f"{self.hub}/{folder}{quote(self.name)}/resolve/{quote(self.revision, safe='')}/{quote(file)}"

    def headers(self) -> Mapping[str, str]:
        """What goes with every request for it."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class HubFile(NamedTuple):
    """One file of a repository; size in bytes, 0 when the hub does not tell."""

    name: str
    size: int


def fetch_files(repository: Repository) -> list[HubFile]:
    """Ask the hub for the files of a repository.

    Raises:
        RepositoryNotFound: there is none of that name, kind and revision, or the hub wants a token.
        HubUnavailable: the hub cannot be reached.
        MalformedAnswer: it answers with something else.
    """
    revision = quote(repository.revision, safe="")
    url = f"{repository.hub}/api/{repository.kind}/{quote(repository.name)}/revision/{revision}?blobs=true"
    try:
        with urlopen(Request(url, headers=dict(repository.headers())), timeout=_TIMEOUT_S) as answer:
            document = json.loads(answer.read(_ANSWER_BYTES_MAX))
    except HTTPError as error:
        wants_token = " (it may be private: a token is needed)" if error.code in (401, 403) else ""
        raise RepositoryNotFound(
            f"{repository.hub} does not give out {repository}: HTTP status {error.code}{wants_token}"
        ) from None
    except OSError as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise HubUnavailable(f"{repository.hub} cannot be reached ({reason})") from None
    except ValueError:
        raise MalformedAnswer(f"{repository.hub} answers with something that is no list of files") from None
    return _files(document, repository)


def _files(document: Any, repository: Repository) -> list[HubFile]:
    siblings = document.get("siblings") if isinstance(document, dict) else None
    if not isinstance(siblings, list):
        raise MalformedAnswer(f"{repository.hub} lists no files of {repository}")
    return [
        HubFile(str(one["rfilename"]), int(one.get("size") or 0))
        for one in siblings
        if isinstance(one, dict) and one.get("rfilename")
    ]


def messages_for(
    repository: Repository, files: Iterable[HubFile], prefix: str = "", threshold: int = 0
) -> list[dict[str, Any]]:
    """The messages that start the downloads of files: one for all of them, and one for each that is large.

    Args:
        prefix: put before the names of the objects.
        threshold: files of so many bytes and more are large; 0 for none.
    """
    headers = {"headers": {key: [value] for key, value in repository.headers().items()}} if repository.token else {}
    small: dict[str, str] = {}
    large: list[dict[str, Any]] = []
    for file in files:
        link = repository.link(file.name)
        if threshold and file.size >= threshold:
            large.append({"type": "single", "link": link, "object_name": prefix + file.name} | headers)
        else:
            small[prefix + file.name] = link
    return ([{"type": "multi", "objects": small} | headers] if small else []) + large
