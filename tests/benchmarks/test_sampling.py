import pytest

from benchmarks import sampling
from benchmarks.results import Result


def test_arms_alternate_and_each_runs_once_a_round():
    order: list[str] = []

    def arm(name: str):
        def run() -> float:
            order.append(name)
            return 1.0

        return run

    samples = sampling.interleave({"a": arm("a"), "b": arm("b")}, rounds=3)
    assert order == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert samples == {"a": [1.0] * 3, "b": [1.0] * 3}


def test_a_ratio_is_taken_within_rounds():
    """The machine is three times slower in the second round; both arms are, so the ratio does not move."""
    assert sampling.ratio({"a": [2.0, 6.0, 2.0], "b": [1.0, 3.0, 1.0]}, "a", "b") == 2.0


def test_line_gives_fixed_and_marginal_cost():
    assert sampling.line([(1, 13.0), (10, 40.0), (100, 310.0)]) == pytest.approx((10.0, 3.0))


def test_percentiles():
    assert sampling.percentile(range(100), 50) == 50
    assert sampling.percentile(range(100), 99) == 99
    assert sampling.percentile([7.0], 99) == 7.0


@pytest.mark.parametrize(
    ("value", "better", "verdict"),
    [(2.0, "more", "goal"), (1.0, "more", "must"), (0.9, "more", "**missed**"), (0.9, "less", "goal")],
)
def test_verdicts(value: float, better: str, verdict: str):
    aim = 2.0 if better == "more" else 0.95
    result = Result("G", "case", value, must=1.0, aim=aim, better=better)  # type: ignore[arg-type]
    assert result.verdict == verdict
