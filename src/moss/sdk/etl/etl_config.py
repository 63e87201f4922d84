"""Which transformation a read, a copy or a listing of URLs goes through. Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

__all__ = ["ETLConfig"]


@dataclass
class ETLConfig:
    """A transformation, or a pipeline of them, and its arguments.

    Attributes:
        name: name of a transformation, or an `Etl`, which may be the first of a pipeline (`a >> b >> c`).
        args: arguments of this request; a dict is sent as JSON.
    """

    name: Any = None
    args: str | dict[str, Any] | None = None

    def update_qparams(self, params: dict[str, str]) -> None:
        """Add the query parameters; does nothing without a name."""
        if not self.name:
            return
        if isinstance(self.name, str):
            params["etl_name"] = self.name
        else:
            params["etl_name"] = self.name.name
            params["etl_pipeline"] = ",".join(self.name.pipeline)
        if self.args:
            text = self.args if isinstance(self.args, str) else msgspec.json.encode(self.args).decode()
            params["etl_args"] = text
