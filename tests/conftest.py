"""Fixtures that several test folders share."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from moss.testing import NodeProcess, start_node
from tests.support import azurite as azure_service
from tests.support import nginx as web_service
from tests.support.azurite import Azurite, running_azurite
from tests.support.gcs import Gcs, running_gcs
from tests.support.nginx import Nginx, running_nginx
from tests.support.rgw import INSTALL, Rgw, missing_programs, running_rgw

CONFORMANCE = Path(__file__).resolve().parents[2] / "shared" / "conformance"


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A real node in a process of its own, shared by all tests: use bucket names of your own."""
    with start_node(tmp_path_factory.mktemp("node") / "data") as running:
        yield running
    assert not running.is_running


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of recorded answers; it lies beside the checkout."""
    if not CONFORMANCE.exists():
        pytest.skip(f"the recorded answers are not at {CONFORMANCE}: nothing to compare with")
    return CONFORMANCE


@pytest.fixture(scope="session")
def rgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rgw]:
    """A real S3 service, shared by all tests: use buckets of your own."""
    if "MOSS_TEST_RGW" in os.environ:  # one that runs already, for those who run a few tests often
        yield Rgw(os.environ["MOSS_TEST_RGW"])
        return
    missing = missing_programs()
    if missing:
        reason = f"no {', '.join(missing)} on this machine. On Debian: {INSTALL}"
        # CI has everything: there a test that is left out is a failure.
        (pytest.fail if os.environ.get("MOSS_TEST_REQUIRE") else pytest.skip)(reason)
    with running_rgw(tmp_path_factory.mktemp("rgw") / "cluster") as running:
        yield running


@pytest.fixture(scope="session")
def cloud_node(tmp_path_factory: pytest.TempPathFactory, rgw: Rgw) -> Iterator[NodeProcess]:
    """A node that finds the S3 service's credentials in its environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in rgw.environ.items():
            patch.setenv(name, value)
        running = start_node(tmp_path_factory.mktemp("cloud") / "data")
    with running:
        yield running


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """A real Azure Blob service, shared by all tests: use containers of your own."""
    missing = azure_service.missing_programs()
    if missing:
        reason = f"no {', '.join(missing)} on this machine. On Debian: {azure_service.INSTALL}"
        (pytest.fail if os.environ.get("MOSS_TEST_REQUIRE") else pytest.skip)(reason)
    try:
        azure_service.installed()
    except RuntimeError as error:  # no network, for example
        (pytest.fail if os.environ.get("MOSS_TEST_REQUIRE") else pytest.skip)(str(error))
    with running_azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    """A small Google Cloud Storage, shared by all tests: use buckets of your own."""
    with running_gcs(tmp_path_factory.mktemp("gcs")) as running:
        yield running


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """A real web server, shared by all tests: use names of your own."""
    if web_service.program() is None:
        reason = f"no nginx on this machine. On Debian: {web_service.INSTALL}"
        (pytest.fail if os.environ.get("MOSS_TEST_REQUIRE") else pytest.skip)(reason)
    with running_nginx(tmp_path_factory.mktemp("nginx")) as running:
        yield running


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(mount)], capture_output=True)
    if done.returncode:
        reason = f"this user may not mount a small disk: {done.stderr.decode()}"
        (pytest.fail if os.environ.get("MOSS_TEST_REQUIRE") else pytest.skip)(reason)
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)
