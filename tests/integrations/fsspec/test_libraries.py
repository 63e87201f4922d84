"""pandas, pyarrow, dask, `datasets`, zarr-like stores and WebDataset read and write through the file system."""

from pathlib import Path

import dask.dataframe
import datasets
import numpy
import pandas
import pyarrow.csv
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import pytest
import webdataset
import zarr

from moss.integrations.fsspec import MossFileSystem
from moss.testing import NodeProcess

DIGITS = Path(__file__).resolve().parents[3] / "examples" / "data" / "digits"


def describe_digits() -> pandas.DataFrame:
    """A table of the images: their names, labels and bytes."""
    places = sorted(DIGITS.glob("*.png"))
    return pandas.DataFrame(
        {
            "name": [place.stem for place in places],
            "label": [int(place.stem[-1]) for place in places],
            "image": [place.read_bytes() for place in places],
        }
    )


@pytest.fixture
def options(node: NodeProcess) -> dict[str, str]:
    return {"endpoint": node.url}


@pytest.fixture
def table() -> pandas.DataFrame:
    return describe_digits()


def test_124_pandas_reads_and_writes_parquet(table: pandas.DataFrame, bucket: str, options: dict[str, str]):
    table.to_parquet(f"ais://{bucket}/digits.parquet", storage_options=options)
    found = pandas.read_parquet(f"ais://{bucket}/digits.parquet", storage_options=options)
    pandas.testing.assert_frame_equal(found, table)
    labels = pandas.read_parquet(f"moss://{bucket}/digits.parquet", columns=["label"], storage_options=options)
    assert list(labels["label"]) == list(table["label"])


def test_124_pandas_without_options(node: NodeProcess, table, bucket: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIS_ENDPOINT", node.url)
    table.to_parquet(f"ais://{bucket}/digits.parquet")
    assert len(pandas.read_parquet(f"ais://{bucket}/digits.parquet")) == len(table)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.json", "t.pkl"])
def test_pandas_and_other_formats(table: pandas.DataFrame, bucket: str, options: dict[str, str], name: str):
    plain, url = table.drop(columns="image"), f"ais://{bucket}/{name}"
    kind = name.split(".")[1]
    writer = {"csv": "to_csv", "json": "to_json", "pkl": "to_pickle"}[kind]
    reader = {"csv": pandas.read_csv, "json": pandas.read_json, "pkl": pandas.read_pickle}[kind]
    getattr(plain, writer)(url, storage_options=options, **({"index": False} if kind == "csv" else {}))
    pandas.testing.assert_frame_equal(reader(url, storage_options=options), plain, check_dtype=kind == "pkl")


def test_pyarrow_data_sets(fs: MossFileSystem, table: pandas.DataFrame, bucket: str):
    arrow = pyarrow.Table.from_pandas(table)
    pyarrow.dataset.write_dataset(
        arrow, f"{bucket}/parts", format="parquet", partitioning=["label"], filesystem=fs, max_rows_per_group=10
    )
    assert len(fs.find(f"{bucket}/parts")) == 10
    found = pyarrow.dataset.dataset(f"{bucket}/parts", filesystem=fs, partitioning=["label"])
    assert found.count_rows() == len(table)
    sevens = found.to_table(filter=pyarrow.dataset.field("label") == 7, columns=["name"])
    assert sorted(sevens["name"].to_pylist()) == list(table[table["label"] == 7]["name"])


def test_pyarrow_as_a_file_system(fs: MossFileSystem, table: pandas.DataFrame, bucket: str):
    arrow = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fs))
    assert arrow.type_name == "py::fsspec+('ais', 'moss')"
    with arrow.open_output_stream(f"{bucket}/a/b.csv") as file:
        pyarrow.csv.write_csv(pyarrow.Table.from_pandas(table[["name", "label"]]), file)
    with arrow.open_input_stream(f"{bucket}/a/b.csv") as file:
        assert pyarrow.csv.read_csv(file).num_rows == len(table)
    info, missing = arrow.get_file_info([f"{bucket}/a/b.csv", f"{bucket}/x"])
    assert info.size == fs.size(f"{bucket}/a/b.csv") and info.mtime is not None
    assert missing.type == pyarrow.fs.FileType.NotFound
    found = arrow.get_file_info(pyarrow.fs.FileSelector(bucket, recursive=True))
    assert [(entry.path, entry.is_file) for entry in found] == [(f"{bucket}/a", False), (f"{bucket}/a/b.csv", True)]
    arrow.copy_file(f"{bucket}/a/b.csv", f"{bucket}/c.csv")
    arrow.move(f"{bucket}/c.csv", f"{bucket}/d.csv")
    arrow.delete_file(f"{bucket}/d.csv")
    arrow.delete_dir(f"{bucket}/a")
    assert fs.find(bucket) == []


def test_pyarrow_reads_row_groups(fs: MossFileSystem, table: pandas.DataFrame, bucket: str):
    with fs.open(f"{bucket}/g.parquet", "wb") as file:
        pyarrow.parquet.write_table(pyarrow.Table.from_pandas(table), file, row_group_size=20)
    parquet = pyarrow.parquet.ParquetFile(f"{bucket}/g.parquet", filesystem=fs, pre_buffer=True)
    assert parquet.num_row_groups == 10
    assert parquet.read_row_group(3)["name"].to_pylist() == list(table["name"][60:80])


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
def test_dask_reads_and_writes_in_parts(table: pandas.DataFrame, bucket: str, options: dict[str, str]):
    frame = dask.dataframe.from_pandas(table[["name", "label"]], npartitions=4)
    frame.to_parquet(f"ais://{bucket}/dask", storage_options=options)
    found = dask.dataframe.read_parquet(f"ais://{bucket}/dask", storage_options=options)
    assert found.npartitions == 4
    assert found["label"].value_counts().compute().to_dict() == table["label"].value_counts().to_dict()
    frame.to_csv(f"ais://{bucket}/csv/part-*.csv", index=False, storage_options=options)
    lines = dask.dataframe.read_csv(f"ais://{bucket}/csv/part-*.csv", blocksize=200, storage_options=options)
    assert lines.npartitions > 4 and lines["label"].sum().compute() == table["label"].sum()


@pytest.fixture
def hub_cache(tmp_path: Path) -> Path:
    """`datasets` keeps its files here."""
    return tmp_path / "cache"


@pytest.mark.parametrize("kind", ["parquet", "csv", "json", "text"])
def test_124_datasets_load_files(fs, table, bucket: str, options: dict[str, str], hub_cache: Path, kind: str):
    plain = table[["name", "label"]]
    for part in range(2):
        rows = plain.iloc[part * 100 : (part + 1) * 100]
        with fs.open(f"{bucket}/data/part-{part}.{kind}", "wb") as file:
            if kind == "parquet":
                rows.to_parquet(file)
            elif kind == "text":
                file.write("\n".join(rows["name"]).encode())
            else:
                getattr(rows, f"to_{kind}")(file, **({"index": False} if kind == "csv" else {"orient": "records"}))
    load = {
        "path": kind,
        "data_files": f"ais://{bucket}/data/*.{kind}",
        "storage_options": options,
        "cache_dir": str(hub_cache),
        "split": "train",
    }
    column = "text" if kind == "text" else "name"
    assert datasets.load_dataset(**load)[column] == list(table["name"])
    assert [row[column] for row in datasets.load_dataset(**load, streaming=True)] == list(table["name"])


def test_datasets_decode_images(fs: MossFileSystem, bucket: str, options: dict[str, str], hub_cache: Path):
    fs.put(f"{DIGITS}/", f"{bucket}/digits", recursive=True)
    stream = datasets.load_dataset(
        "imagefolder",
        data_files=f"ais://{bucket}/digits/*.png",
        storage_options=options,
        cache_dir=str(hub_cache),
        split="train",
        streaming=True,
    )
    images = [row["image"] for row in stream.take(3)]
    assert [image.size for image in images] == [(8, 8)] * 3


def test_datasets_are_saved_and_loaded(table, bucket: str, options: dict[str, str], tmp_path: Path):
    made = datasets.Dataset.from_pandas(table)
    made.save_to_disk(f"ais://{bucket}/saved", storage_options=options)
    found = datasets.load_from_disk(f"ais://{bucket}/saved", storage_options=options)
    assert found["image"] == made["image"]
    made.to_parquet(f"ais://{bucket}/made.parquet", storage_options=options)
    assert len(pandas.read_parquet(f"ais://{bucket}/made.parquet", storage_options=options)) == len(table)


def test_webdataset_reads_shards(fs: MossFileSystem, table: pandas.DataFrame, bucket: str):
    with fs.open(f"{bucket}/digits.tar", "wb") as file, webdataset.TarWriter(file) as writer:
        for name, label, image in table.itertuples(index=False):
            writer.write({"__key__": name, "png": image, "cls": label})
    with fs.open(f"{bucket}/digits.tar") as file:
        samples = list(webdataset.tariterators.group_by_keys(webdataset.tariterators.tar_file_expander([{
            "url": "digits.tar", "stream": file}])))  # fmt: skip
    assert [sample["png"] for sample in samples] == list(table["image"])
    members = [f"{bucket}/digits.tar/{name}.png" for name in table["name"]]
    assert fs.cat_ranges(members, None, None) == list(table["image"])


def test_zarr_stores_arrays(fs: MossFileSystem, bucket: str, options: dict[str, str]):
    """It awaits the coroutines of the file system."""
    expected = numpy.arange(10_000, dtype="int32").reshape(100, 100)
    place = {"store": f"ais://{bucket}/array.zarr", "storage_options": options}
    array = zarr.create_array(**place, shape=expected.shape, chunks=(10, 10), dtype="int32")
    array[:] = expected
    found = zarr.open_array(**place, mode="r")
    assert (found[:] == expected).all() and (found[3:70, 55] == expected[3:70, 55]).all()
    assert len(fs.find(f"{bucket}/array.zarr")) > 99


def test_numpy_memory_of_a_mapping(fs: MossFileSystem, bucket: str):
    """What stores of arrays do: small values by key, many at a time."""
    mapper = fs.get_mapper(f"{bucket}/array")
    chunks = {f"c/{number}": numpy.full(100, number, "int32").tobytes() for number in range(64)}
    mapper.setitems(chunks)
    assert mapper.getitems(list(chunks)) == chunks and sorted(mapper) == sorted(chunks)
    assert fs.find(f"{bucket}/array") == sorted(f"{bucket}/array/{key}" for key in chunks)
