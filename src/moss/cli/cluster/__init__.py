"""The cluster as the command line sees it: its map, questions to its nodes, tables."""
