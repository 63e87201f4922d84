"""Objects: reading, writing, attributes."""
