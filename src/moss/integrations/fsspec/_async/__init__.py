"""What the file system asks of the cluster. `_sync` is made from `_async`."""
