"""Moss's SDK under the name `aistore`. Each test in a process of its own: a name is taken once."""

import json
import subprocess
import sys
from pathlib import Path

from moss.testing import NodeProcess

PROGRAM = Path(__file__).with_name("official_client.py")


def run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_one_line_makes_aistore_mosss_sdk():
    run("""
import moss.compat.aistore
import aistore, aistore.sdk, aistore.sdk.errors, moss.sdk, moss.sdk.errors
from aistore import Client
from aistore.sdk.enums import Colocation
from aistore.sdk.obj.obj_file.object_file import ObjectFileReader
assert aistore.sdk is moss.sdk and aistore.sdk.errors.AISError is moss.sdk.errors.AISError
assert Client is moss.sdk.Client and Client.__module__.startswith("moss.")
assert tuple(map(int, aistore.__version__.split("."))) >= (2, 0, 0)
""")


def test_the_official_package_is_not_touched():
    loaded = run(
        "import sys, moss.compat.aistore, aistore.sdk.bucket\n"
        "print([n for n, m in sys.modules.items() if 'site-packages/aistore' in str(getattr(m, '__file__', ''))])"
    )
    assert loaded == "[]"


def test_modules_keep_their_own_names():
    run("""
import importlib, moss.compat.aistore, aistore.sdk.utils, moss.sdk.utils, pickle
assert moss.sdk.utils.__name__ == moss.sdk.utils.__spec__.name == "moss.sdk.utils"
client = pickle.loads(pickle.dumps(aistore.Client("http://h")))
assert type(client) is aistore.Client
importlib.reload(moss.sdk.utils)
""")


def test_how_programs_look_for_the_package():
    run("""
import moss.compat.aistore
from importlib.util import find_spec
assert find_spec("aistore") is not None and find_spec("aistore.sdk.errors") is not None
assert find_spec("aistore.nonsense") is None
try:
    import aistore.sdk.nonsense
except ModuleNotFoundError as error:
    assert error.name == "aistore.sdk.nonsense"
else:
    raise AssertionError
""")


def test_a_package_that_is_imported_already_is_not_replaced():
    text = run("""
import aistore
try:
    import moss.compat.aistore
except ImportError as error:
    print(error)
from aistore import Client
assert Client.__module__.startswith("aistore.")
""")
    assert "already imported from" in text and "before anything that imports aistore" in text


def test_installing_twice_and_by_the_other_name():
    run("""
import sys
from moss.compat import install_as_aistore
assert "aistore" not in sys.modules
install_as_aistore()
install_as_aistore()
import aistore, moss.compat.aistore as compat
assert compat.is_installed() and sum(type(f).__name__ == "_Finder" for f in sys.meta_path) == 1
""")


def test_nothing_happens_unasked():
    assert run("import sys, moss, moss.sdk, moss.compat; print('aistore' in sys.modules)") == "False"


_LIST_CLASSES = """
import importlib, inspect, json, pkgutil, aistore.sdk
found = {}
for info in pkgutil.walk_packages(aistore.sdk.__path__, "aistore.sdk."):
    try:
        module = importlib.import_module(info.name)
    except ImportError:  # Needs a package that is not installed.
        continue
    found[info.name] = {
        name: [m for m, v in vars(value).items() if not m.startswith("_") and (callable(v) or isinstance(v, property))]
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == info.name and not name.startswith("_") and "[" not in name
    }
print(json.dumps(found))
"""

# How the official SDK is built inside. Nothing of it is in the published reference of the SDK.
_INTERNAL_MODULES = (
    "batch.extractor", "batch.multipart", "lock_poller", "request_executor", "response_handler", "retry_manager",
    "session_manager", "authn.response_handler", "obj.content_iterator", "obj.obj_file.stream", "obj.object_client",
    "etl.webserver.fastapi_streaming", "dataset", "request_client",
)  # fmt: skip
# Messages that methods send; users give their fields as arguments.
_MESSAGES = frozenset({
    "ActionMsg", "ArchiveMultiObj", "BlobMsg", "BsummCtrlMsg", "CopyBckMsg", "CreateNBIMsg", "ETLRuntimeSpec",
    "ETLSpecMsg", "EnvVar", "InitETLArgs", "JobArgs", "JobQuery", "ListObjectsMsg", "LoginMsg", "MptCompletedPart",
    "PrefetchMsg", "PromoteAPIArgs", "TCBckMsg", "TCMultiObj", "TokenMsg", "TransformBckMsg", "HttpError",
    "BucketDetails", "ThreadedHTTPServer",
})  # fmt: skip


def test_every_public_class_and_method_of_the_official_sdk_is_there():
    official = json.loads(run(_LIST_CLASSES))
    wanted = {
        module: {name: methods for name, methods in classes.items() if name not in _MESSAGES}
        for module, classes in official.items()
        if not module.removeprefix("aistore.sdk.").startswith(_INTERNAL_MODULES)
    }
    missing = run(
        """
import importlib, json, sys, moss.compat.aistore
for module, classes in json.loads(sys.argv[1]).items():
    try:
        found = importlib.import_module(module)
    except ImportError:
        if classes:
            print("module", module)
        continue
    for name, methods in classes.items():
        if not hasattr(found, name):
            print("class", module, name)
            continue
        for method in methods:
            if not hasattr(getattr(found, name), method):
                print("method", module, name, method)
""",
        json.dumps(wanted),
    )
    # These have methods of the library that their official twins are built with.
    # The others are how the official servers of transformations are built inside.
    inside = (
        "close_reader", "iter_and_close", "make_direct_put_headers", "client_put", "handle_direct_put_response",
        "startup_event", "shutdown_event", "RequestHandler",
    )  # fmt: skip
    library = ("validate_", "parse_", "set_", "as_dict", "dict", "_generate_next_value_")
    lines = [line for line in missing.splitlines() if not line.rpartition(" ")[2].startswith((*library, *inside))]
    assert lines == []


def test_a_program_for_the_official_client_runs_on_mosss(node: NodeProcess):
    source = PROGRAM.read_text(encoding="utf-8")
    check = 'assert "moss" not in sys.modules'
    assert check in source
    program = "import moss.compat.aistore\n" + source.replace(check, "assert aistore.sdk is moss.sdk")
    program = program.replace(
        "from aistore import Client", "import aistore.sdk\nimport moss.sdk\nfrom aistore import Client"
    )
    # The official client has no more to say about a placeholder of a streamed answer than that it failed.
    text = '("failed" if streaming else "does not exist") in info.err_msg'
    assert text in program
    program = program.replace(text, "info.err_msg")
    assert run(program, node.url).splitlines()[-2] == "done"
