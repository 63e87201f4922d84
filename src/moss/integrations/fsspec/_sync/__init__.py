# Made by scripts/unasync.py from _async/__init__.py; change that file instead.
"""What the file system asks of the cluster. `_sync` is made from `_async`."""
