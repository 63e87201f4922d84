"""Measures Moss against nginx, loopback TCP and other clients in one run; `python -m benchmarks --help`."""
