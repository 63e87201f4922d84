"""Transformations as the command line sees them: their definitions, their names in commands."""
