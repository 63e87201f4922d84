"""Buckets whose objects are kept elsewhere; this node's disk is a cache of them."""

from moss.node.remote.objects import RemoteObjects, Uncached
from moss.node.remote.places import Place, Remotes
from moss.node.remote.shards import RemoteShards
from moss.node.remote.through import WriteThrough
from moss.node.remote.writes import RemoteWrites

__all__ = ["Place", "RemoteObjects", "RemoteShards", "RemoteWrites", "Remotes", "Uncached", "WriteThrough"]
