"""Data sets that are written as shards: which files make a sample, and how samples become TAR archives."""

from moss.sdk.dataset.config_attribute import ConfigAttribute
from moss.sdk.dataset.data_attribute import DataAttribute
from moss.sdk.dataset.data_shard import DataShard
from moss.sdk.dataset.dataset_config import DatasetConfig
from moss.sdk.dataset.label_attribute import LabelAttribute

__all__ = ["ConfigAttribute", "DataAttribute", "DataShard", "DatasetConfig", "LabelAttribute"]
