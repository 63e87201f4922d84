"""Calls between workers: answers of those that live, whatever became of the others."""

import socket
import threading

import pytest

from moss.node.links import WorkerLinks


@pytest.fixture
def links(tmp_path):
    found = [WorkerLinks(tmp_path, worker) for worker in range(3)]
    for worker, link in enumerate(found):
        link.serve("who", lambda argument, worker=worker: [worker, argument])
        link.serve("large", lambda argument: "x" * argument)
        link.start()
    yield found
    for link in found:
        link.close()


def test_all_siblings_answer_but_not_the_asker(links):
    assert links[1].ask_all("who", "a") == [[0, "a"], [2, "a"]]


def test_large_answers_come_whole(links):
    assert [len(text) for text in links[0].ask_all("large", 3_000_000)] == [3_000_000] * 2


def test_gone_siblings_and_unknown_questions_are_left_out(links, tmp_path):
    links[2].close()
    # What a killed process leaves behind: a socket that nobody listens at.
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(f"/proc/self/fd/{links[0]._folder_fd}/worker-9.sock")
    dead.close()
    assert links[0].ask_all("who", 1) == [[1, 1]]
    assert links[0].ask_all("nosuch", 1) == []


def test_a_worker_that_starts_again_takes_its_place(links, tmp_path):
    again = WorkerLinks(tmp_path, 2)
    again.serve("who", lambda argument: ["again", argument])
    again.start()
    assert ["again", 1] in links[0].ask_all("who", 1)
    again.close()


def test_siblings_are_asked_at_the_same_time(links):
    both = threading.Barrier(2, timeout=4)
    for link in links[1:]:
        link.serve("meet", lambda argument: both.wait())
    assert sorted(links[0].ask_all("meet", None)) == [0, 1]
