"""A real Azure Blob service for tests: Azurite, Microsoft's own stand-in, which keeps all in memory.

It comes from npm at its first use and stays in a folder of the user's cache.
"""

import contextlib
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from moss.node.backends.azure_account import AzureAccount

VERSION = "3.35.0"
PROGRAMS = ("node", "npm")
INSTALL = "apt-get install --no-install-recommends nodejs npm"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
INSTALL_S_MAX = 300.0
START_S_MAX = 60.0
_PROGRAM = Path("node_modules/azurite/dist/src/blob/main.js")
_LISTENS = re.compile(r"listens on (http://[\d.:]+)")


@dataclass(frozen=True)
class Azurite:
    """A running service.

    Attributes:
        url: of its blob endpoint, with the account.
        environ: what a shell would export to reach it.
    """

    url: str

    @property
    def environ(self) -> dict[str, str]:
        return {"AZURE_STORAGE_CONNECTION_STRING": self.connection_string}

    @property
    def connection_string(self) -> str:
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.url};"


async def make_container(service: Azurite, name: str) -> None:
    """Make a container."""
    account = AzureAccount(ACCOUNT, service.url, KEY)
    headers: dict[str, str] = {}
    url = account.sign("PUT", f"{service.url}/{name}?restype=container", headers, 0)
    skipped = ("Content-Type",)
    async with aiohttp.ClientSession(skip_auto_headers=skipped) as session, session.put(url, headers=headers) as answer:
        assert answer.status == 201, await answer.text()


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name) is None]


def installed() -> Path:
    """Return the folder that has it, fetched if it was not there.

    Raises:
        RuntimeError: npm cannot fetch it.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moss-tests"
    folder = cache / f"azurite-{VERSION}"
    if (folder / _PROGRAM).is_file():
        return folder
    draft = cache / f"azurite-{VERSION}.{os.getpid()}"
    draft.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--omit=dev", "--omit=optional", "--ignore-scripts"]
    done = subprocess.run(
        [*command, "--prefix", str(draft), f"azurite@{VERSION}"], capture_output=True, text=True, timeout=INSTALL_S_MAX
    )
    if done.returncode or not (draft / _PROGRAM).is_file():
        raise RuntimeError(f"npm cannot install azurite: {done.stderr[-1500:]}")
    with contextlib.suppress(OSError):  # another run was faster
        draft.rename(folder)
    shutil.rmtree(draft, ignore_errors=True)
    return folder


@contextlib.contextmanager
def running_azurite(folder: Path) -> Iterator[Azurite]:
    """Run the service for the length of the block.

    Args:
        folder: where it may write.

    Raises:
        RuntimeError: it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = ["node", str(installed() / _PROGRAM), "--inMemoryPersistence", "--blobPort", "0"]
    command += ["--skipApiVersionCheck", "--disableTelemetry"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield Azurite(f"{_address(process)}/{ACCOUNT}")
    finally:
        process.kill()
        process.wait()


def _address(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None
    deadline, said = time.monotonic() + START_S_MAX, ""
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], 1.0)
        if ready:
            chunk = os.read(process.stdout.fileno(), 65536).decode(errors="replace")
            said += chunk
            if found := _LISTENS.search(said):
                return found[1]
            if not chunk:
                break
    raise RuntimeError(f"azurite did not start: {said[-1500:]}")
