"""Command lines on the cluster, run in this process against a real node, or against a scripted cluster."""

from tests.cli.jobs.conftest import cluster  # noqa: F401 - fixtures of these tests too
from tests.cli.objects.conftest import ais, run, work  # noqa: F401
