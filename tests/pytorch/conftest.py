"""The same digits as for our own classes, with the official client and plugin and with ours."""

import importlib
from typing import Any

import pytest

from moss.testing import NodeProcess
from tests.integrations.torch.conftest import bucket, digits, shards

__all__ = ["bucket", "digits", "shards"]


class Plugin:
    """A client library and its PyTorch classes by the package's name."""

    def __init__(self, root: str, url: str) -> None:
        self.root = root
        self.client = importlib.import_module(f"{root}.sdk").Client(url)
        self.is_official = root == "aistore"

    def __getattr__(self, name: str) -> Any:
        for module in ("pytorch", "pytorch.batch_iter_dataset", "sdk", "sdk.dataset.data_shard"):
            if (found := getattr(importlib.import_module(f"{self.root}.{module}"), name, None)) is not None:
                return found
        raise AttributeError(f"{self.root} has no {name}")


@pytest.fixture(params=["aistore", "moss"])
def plugin(request: pytest.FixtureRequest, node: NodeProcess) -> Plugin:
    return Plugin(request.param, node.url)
