"""Uses the development line of Lhotse with whatever `aistore` is; the program of `test_development_line.py`.

    AIS_ENDPOINT=URL python next_lhotse.py BUCKET FOLDER_OF_WAV_FILES EMPTY_FOLDER

Writes a Shar data set into the empty folder, puts it into the bucket, and reads it by URL with pointers to single
entries of its tars. Prints one line for each use that worked; the first that does not raises.
"""

import copy
import os
import sys
from pathlib import Path

import numpy as np
from aistore import Client
from lhotse import CutSet, Recording, __version__
from lhotse.ais import AISBatchLoader
from lhotse.shar import SharWriter
from lhotse.shar.readers.indexed import LazyIndexedSharIterator

VECTOR = np.arange(6, dtype=np.float32)


def main() -> None:
    assert __version__.startswith("2."), __version__
    bucket, folder, output = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    written = []
    with SharWriter(output, {"recording": "wav", "vector": "numpy"}, shard_size=3, compress_jsonl=False) as writer:
        for path in sorted(folder.glob("*.wav"))[:7]:
            written.append(Recording.from_file(path).to_cut().attach_tensor("vector", VECTOR))
            writer.write(written[-1])
    client = Client(os.environ["AIS_ENDPOINT"])
    client.bucket(bucket).put_files(output)

    names = sorted(name for name in os.listdir(output) if not name.endswith(".idx"))
    fields = {
        field: [f"ais://{bucket}/{name}" for name in names if name.startswith(field)]
        for field in ("cuts", "recording", "vector")
    }
    shar = LazyIndexedSharIterator(fields=fields, lazy=True)
    cuts = CutSet.from_cuts(shar[index] for index in range(len(shar)))
    assert {cut.recording.sources[0].type for cut in cuts} == {"shar_ptr"}
    print("indexed")

    assert AISBatchLoader._aistore_byte_range_supported()
    by_batch = AISBatchLoader()(copy.deepcopy(cuts))
    by_range = AISBatchLoader(force_individual=True)(copy.deepcopy(cuts))
    for one, other, original in zip(by_batch, by_range, written, strict=True):
        assert one.recording.sources[0].source == other.recording.sources[0].source
        assert np.array_equal(one.load_audio(), original.load_audio())
        assert np.array_equal(one.load_vector(), VECTOR) and np.array_equal(other.load_vector(), VECTOR)
    print("same payloads")

    if "moss.sdk" in sys.modules:
        from moss.lhotse import MossBatchLoader

        for one, other in zip(MossBatchLoader()(cuts), by_batch, strict=True):
            assert one.recording.sources[0].source == other.recording.sources[0].source
            assert np.array_equal(one.load_vector(), VECTOR)
        print("same with Moss's loader")


if __name__ == "__main__":
    main()
    print("done")
