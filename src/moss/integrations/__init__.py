"""Moss behind the interfaces of other libraries. Each needs the extra of its name, and is imported by its own name."""
