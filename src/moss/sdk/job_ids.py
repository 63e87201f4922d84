"""What starts of multi-object jobs return."""

__all__ = ["JobIds"]


class JobIds(list[str]):
    """Ids of jobs: a list, whose text is the ids with commas between them, as older releases returned it."""

    @classmethod
    def parse(cls, text: str) -> "JobIds":
        """Read the ids that a cluster answered with."""
        return cls(part for part in (piece.strip() for piece in text.split(",")) if part)

    def __str__(self) -> str:
        return ",".join(self)
