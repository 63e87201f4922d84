import base64

import pytest

from moss.cli.etl.definitions import BadDefinition, Overrides, described, documents, names_in, read_definition
from moss.cli.failures import UsageError

SHORT = """
name: upper-case
communication_type: hpull
init_timeout: 2m
runtime:
  image: registry.example/upper:1
  command: "uvicorn app:app --port 80"
  env: [{name: LEVEL, value: "2"}]
"""
POD = """apiVersion: v1
kind: Pod
metadata:
  name: upper-pod
  annotations: {communication_type: "hpush://", wait_timeout: 3m}
spec: {containers: [{name: server, image: "registry.example/upper:1"}]}
"""


def test_short_form() -> None:
    message = read_definition(SHORT, Overrides())
    assert message == {
        "name": "upper-case",
        "communication": "hpull://",
        "init_timeout": "2m",
        "runtime": {
            "image": "registry.example/upper:1",
            "command": ["uvicorn", "app:app", "--port", "80"],
            "env": [{"name": "LEVEL", "value": "2"}],
        },
    }
    assert list(described(message)) == [
        "name: upper-case", "communication_type: hpull://", "runtime:", "   image: registry.example/upper:1",
    ]  # fmt: skip


def test_pods_are_sent_as_they_are() -> None:
    message = read_definition(POD, Overrides())
    assert base64.b64decode(message.pop("spec")).decode() == POD
    assert message == {"name": "upper-pod", "communication": "hpush://", "init_timeout": "3m"}
    assert list(described(read_definition(POD, Overrides()))) == ["name: upper-pod", "communication_type: hpush://"]


def test_the_command_line_wins() -> None:
    message = read_definition(POD, Overrides("other-name", "ws", "1m", "9s"))
    assert (message["name"], message["communication"]) == ("other-name", "ws://")
    assert (message["init_timeout"], message["obj_timeout"]) == ("1m", "9s")
    with pytest.raises(UsageError, match="invalid '--comm-type' \"smoke\""):
        read_definition(SHORT, Overrides(communication="smoke"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [", "malformed YAML"),
        ("just text", "expecting a mapping"),
        ("name: x\nruntime: {}", "missing 'runtime' with an 'image'"),
        ("runtime: {image: a}", "missing 'name'"),
        ("name: x\nruntime: {image: a}\nimagee: b", 'unknown key "imagee"'),
        ("name: x\nruntime: {image: a}\ncommunication: smoke", 'unknown communication type "smoke"'),
    ],
)
def test_bad_documents(text: str, says: str) -> None:
    with pytest.raises(BadDefinition, match=says):
        read_definition(text, Overrides())


def test_several_documents() -> None:
    text = f"# two of them\n---\n{SHORT}\n--- # the second\n{POD}\n---\n"
    assert len(documents(text)) == 2 and names_in(text) == ["upper-case", "upper-pod"]
