"""Calls in the order of arguments that older releases had."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["takes_no_ext_before"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def takes_no_ext_before(position: int) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Let a method be called without its parameter `ext`, which older releases did not have.

    A bool where `ext` stands is the parameter behind it, and so are all that follow by position. What is given by name
    means what it says.

    Args:
        position: of `ext`, where `self` is 0.
    """

    def decorate(method: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @wraps(method)
        def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
            if len(arguments) > position and isinstance(arguments[position], bool):
                arguments = (*arguments[:position], None, *arguments[position:])  # type: ignore[assignment]
            return method(*arguments, **options)

        return call

    return decorate
