"""One change of an object at a time, in all worker processes."""

import asyncio
from pathlib import Path

from moss.node.remote.turns import Begun, ObjectTurns


def test_changes_of_one_object_take_turns_and_others_do_not_wait(tmp_path: Path):
    async def run() -> None:
        # Two tables on one file are as two processes are.
        tables = [ObjectTurns(tmp_path / "lock") for _ in range(2)]
        inside, log = 0, []

        async def change(number: int, name: str) -> None:
            nonlocal inside
            async with tables[number % 2].hold((1, name)):
                inside += name == "o"
                log.append((name, inside))
                await asyncio.sleep(0)
                inside -= name == "o"

        await asyncio.gather(*(change(number, "o" if number % 3 else f"other{number}") for number in range(30)))
        assert {count for name, count in log if name == "o"} == {1}
        assert len(log) == 30

    asyncio.run(run())


def test_who_waited_for_another_process_knows_it(tmp_path: Path):
    async def run() -> None:
        one, two = ObjectTurns(tmp_path / "lock"), ObjectTurns(tmp_path / "lock")
        entered = asyncio.Event()
        waited: list[bool] = []

        async def wait() -> None:
            async with two.hold((1, "o")) as had_to_wait:
                waited.append(had_to_wait)

        async with one.hold((1, "o")) as had_to_wait:
            assert not had_to_wait
            task = asyncio.create_task(wait())
            asyncio.get_running_loop().call_soon(entered.set)
            await entered.wait()
        await task
        assert waited == [True]

    asyncio.run(run())


def test_a_turn_is_given_back_whatever_happens(tmp_path: Path):
    async def run() -> None:
        turns = ObjectTurns(tmp_path / "lock")
        for error in (ValueError, asyncio.CancelledError):
            try:
                async with turns.hold((1, "o")):
                    raise error
            except error:
                pass
        async with asyncio.timeout(5), turns.hold((1, "o")):
            pass

    asyncio.run(run())


def test_notes_that_a_killed_process_left_are_found(tmp_path: Path):
    begun = Begun(tmp_path / "begun", sync=True)
    begun.remove(begun.write((3, "done")))
    begun.write((3, "a/b"))
    begun.write((4, "odd \udc80"))
    found = Begun(tmp_path / "begun", sync=True).left()
    assert sorted(key for key, _ in found) == [(3, "a/b"), (4, "odd \udc80")]
