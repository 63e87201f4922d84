"""Command lines on transformations and sorts, against a scripted cluster that has them and a node that has not."""

from tests.cli.jobs.conftest import cluster  # noqa: F401 - fixtures of these tests too
from tests.cli.objects.conftest import ais, run, work  # noqa: F401
