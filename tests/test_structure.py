"""The shape of the source tree: layers, sizes, what may import what."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "moss"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if "_sync" not in path.parts)
MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
ROOT = SOURCE.parents[1]

# What a plain install brings is imported under another name than it is installed by.
IMPORT_NAMES = {"google-crc32c": "google_crc32c", "google-re2": "re2", "PyYAML": "yaml"}
# Folders whose modules need an extra; whoever imports them has installed it.
NEEDS_EXTRA = ("sdk/etl/webserver", "integrations", "pytorch", "lhotse")


def test_imports_point_one_way():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run(command, cwd=SOURCE.parents[1], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_modules_and_functions_stay_small(path: Path):
    text = path.read_text()
    assert text.count("\n") <= MODULE_LINES_MAX
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert not long


def test_the_sdk_starts_without_the_node():
    """`import moss.sdk` must not bring the server's libraries with it."""
    code = "import sys, moss.sdk; print([m for m in ('lmdb', 'moss.node', 'click', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_a_plain_install_has_what_the_package_and_the_first_example_import():
    """`pip install` without extras, then `make run`: nothing that only the tests' environment has may be imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[\w.-]+", requirement)[0] for requirement in project["dependencies"]]
    available = {IMPORT_NAMES.get(name, name) for name in names} | set(sys.stdlib_module_names) | {"moss"}
    plain = [path for path in MODULES if not str(path.relative_to(SOURCE)).startswith(NEEDS_EXTRA)]
    examples = [ROOT / "examples" / name for name in ("first_batch.py", "running_node.py")]
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (*plain, *examples)
        for name in _imports_at_start(path)
        if name not in available | {"running_node"}
    }
    assert not missing


def _imports_at_start(path: Path) -> Iterator[str]:
    """Top-level packages that a module imports when it is itself imported."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
