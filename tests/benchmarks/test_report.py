from pathlib import Path

from benchmarks import report
from benchmarks.results import Result

RESULTS = [
    Result("G5", "10 KiB, batch 1,000", 0.5, must=0.45, aim=1.0, absolute={"moss": "1/s", "nginx": "2/s"}),
    Result("G6", "1 MiB, batch 128", 60.0, "%", 65.0, 90.0),
]
README = f"before\n{report.README_MARK}\nold\n{report.README_MARK}\nafter\n"


def written(folder: Path, busy_cores: float) -> tuple[str, str]:
    (folder / "README.md").write_text(README)
    report.write_texts(folder / "docs", RESULTS, {"cores": "2"}, busy_cores)
    return (folder / "docs" / "benchmarks.md").read_text(), (folder / "README.md").read_text()


def test_a_quiet_run_is_written_to_page_and_readme(tmp_path: Path):
    page, readme = written(tmp_path, 0.01)
    assert "| 10 KiB, batch 1,000 | **0.50×** | ≥ 0.45× | ≥ 1.00× | must | moss 1/s; nginx 2/s |" in page
    assert "**missed**" in page and "disturbed" not in page
    assert readme.startswith("before\n") and readme.endswith("\nafter\n")
    assert "old" not in readme and "0.50×" in readme


def test_a_disturbed_run_says_so_and_leaves_the_readme_alone(tmp_path: Path):
    page, readme = written(tmp_path, 0.8)
    assert "This run was disturbed" in page
    assert readme == README
