# Made by scripts/unasync.py from _async/bucket.py; change that file instead.
"""One bucket."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moss.sdk._sync.bucket_jobs import BucketJobs
from moss.sdk._sync.bucket_listing import BucketListing
from moss.sdk._sync.object_group import ObjectGroup
from moss.sdk.answers import Answer
from moss.sdk.errors import AISError, ErrBckAlreadyExists, ErrBckNotFound
from moss.sdk.listing import find_files, target_name
from moss.sdk.multiobj.object_range import ObjectRange
from moss.sdk.operations import Request, bucket_path
from moss.sdk.progress import MeasuredPieces, OnProgress, ProgressCounter
from moss.sdk.transport.blocking_tasks import call_blocking, for_each

if TYPE_CHECKING:
    from moss.sdk.dataset.dataset_config import DatasetConfig

__all__ = ["Bucket"]

_UPLOADS_AT_A_TIME = 32
_WHOLE_FILE_BYTES_MAX = 256 * 1024


class Bucket(BucketListing, BucketJobs):
    """One bucket. Making one sends nothing, and says nothing about its existence.

    Args:
        name: the bucket's name.
        client: the way to the cluster.
        provider: who keeps it.
        namespace: where the name is looked up; None is the global one.

    Raises:
        InvalidBckProvider: unknown provider.
    """

    def create(self, exist_ok: bool = False) -> "Bucket":
        """Create the bucket.

        Raises:
            ErrBckAlreadyExists: it exists, and not `exist_ok`.
            InvalidBckProvider: buckets of clouds are not created from here.
        """
        self._require_ais()
        try:
            self.make_request("POST", "create-bck")
        except ErrBckAlreadyExists:
            if not exist_ok:
                raise
        return self

    def delete(self, missing_ok: bool = False) -> None:
        """Destroy the bucket and everything in it.

        Raises:
            ErrBckNotFound: it does not exist, and not `missing_ok`.
            InvalidBckProvider: buckets of clouds are not destroyed from here.
        """
        self._require_ais()
        try:
            self.make_request("DELETE", "destroy-bck")
        except ErrBckNotFound:
            if not missing_ok:
                raise

    def head(self) -> Answer:
        """Ask for the bucket's properties, in the header `Ais-Bucket-Props`.

        Raises:
            AISError: status 404 when it does not exist.
        """
        return self.client.call(Request("HEAD", bucket_path(self._name), self._query()))

    def objects(
        self,
        obj_names: Iterable[str] | None = None,
        obj_range: ObjectRange | None = None,
        obj_template: str | None = None,
    ) -> ObjectGroup:
        """Select objects of the bucket; sends nothing.

        Args:
            obj_names, obj_range, obj_template: exactly one of them.

        Raises:
            ValueError: none or several of them, or an empty one.
        """
        return ObjectGroup(self, obj_names, obj_range, obj_template)

    def put_files(
        self,
        path: str | Path,
        prefix_filter: str = "",
        pattern: str = "*",
        basename: bool = False,
        prepend: str | None = None,
        recursive: bool = False,
        dry_run: bool = False,
        verbose: bool = True,
        *,
        num_workers: int = _UPLOADS_AT_A_TIME,
        progress: OnProgress | None = None,
    ) -> list[str]:
        """Store the files of a folder, several at a time.

        Args:
            prefix_filter, pattern: beginning and shell pattern of the names of files to store.
            basename: name objects after the file only, without its folders.
            prepend: put before each object name.
            recursive: files of sub-folders too.
            dry_run: store nothing.
            verbose: accepted for compatibility; nothing is printed.
            num_workers: files that are sent at the same time.
            progress: called after each file; see `moss.sdk.progress`.

        Returns:
            Names of the objects, in the order of the paths of the files.

        Raises:
            ValueError: `path` is no folder, or two files would get one name.
            AISError: the cluster refused a file; no further ones are begun.
        """
        files = call_blocking(find_files, path, prefix_filter, pattern, recursive)
        stored = [target_name(relative, basename=basename, prepend=prepend) for _, relative in files]
        if len(set(stored)) != len(stored):
            twice = next(name for name, count in Counter(stored).items() if count > 1)
            raise ValueError(f"several files would become object {twice!r}")
        if dry_run:
            return stored
        sizes = [file.stat().st_size for file, _ in files] if progress else []
        counter = ProgressCounter(progress, len(files), sum(sizes))

        def put(index: int) -> None:
            file, name = files[index][0], stored[index]
            size = file.stat().st_size
            writer = self.object(name).get_writer()
            # One write to the socket for a small file, which can be sent again after a failure.
            if size <= _WHOLE_FILE_BYTES_MAX:
                writer.put_content(call_blocking(file.read_bytes))
            else:
                writer.put_file(file)
            counter.add(name, size)

        for_each(put, range(len(files)), num_workers)
        return stored

    def write_dataset(
        self,
        config: "DatasetConfig",
        skip_missing: bool = True,
        *,
        progress: OnProgress | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Write a data set into the bucket as TAR shards, without files in between.

        Args:
            config: which files make a sample.
            skip_missing: leave out samples that lack a part.
            progress: called after each shard, with the number of shards and their bytes so far; see
                `moss.sdk.progress`.
            kwargs: `pattern`, `maxcount`, `maxsize`, `start_shard` as for `DatasetConfig.shards`; `post`, called with
                the name of each shard that is stored.

        Returns:
            The names of the shards.

        Raises:
            ValueError: as for `DatasetConfig.shards`.
        """
        post = kwargs.pop("post", None)
        counter = ProgressCounter(progress)
        stored = []
        for name, pieces in config.shards(skip_missing, **kwargs):
            measured = MeasuredPieces(pieces)
            self.object(name).get_writer().put_content(measured)
            stored.append(name)
            counter.add(name, measured.size_bytes)
            if post is not None:
                post(name)
        return stored

    def exists(self) -> bool:
        """Whether the bucket exists."""
        try:
            self.head()
        except AISError as error:
            if error.status_code == 404:
                return False
            raise
        return True
