"""The tree agrees with that of fsspec's own file system in memory, whatever the names."""

import itertools

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moss.integrations.fsspec import MossFileSystem
from moss.integrations.fsspec.paths import describe_directory, describe_file, select_below

PARTS = st.sampled_from(["a", "b", "ab", "a.b", "A", "ä", "a b", "0"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
PATTERNS = st.lists(st.sampled_from(["a", "b", "*", "**", "a*", "?", "[ab]", "*b"]), min_size=1, max_size=3).map(
    "/".join
)


def without_conflicts(paths: set[str]) -> list[str]:
    """Paths none of which is a directory of another: only object stores can have both."""
    return sorted(path for path in paths if not any(other.startswith(f"{path}/") for other in paths))


TREES = st.sets(PATHS, max_size=12).map(without_conflicts)
_numbers = itertools.count()


@pytest.fixture
def memory() -> MemoryFileSystem:
    class Own(MemoryFileSystem):
        """With a store of its own."""

        store: dict = {}  # noqa: RUF012
        pseudo_dirs = [""]  # noqa: RUF012

    return Own(skip_instance_cache=True)


def relative(paths: list[str], top: str) -> list[str]:
    return sorted(path.strip("/").removeprefix(top).strip("/") for path in paths)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES, pattern=PATTERNS, depth=st.sampled_from([None, 1, 2, 3]), withdirs=st.booleans(), start=PATHS)
def test_listings_and_searches(
    fs: MossFileSystem, memory: MemoryFileSystem, bucket: str, tree, pattern, depth, withdirs, start
):
    top = f"{bucket}/{next(_numbers)}"
    for system in (fs, memory):
        system.pipe({f"{top}/{path}": path.encode() for path in tree})
    if not tree:
        return

    def of_both(call) -> tuple[object, object]:
        answers = []
        for system in (fs, memory):
            try:
                answers.append(call(system))
            except FileNotFoundError:
                answers.append("missing")
        return tuple(answers)

    for place in (top, f"{top}/{start}"):
        ours, theirs = of_both(lambda f, p=place: relative(f.find(p, maxdepth=depth, withdirs=withdirs), top))
        assert ours == theirs
        ours, theirs = of_both(lambda f, p=place: relative(f.ls(p, detail=False), top))
        assert ours == theirs
        ours, theirs = of_both(
            lambda f, p=place: sorted((relative([w], top), sorted(d), sorted(n)) for w, d, n in f.walk(p))
        )
        assert ours == theirs
        ours, theirs = of_both(lambda f, p=place: (f.exists(p), f.isdir(p), f.isfile(p), f.du(p)))
        assert ours == theirs
    ours, theirs = of_both(lambda f: relative(f.glob(f"{top}/{pattern}", maxdepth=depth), top))
    assert ours == theirs


@settings(deadline=None)
@given(tree=TREES, depth=st.sampled_from([None, 1, 2, 3]), withdirs=st.booleans())
def test_the_answer_of_find_has_every_level_once(tree: list[str], depth: int | None, withdirs: bool):
    infos = [describe_file(f"top/{path}", 1) for path in tree]
    found = select_below("top", infos, depth, withdirs)
    levels = {"/".join(path.split("/")[:count]) for path in tree for count in range(1, path.count("/") + 1)}
    expected = {f"top/{path}": "file" for path in tree}
    if withdirs:
        expected |= {f"top/{path}": "directory" for path in levels} | {"top": "directory"}
    if depth is not None:
        expected = {path: kind for path, kind in expected.items() if path.count("/") <= depth}
    assert {path: info["type"] for path, info in found.items()} == expected
    assert list(found) == sorted(found)
    assert select_below("", [describe_directory("b"), *infos], 1, True).keys() == {"b"} | ({"top"} if tree else set())
