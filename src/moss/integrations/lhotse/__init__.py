"""Moss for Lhotse: minibatches of cuts with one request each, and `ais://` wherever Lhotse opens a file.

    import moss.lhotse

    moss.lhotse.install()                      # AudioSamples(use_batch_loader=True) and open_best use Moss

or, without changing Lhotse, `MossBatchLoader` and `MossAudioSamples` by themselves. Needs the extra `lhotse`. Names are
loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moss.integrations.lhotse.audio import MossAudioSamples, install
    from moss.integrations.lhotse.backend import MossIOBackend, install_io_backend, open_url
    from moss.integrations.lhotse.loader import AISBatchLoaderError, MossBatchLoader
    from moss.integrations.lhotse.loader import MossBatchLoader as AISBatchLoader
    from moss.integrations.lhotse.locations import Location, parse_location
    from moss.integrations.lhotse.ranges import RangeReader

__all__ = [
    "AISBatchLoader",
    "AISBatchLoaderError",
    "Location",
    "MossAudioSamples",
    "MossBatchLoader",
    "MossIOBackend",
    "RangeReader",
    "install",
    "install_io_backend",
    "open_url",
    "parse_location",
]

_HOMES = {
    "AISBatchLoader": ("loader", "MossBatchLoader"),
    "AISBatchLoaderError": ("loader", "AISBatchLoaderError"),
    "Location": ("locations", "Location"),
    "MossAudioSamples": ("audio", "MossAudioSamples"),
    "MossBatchLoader": ("loader", "MossBatchLoader"),
    "MossIOBackend": ("backend", "MossIOBackend"),
    "RangeReader": ("ranges", "RangeReader"),
    "install": ("audio", "install"),
    "install_io_backend": ("backend", "install_io_backend"),
    "open_url": ("backend", "open_url"),
    "parse_location": ("locations", "parse_location"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, original = _HOMES[name]
    value = getattr(import_module(f"{__name__}.{module}"), original)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
