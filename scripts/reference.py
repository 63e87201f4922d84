"""Make the SDK reference from the docstrings of the SDK.

    python scripts/reference.py          writes docs/reference
    python scripts/reference.py --check  writes nothing; exit status 1 and a list of pages when they are not current

Reads the source, not the running program, so that the result is the same with every version of Python. Classes are
those of the blocking SDK; `moss.sdk.aio` has the same ones with `await` and `async for`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SOURCE = PROJECT / "src" / "moss"
RESULT = PROJECT / "docs" / "reference"
LINE_MAX = 100
NOTICE = "Made by scripts/reference.py from the docstrings; change those instead."

PAGES: dict[str, tuple[str, dict[str, list[str]]]] = {
    "client": (
        "Client and cluster",
        {
            "moss.sdk": ["Client", "Cluster", "RetryConfig", "ColdGetConf"],
            "moss.sdk.retry_config": ["HttpRetry", "NetworkRetry"],
        },
    ),
    "bucket": (
        "Buckets and listings",
        {
            "moss.sdk": ["Bucket", "AISSource", "Namespace", "ListObjectFlag"],
            "moss.sdk.provider": ["Provider"],
            "moss.sdk.types": ["BucketEntry", "BucketList", "BucketModel", "NBIInfo"],
            "moss.sdk.obj.object_iterator": ["ObjectIterator"],
            "moss.sdk.progress": ["Progress"],
        },
    ),
    "object": (
        "Objects",
        {
            "moss.sdk": ["Object", "ArchiveConfig", "BlobDownloadConfig"],
            "moss.sdk.obj.object_reader": ["ObjectReader"],
            "moss.sdk.obj.obj_file.object_file": ["ObjectFileReader", "ObjectFileWriter"],
            "moss.sdk.obj.object_writer": ["ObjectWriter"],
            "moss.sdk.obj.multipart_upload": ["MultipartUpload"],
            "moss.sdk.obj.object_attributes": ["ObjectAttributes"],
            "moss.sdk.obj.object_props": ["ObjectProps"],
        },
    ),
    "batch": (
        "Batches",
        {
            "moss.sdk": ["Batch"],
            "moss.sdk.batch.types": ["MossIn", "MossOut", "MossReq", "MossResp"],
            "moss.sdk.batch.errors": ["BatchIncompleteError"],
            "moss.sdk.enums": ["Colocation"],
        },
    ),
    "groups": (
        "Groups of objects",
        {"moss.sdk.multiobj": ["ObjectGroup", "ObjectNames", "ObjectRange", "ObjectTemplate", "ObjectCollection"]},
    ),
    "jobs": (
        "Jobs",
        {
            "moss.sdk": ["Job", "WaitResult"],
            "moss.sdk.types": ["JobStatus", "JobSnap", "JobStats", "AggregatedJobSnap"],
        },
    ),
    "types": (
        "Cluster map, options and utilities",
        {
            "moss.sdk.types": ["Smap", "Snode", "NetInfo"],
            "moss.sdk.enums": ["FLTPresence", "LogSeverity", "NodeFilter"],
            "moss.sdk.archive_config": ["ArchiveMode"],
            "moss.sdk.utils": ["parse_url", "convert_to_seconds", "probing_frequency", "expand_braces", "parse_bool"],
        },
    ),
    "dataset": (
        "Data sets written as shards",
        {
            "moss.sdk": ["DataShard"],
            "moss.sdk.dataset.dataset_config": ["DatasetConfig"],
            "moss.sdk.dataset.data_attribute": ["DataAttribute"],
            "moss.sdk.dataset.label_attribute": ["LabelAttribute"],
        },
    ),
    "etl": (
        "Transformations",
        {
            "moss.sdk": ["Etl"],
            "moss.sdk.etl": ["ETLConfig"],
            "moss.sdk.etl.webserver": ["ETLServer", "serialize_class"],
        },
    ),
    "downloads": (
        "Downloads",
        {
            "moss.sdk.download": ["Download"],
            "moss.sdk.hugging_face": ["RepositoryNotFound", "HubUnavailable"],
        },
    ),
    "dsort": (
        "Distributed sort",
        {"moss.sdk.dsort": ["Dsort", "DsortFramework", "DsortShardsGroup", "DsortAlgorithm", "ExternalKeyMap"]},
    ),
    "authn": (
        "Users and tokens",
        {
            "moss.sdk": ["AuthNClient"],
            "moss.sdk.authn.access_attr": ["AccessAttr"],
            "moss.sdk.authn.user_manager": ["UserManager"],
            "moss.sdk.authn.role_manager": ["RoleManager"],
            "moss.sdk.authn.cluster_manager": ["ClusterManager"],
            "moss.sdk.authn.token_manager": ["TokenManager"],
        },
    ),
    "fsspec": (
        "File system, boto3",
        {
            "moss.integrations.fsspec": ["MossFileSystem", "MossFile"],
            "moss.boto": ["client"],
        },
    ),
    "torch": (
        "PyTorch",
        {
            "moss.integrations.torch": [
                "MossMapDataset",
                "MossLoader",
                "MossIterableDataset",
                "MossBatchSampler",
                "TensorDecoder",
                "as_tensor",
            ],
            "moss.integrations.sampling": ["Plan"],
        },
    ),
    "lhotse": (
        "Lhotse and NeMo",
        {
            "moss.lhotse": [
                "MossBatchLoader",
                "MossAudioSamples",
                "install",
                "MossIOBackend",
                "install_io_backend",
                "open_url",
                "RangeReader",
                "AISBatchLoaderError",
            ],
            "moss.integrations.nemo": ["TarredManifest", "url_cut", "is_enabled"],
        },
    ),
    "errors": ("Errors", {}),
}

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Sources:
    """Every top-level definition of the SDK by its name, with the errors of the whole project among them."""

    found: dict[str, Definition] = field(default_factory=dict)
    errors: list[ast.ClassDef] = field(default_factory=list)
    constants: dict[str, ast.expr] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in [path for part in ("sdk", "integrations") for path in sorted(SOURCE.glob(f"{part}/**/*.py"))]:
            if "_async" in path.parts:
                continue
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, Definition):
                    self.found.setdefault(node.name, node)
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    self.constants.setdefault(node.targets[0].id, node.value)
                if isinstance(node, ast.ClassDef) and path.name == "errors.py":
                    self.errors.append(node)

    def with_bases(self, node: ast.ClassDef) -> Iterator[ast.ClassDef]:
        """The class, then those of its bases that the SDK defines, nearest first."""
        yield node
        for base in node.bases:
            name = ast.unparse(base.value if isinstance(base, ast.Subscript) else base).rpartition(".")[2]
            above = self.found.get(name)
            if isinstance(above, ast.ClassDef):
                yield from self.with_bases(above)


def signature(sources: Sources, node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> str:
    """The call as a reader writes it, without `self`; one parameter a line when it is long."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = zip(positional, defaults, strict=True)
    parts = [parameter(sources, *pair) for pair in pairs if pair[0].arg not in ("self", "cls")]
    if arguments.vararg:
        parts.append(f"*{parameter(sources, arguments.vararg, None)}")
    elif arguments.kwonlyargs:
        parts.append("*")
    parts += [parameter(sources, *pair) for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    if arguments.kwarg:
        parts.append(f"**{parameter(sources, arguments.kwarg, None)}")
    result = f" -> {annotation(node.returns)}" if node.returns and node.name != "__init__" else ""
    line = f"{name}({', '.join(parts)}){result}"
    return line if len(line) <= LINE_MAX else f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){result}"


def annotation(node: ast.expr) -> str:
    """A type without the quotes that a forward reference has."""
    text = ast.unparse(node)
    return text if "Literal" in text else re.sub(r"'([\w. |\[\],]+)'", r"\1", text)


def parameter(sources: Sources, argument: ast.arg, default: ast.expr | None) -> str:
    """One parameter; a default that has a private name is shown as its value."""
    text = argument.arg + (f": {annotation(argument.annotation)}" if argument.annotation else "")
    if default is None:
        return text
    if isinstance(default, ast.Name) and default.id.startswith("_"):
        default = sources.constants.get(default.id, default)
    return f"{text} = {ast.unparse(default)}" if argument.annotation else f"{text}={ast.unparse(default)}"


def prose(node: Definition) -> list[str]:
    """A docstring as Markdown: its sections become lists, indented examples become blocks."""
    lines: list[str] = []
    section = in_block = False
    for line in (ast.get_docstring(node) or "").splitlines():
        heading = re.fullmatch(r"(Args|Arguments|Attributes|Raises|Returns|Yields|Example|Examples|Note|Notes):", line)
        item = re.fullmatch(r" {4}(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*): (.+)", line)
        if in_block and line.strip() and not line.startswith("    "):
            lines += ["```", ""]
            in_block = False
        if heading:
            section = heading[1] not in ("Example", "Examples")
            lines += [f"**{heading[1]}**", ""]
        elif section and item:
            lines.append(f"- `{item[1]}`: {item[2]}")
        elif section and line.startswith("    "):
            lines.append(f"  {line.strip()}")
        elif line.startswith("    "):
            lines += [] if in_block else ["```text"]
            in_block = True
            lines.append(line.removeprefix("    "))
        else:
            section = section and not line.strip()
            lines.append(line)
    return [*lines, "```"] if in_block else lines


def attribute(member: ast.AnnAssign | ast.Assign) -> str:
    """A field with its type, and its default where that is a plain value."""
    if isinstance(member, ast.Assign):
        return ast.unparse(member)
    text = f"{ast.unparse(member.target)}: {annotation(member.annotation)}"
    return f"{text} = {ast.unparse(member.value)}" if isinstance(member.value, ast.Constant) else text


def is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(mark) in ("property", "cached_property") for mark in node.decorator_list)


def is_setter(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(mark).endswith((".setter", ".deleter")) for mark in node.decorator_list)


def members(sources: Sources, node: ast.ClassDef) -> Iterator[ast.stmt]:
    """Public members, each once: what a class overrides is its own. The order is that of the source, bases last."""
    seen = {"__init__"}
    for owner in sources.with_bases(node):
        for member in owner.body:
            names: list[str] = []
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and not is_setter(member):
                names = [member.name]
            elif isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                names = [member.target.id]
            elif isinstance(member, ast.Assign):
                names = [target.id for target in member.targets if isinstance(target, ast.Name)]
            if names and not names[0].startswith("_") and names[0] not in seen:
                seen.add(names[0])
                yield member


def describe_class(sources: Sources, node: ast.ClassDef) -> list[str]:
    bases = ", ".join(ast.unparse(base).rpartition(".")[2] for base in node.bases)
    lines = [f"## {node.name}", ""]
    makers = [
        member
        for owner in sources.with_bases(node)
        for member in owner.body
        if isinstance(member, ast.FunctionDef) and member.name == "__init__"
    ]
    if makers:
        lines += ["```text", signature(sources, makers[0], node.name), "```", ""]
    if bases:
        lines += [f"Kind of: `{bases}`.", ""]
    lines += [*prose(node), ""]
    if makers and ast.get_docstring(makers[0]):
        lines += [*prose(makers[0]), ""]
    fields, methods = [], []
    for member in members(sources, node):
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            methods.append(member)
        elif isinstance(member, ast.AnnAssign | ast.Assign):
            fields.append(f"- `{attribute(member)}`")
    if fields:
        lines += [*fields, ""]
    for method in methods:
        lines += describe_function(sources, method, f"{node.name}.{method.name}")
    return lines


def describe_function(sources: Sources, node: ast.FunctionDef | ast.AsyncFunctionDef, title: str) -> list[str]:
    if is_property(node):
        kind = f": `{annotation(node.returns)}`" if node.returns else ""
        return [f"### {title}{kind}", "", *prose(node), ""]
    return [f"### {title}", "", "```text", signature(sources, node, node.name), "```", "", *prose(node), ""]


def describe_errors(sources: Sources) -> list[str]:
    """The tree of errors, by depth."""
    lines = ["Import them from `moss.sdk.errors`, or from the module of what raises them.", ""]
    for node in sources.errors:
        bases = ", ".join(ast.unparse(base).rpartition(".")[2] for base in node.bases)
        lines += [f"## {node.name}", "", f"Kind of: `{bases}`.", "", *prose(node), ""]
    return lines


def pages() -> dict[str, str]:
    """Every page by the name of its file."""
    sources = Sources()
    result = {}
    for name, (title, homes) in PAGES.items():
        lines = [f"<!-- {NOTICE} -->", "", f"# {title}", ""]
        imports = [f"from {home} import {', '.join(sorted(names))}" for home, names in homes.items() if names]
        if imports:
            lines += ["```python", *imports, "```", ""]
        for names in homes.values():
            for wanted in names:
                node = sources.found[wanted]
                if isinstance(node, ast.ClassDef):
                    lines += describe_class(sources, node)
                else:
                    lines += describe_function(sources, node, wanted)
        if name == "errors":
            lines += describe_errors(sources)
        result[f"{name}.md"] = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"
    return result | {"README.md": index()}


def index() -> str:
    lines = [
        f"<!-- {NOTICE} -->",
        "",
        "# Reference of the SDK",
        "",
        "Every class and call of `moss.sdk`. `moss.sdk.aio` has the same ones for asyncio: what sends a request there",
        "is awaited, what iterates is iterated with `async for`.",
        "",
    ]
    for name, (title, homes) in PAGES.items():
        listed = ", ".join(f"`{entry}`" for names in homes.values() for entry in names)
        lines.append(f"- [{title}]({name}.md)" + (f": {listed}" if listed else ""))
    return "\n".join(lines) + "\n"


def differences() -> list[str]:
    """Pages that are missing, not current, or left over."""
    expected = pages()
    wrong = [
        name
        for name, text in expected.items()
        if not (RESULT / name).exists() or (RESULT / name).read_text(encoding="utf-8") != text
    ]
    return wrong + [path.name for path in RESULT.glob("*.md") if path.name not in expected]


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        wrong = differences()
        for name in wrong:
            print(f"docs/reference/{name} is not current; run scripts/reference.py")
        return 1 if wrong else 0
    RESULT.mkdir(parents=True, exist_ok=True)
    expected = pages()
    for path in RESULT.glob("*.md"):
        if path.name not in expected:
            path.unlink()
    for name, text in expected.items():
        (RESULT / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
