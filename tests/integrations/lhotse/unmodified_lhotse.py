"""Uses Lhotse as it is, with whatever `aistore` is; the program of `test_unmodified.py`.

    AIS_ENDPOINT=URL python unmodified_lhotse.py BUCKET FOLDER

Nothing of this project is imported here. FOLDER holds `digits/*.wav`, which the bucket holds too, and as members of
`digits.tar` and `digits.tgz`. Prints one line for each use that worked; the first that does not raises.
"""

import os
import sys
from pathlib import Path

import numpy as np
from lhotse import CutSet, Recording
from lhotse.ais import AISBatchLoader
from lhotse.audio import AudioSource
from lhotse.dataset.input_strategies import AudioSamples
from lhotse.serialization import open_best


def main() -> None:
    bucket, folder = sys.argv[1], Path(sys.argv[2])
    names = [f"{number}.wav" for number in (0, 3, 7, 10, 3)]

    def cuts(where: str) -> CutSet:
        made = []
        for position, name in enumerate(names):
            recording = Recording.from_file(folder / "digits" / name, recording_id=f"{position}-{name}")
            recording.sources = [AudioSource("url", [0], f"ais://{bucket}/{where}/{name}")]
            made.append(recording.to_cut())
        return CutSet.from_cuts(made)

    wanted = [Recording.from_file(folder / "digits" / name).load_audio() for name in names]
    for where in ("digits", "digits.tar", "digits.tgz"):
        loaded = AISBatchLoader()(cuts(where))
        assert [cut.recording.sources[0].type for cut in loaded] == ["memory"] * len(names)
        for cut, audio in zip(loaded, wanted, strict=True):
            assert np.array_equal(cut.load_audio(), audio)
        print("loaded", where)

    audio, lengths = AudioSamples(use_batch_loader=True)(cuts("digits.tar"))
    assert list(lengths) == [samples.shape[1] for samples in wanted]
    assert np.array_equal(audio[1, : lengths[1]].numpy(), wanted[1][0])
    print("collated")

    with open_best(f"ais://{bucket}/digits/7.wav", "rb") as file:
        assert file.read() == (folder / "digits" / "7.wav").read_bytes()
    with open_best(f"ais://{bucket}/written-{os.getpid()}.jsonl", "w") as file:
        print('{"id": "x"}', file=file)
    with open_best(f"ais://{bucket}/written-{os.getpid()}.jsonl", "r") as file:
        assert file.read().strip() == b'{"id": "x"}'
    print("opened")


if __name__ == "__main__":
    main()
    print("done", any(name.startswith("moss") for name in sys.modules))
