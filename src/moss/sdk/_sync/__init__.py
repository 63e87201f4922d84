# Made by scripts/unasync.py from _async/__init__.py; change that file instead.
"""One half of the SDK. `_async` is written by hand, `_sync` is made from it by scripts/unasync.py."""
