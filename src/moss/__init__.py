"""Moss: an object store with batch retrieval for machine-learning data."""

__version__ = "0.1.0.dev0"
