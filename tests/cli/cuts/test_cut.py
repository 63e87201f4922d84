"""What a line of a manifest means: sources, tracks, channels, and errors that say where and what."""

import json
from typing import Any

import pytest

from moss.cli.cuts.cut import Piece, decode_cut, pieces_of
from moss.cli.cuts.locate import entry_of
from moss.cli.cuts.manifest import Line
from moss.cli.failures import CommandError
from moss.wire.batch import Entry


def source(text: str, *channels: int, kind: str = "url") -> dict[str, Any]:
    return {"type": kind, "channels": list(channels or (0,)), "source": text}


def mono(*sources: dict[str, Any], **more: Any) -> dict[str, Any]:
    recording = {"id": "r", "sources": list(sources), "sampling_rate": 8000, "num_samples": 80000, "duration": 10.0}
    return {"id": "c", "start": 1, "duration": 2.5, "channel": 0, "type": "MonoCut", "recording": recording} | more


def pieces(cut: dict[str, Any], *, all_sources: bool = False, by_channel: bool = False) -> list[Piece]:
    line = Line(7, json.dumps(cut).encode())
    return list(pieces_of(decode_cut(line), 7, all_sources=all_sources, by_channel=by_channel))


def sources(cut: dict[str, Any], **how: bool) -> list[str]:
    return [piece.source for piece in pieces(cut, **how)]


def entry(text: str) -> Entry:
    return entry_of(Piece("c", 7, text, 0, 1))


def test_what_a_cut_says() -> None:
    assert pieces(mono(source("b/x.wav"))) == [Piece("c", 7, "b/x.wav", 1.0, 2.5, 8000, 80000)]


def test_76_the_first_place_that_names_a_source_counts() -> None:
    full = mono(source("first"), audio_source="third")
    full["recording"]["path"] = "second"
    assert sources(full) == ["first"]
    full["recording"]["sources"] = []
    assert sources(full) == ["second"]
    del full["recording"]["path"]
    assert sources(full) == ["third"]
    full["recording"] = None
    assert sources(full) == ["third"]


def test_98_a_cut_without_source() -> None:
    with pytest.raises(CommandError, match=r'^cut "c": no audio source field found \(line 7\)$'):
        pieces({"id": "c", "start": 0, "duration": 1, "type": "MonoCut", "features": {"type": "fbank"}})


def test_97_every_track_but_padding_in_order_with_its_own_times() -> None:
    tracks = [
        {"cut": mono(source("a"), id="t1", start=0.5, duration=1)},
        {"cut": {"id": "pad", "duration": 1.0, "type": "PaddingCut"}, "offset": 1},
        {"cut": mono(source("b"), id="t2", start=3, duration=2), "offset": 1.0, "snr": 10},
    ]
    found = pieces({"id": "mix", "type": "MixedCut", "tracks": tracks})
    assert [(p.cut_id, p.source, p.start, p.duration) for p in found] == [("mix", "a", 0.5, 1), ("mix", "b", 3, 2)]


def test_97_padding_is_nothing_to_fetch() -> None:
    padding = {"id": "p", "duration": 1.0, "num_samples": 8000, "type": "PaddingCut"}
    assert pieces(padding) == []
    assert pieces({"id": "m", "type": "MixedCut", "tracks": [{"cut": padding}]}) == []


def test_all_sources_are_taken_when_asked_for() -> None:
    two = mono(source("left"), source("right", 1), type="MultiCut", channel=[0, 1])
    assert sources(two) == ["left"]
    assert sources(two, all_sources=True) == ["left", "right"]
    assert {(p.start, p.duration) for p in pieces(two, all_sources=True)} == {(1.0, 2.5)}


def test_by_channel_only_what_holds_the_channels() -> None:
    def columns(channel: Any) -> list[tuple[str, tuple[int, ...] | None]]:
        cut = mono(source("stereo", 0, 1), source("third", 2), channel=channel)
        return [(p.source, p.channels) for p in pieces(cut, by_channel=True)]

    assert columns(1) == [("stereo", (1,))]
    assert columns(2) == [("third", (0,))]
    assert columns([2, 1]) == [("stereo", (1,)), ("third", (0,))]
    assert columns([0, 1]) == [("stereo", (0, 1))]
    assert columns(None) == [("stereo", None)]
    with pytest.raises(CommandError, match=r'cut "c" \(line 7\): no source has channel 5'):
        columns([0, 5])


@pytest.mark.parametrize("kind", ["command", "memory", "shar"])
@pytest.mark.parametrize("how", [{}, {"all_sources": True}, {"by_channel": True}])
def test_sources_that_are_no_files(kind: str, how: dict[str, bool]) -> None:
    with pytest.raises(CommandError, match=rf'cut "c" \(line 7\): unsupported source type "{kind}"'):
        pieces(mono(source("x", kind=kind)), **how)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1,2]", "expected an object, found a list"),
        ("null", "expected an object, found null"),
        ('"x"', "expected an object, found text"),
        ('{"start": "1"}', '"start" must be a number'),
        ('{"duration": null}', '"duration" must be a number'),
        ('{"recording": {"sources": {}}}', '"recording.sources" must be a list'),
        ('{"recording": {"sources": [{"source": 1}]}}', '"recording.sources[0].source" must be text'),
        ('{"channel": "left"}', '"channel" must be a number or a list'),
        ('{"id": oops}', "invalid character"),
        ('{"id": "1"', "truncated"),
        ('{"start": NaN}', "invalid"),
        ('{"id": "\xff"}', "utf-8"),
        ("{} x", "trailing characters"),
    ],
)
def test_95_lines_that_are_no_cuts(text: str, reason: str) -> None:
    with pytest.raises(CommandError) as caught:
        decode_cut(Line(3, text.encode("latin-1")))
    message = str(caught.value)
    assert message.startswith("bad cut json at line 3: ") and reason.lower() in message.lower()


@pytest.mark.parametrize(
    ("text", "provider", "bucket", "name", "member"),
    [
        ("ais://b/dir/x.wav", "ais", "b", "dir/x.wav", ""),
        ("s3://b/x.wav", "aws", "b", "x.wav", ""),
        ("aws://b/x.wav", "aws", "b", "x.wav", ""),
        ("gs://b/x.wav", "gcp", "b", "x.wav", ""),
        ("az://b/x.wav", "azure", "b", "x.wav", ""),
        ("oc://b/x.wav", "oci", "b", "x.wav", ""),
        ("b/x.wav", "ais", "b", "x.wav", ""),
        ("/data/x.wav", "", "", "data/x.wav", ""),
        ("ais://b/shard-0000.tar.gz/audio/s_42.wav", "ais", "b", "shard-0000.tar.gz", "audio/s_42.wav"),
        ("ais://b/räume/ü.wav", "ais", "b", "räume/ü.wav", ""),
    ],
)
def test_77_78_79_sources_as_entries(text: str, provider: str, bucket: str, name: str, member: str) -> None:
    assert entry(text) == Entry(objname=name, bucket=bucket, provider=provider, archpath=member)


def test_namespaces_are_kept() -> None:
    found = entry("ais://@cluster#ns/b/x.wav")
    assert (found.objname, found.bucket, found.uname) == ("x.wav", "b", "ais/@cluster#ns/b/")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x.wav", 'cannot parse source "x.wav"'),
        ("ais://b", "cannot parse source"),
        ("ais://b/", "cannot parse source"),
        ("ais://@u#n", "cannot parse source"),
        ("/", "cannot parse source"),
        ("https://h/x.wav", 'invalid backend provider "https"'),
        ("file:///data/x.wav", 'invalid backend provider "file"'),
        ("ais://b!/x.wav", "invalid"),
        ("b!/x.wav", "invalid"),
        ("ais://b/../x.wav", 'invalid object name "../x.wav"'),
        ("ais://b/dir/", 'invalid object name "dir/"'),
    ],
)
def test_80_sources_that_name_nothing_say_where(text: str, reason: str) -> None:
    with pytest.raises(CommandError) as caught:
        entry(text)
    assert str(caught.value).startswith('cut "c" (line 7): ') and reason in str(caught.value)
