"""The public surface of the SDK, its generated half, and what importing it costs."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import moss.sdk
import moss.sdk.aio

ROOT = Path(__file__).resolve().parents[2]

NAMES = {
    "AISSource", "ArchiveConfig", "AuthNClient", "Batch", "BlobDownloadConfig", "Bucket", "Client", "Cluster",
    "ColdGetConf", "DataShard", "Etl", "Job", "ListObjectFlag", "Namespace", "Object", "RetryConfig", "WaitResult",
}  # fmt: skip
AIO_NAMES = {
    "AuthNClient", "Batch", "BatchStream", "Bucket", "Client", "Cluster", "Download", "Dsort", "Etl", "Job",
    "Object", "ObjectGroup", "ObjectReader", "ObjectWriter", "RawStream",
}  # fmt: skip


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def load_unasync():
    spec = importlib.util.spec_from_file_location("unasync", ROOT / "scripts" / "unasync.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_public_names_are_these():
    assert set(moss.sdk.__all__) == NAMES
    assert set(moss.sdk.aio.__all__) == AIO_NAMES
    for name in NAMES:
        assert getattr(moss.sdk, name).__name__ == name


def test_unknown_names_are_attribute_errors():
    assert not hasattr(moss.sdk, "Nonsense")


def test_the_blocking_half_is_up_to_date():
    assert load_unasync().differences() == []


def test_a_changed_source_is_noticed(monkeypatch):
    unasync = load_unasync()
    monkeypatch.setattr(unasync, "_COMPILED", unasync._COMPILED[1:])
    assert "client.py" in {path.name for path in unasync.differences()}


def test_the_blocking_half_holds_no_asyncio():
    for path in (ROOT / "src/moss/sdk/_sync").glob("*.py"):
        code = path.read_text().split("\n", 1)[1]
        for word in ("await ", "async def", "async with", "asyncio", "transport.aio"):
            assert word not in code, (path.name, word)


def test_importing_the_sdk_loads_nothing_heavy():
    heavy = "('aiohttp', 'asyncio', 'requests', 'urllib3', 'ssl', 'email', 'lz4.frame', 'lmdb', 'moss.node', 'torch')"
    loaded = run(f"import sys; from moss.sdk import Client, Batch; print([m for m in {heavy} if m in sys.modules])")
    assert loaded == "[]"


def test_the_package_is_typed():
    assert (ROOT / "src/moss/py.typed").exists()


def test_the_package_itself_gives_a_client():
    from moss import Client, __version__

    assert Client is moss.sdk.Client and __version__
    assert not hasattr(moss, "Nonsense")


def test_classes_are_found_under_the_module_paths_of_the_reference():
    run(
        "from moss.sdk.client import Client\n"
        "from moss.sdk.bucket import Bucket\n"
        "from moss.sdk.cluster import Cluster\n"
        "from moss.sdk.obj.object import Object\n"
        "from moss.sdk.obj.object_reader import ObjectReader\n"
        "from moss.sdk.obj.object_writer import ObjectWriter\n"
        "from moss.sdk.obj.object_props import ObjectProps\n"
        "from moss.sdk.obj.object_attributes import ObjectAttributes\n"
        "from moss.sdk.batch.batch import Batch\n"
        "from moss.sdk.batch.types import MossIn, MossOut, MossReq, MossResp\n"
        "from moss.sdk.enums import Colocation, FLTPresence\n"
        "from moss.sdk.utils import parse_url\n"
        "from moss.sdk.errors import AISError, ErrObjNotFound\n"
        "from moss.sdk.request_client import RequestClient\n"
    )
