"""Buckets whose objects are kept elsewhere; this node's disk is a cache of them."""

from moss.node.remote.objects import RemoteObjects
from moss.node.remote.places import Place, Remotes

__all__ = ["Place", "RemoteObjects", "Remotes"]
