"""How a command ends when it does not succeed: each class is one exit status."""


class CommandError(Exception):
    """A run-time failure: status 1, printed as `Error: TEXT`.

    Attributes:
        hints: further lines that tell what to do about it.
    """

    status = 1

    def __init__(self, text: str, *hints: str) -> None:
        super().__init__(text)
        self.hints = hints


class UsageError(CommandError):
    """The command line itself is wrong: status 2, printed with a pointer to the help."""

    status = 2


class Canceled(CommandError):
    """The user answered No: status 0, nothing was changed."""

    status = 0

    def __init__(self) -> None:
        super().__init__("Operation canceled.")
