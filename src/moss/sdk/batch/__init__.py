"""Batch retrieval (GetBatch). Import from `moss.sdk.batch.batch`, `.types` and `.errors`, or from `moss.sdk`."""
