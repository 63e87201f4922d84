"""Stand-ins for other packages. Nothing here has an effect before it is asked for."""

__all__ = ["install_as_aistore"]


def install_as_aistore() -> None:
    """Make `import aistore` resolve to Moss's SDK in this process, see `moss.compat.aistore`.

    Raises:
        ImportError: the official package is imported already.
    """
    from moss.compat.aistore import install

    install()
