"""Moss's SDK under the name `aistore`, for programs that import it by that name.

    import moss.compat.aistore

is all it takes, before the first import of `aistore`, in each process that shall use it. After it, `aistore` and
`aistore.sdk…` are the modules of `moss` and `moss.sdk…` themselves: `aistore.sdk.errors.AISError` is the class that
`moss.sdk` raises. It makes no difference whether the official package is installed. A part of it that Moss does not
have is not found, rather than taken from the official package.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Final

__all__ = ["PROTOCOL_VERSION", "install", "is_installed"]

PROTOCOL_VERSION: Final = "2.0.0"
"""Release of the official SDK whose interface this is; what `aistore.__version__` says."""

_NAME = "aistore"
_ALIASED = ("sdk", "pytorch", "botocore_patch", "mcp")


class _TopLoader(Loader):
    """Makes the module `aistore`."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        from moss.sdk import Client

        module.__doc__ = "Moss's SDK under the name of the official package."
        module.__file__ = __file__
        module.__version__ = PROTOCOL_VERSION  # type: ignore[attr-defined]
        module.Client = Client  # type: ignore[attr-defined]
        module.__all__ = ["Client"]  # type: ignore[attr-defined]


class _AliasLoader(Loader):
    """Gives a module of Moss a second name."""

    def __init__(self, original: str) -> None:
        self._original = original
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._original)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just replaced it; the module goes on being what it was.
        module.__spec__ = self._spec


class _Finder(MetaPathFinder):
    """Finds `aistore` and what is below it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, _, rest = fullname.partition(".")
        if top != _NAME:
            return None
        if not rest:
            return ModuleSpec(_NAME, _TopLoader(), origin=__file__, is_package=True)
        original = f"moss.{rest}"
        found = find_spec(original) if rest.partition(".")[0] in _ALIASED else None
        if found is None:
            return None  # Not found anywhere: the path of this package is empty.
        is_package = found.submodule_search_locations is not None
        return ModuleSpec(fullname, _AliasLoader(original), origin=__file__, is_package=is_package)


def is_installed() -> bool:
    """Whether `aistore` is Moss in this process."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def install() -> None:
    """Make `import aistore` resolve to Moss's SDK; done by importing this module. Harmless when done before.

    Raises:
        ImportError: the official package is imported already.
    """
    if is_installed():
        return
    if _NAME in sys.modules:
        origin = getattr(sys.modules[_NAME], "__file__", None) or "an unknown place"
        raise ImportError(
            f"{_NAME!r} is already imported from {origin}, and programs hold its classes: "
            "import moss.compat.aistore before anything that imports aistore",
            name=_NAME,
        )
    sys.meta_path.insert(0, _Finder())
    importlib.import_module(_NAME)


install()
