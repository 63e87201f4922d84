"""Lhotse's input strategies with batches behind them."""

from typing import Any

import lhotse.dataset.input_strategies as strategies

from moss.integrations.lhotse.backend import install_io_backend
from moss.integrations.lhotse.loader import MossBatchLoader
from moss.sdk import Client

__all__ = ["MossAudioSamples", "install"]


class MossAudioSamples(strategies.AudioSamples):
    """`AudioSamples` that loads each minibatch with one request.

    Args:
        loader: what loads; None makes a `MossBatchLoader`, which with `fault_tolerant` drops the cuts whose data cannot
            be had, as those whose audio cannot be decoded are dropped.
        options: of `lhotse.dataset.input_strategies.AudioSamples`.
    """

    def __init__(self, *arguments: Any, loader: MossBatchLoader | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options | {"use_batch_loader": False})
        on_error = "drop" if self.fault_tolerant else "raise"
        self.ais_batch_loader = loader if loader is not None else MossBatchLoader(on_error=on_error)
        self.use_batch_loader = True


def install(client: Client | None = None, **options: Any) -> None:
    """Make Lhotse use Moss wherever it would use the `aistore` package, in this process. Once is enough.

    `open_best` opens `ais://` URLs with `MossIOBackend`, and `AudioSamples(use_batch_loader=True)` loads with a
    `MossBatchLoader`. Neither needs the `aistore` package then. With `fault_tolerant=True`, cuts whose data cannot be
    had are dropped.

    Args:
        client: the connection to use; None makes one when it is needed.
        options: of `MossBatchLoader`, for the loaders that Lhotse makes.
    """
    install_io_backend(client)
    original = strategies.AudioSamples.__init__
    original = getattr(original, "_moss_original", original)

    def __init__(self: Any, *arguments: Any, **keywords: Any) -> None:
        wants_batches = keywords.pop("use_batch_loader", False)
        original(self, *arguments, **keywords)
        if wants_batches:
            defaults = {"on_error": "drop"} if self.fault_tolerant else {}
            self.ais_batch_loader = MossBatchLoader(client=client, **defaults | options)
            self.use_batch_loader = True

    __init__._moss_original = original  # type: ignore[attr-defined]
    strategies.AudioSamples.__init__ = __init__  # type: ignore[method-assign]
    try:  # Its module needs a package that Lhotse itself does not bring.
        import lhotse.ais
    except ImportError:
        return
    lhotse.ais.AISBatchLoader = MossBatchLoader
