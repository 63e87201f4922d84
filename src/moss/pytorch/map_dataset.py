"""Objects by their index."""

from collections.abc import Sequence

from moss.integrations.torch.fetch import Fetcher
from moss.pytorch.base_map_dataset import AISBaseMapDataset
from moss.pytorch.sources import PrefixMap
from moss.sdk import AISSource
from moss.sdk.batch.batch import Batch
from moss.sdk.etl import ETLConfig

__all__ = ["AISMapDataset"]


class AISMapDataset(AISBaseMapDataset):
    """Pairs of object name and content. A `DataLoader` fetches each batch with one request.

    Args:
        ais_source_list, prefix_map: as for `AISBaseMapDataset`.
        etl_name: transformation that objects are read through, one by one.
    """

    def __init__(
        self,
        ais_source_list: AISSource | Sequence[AISSource] = (),
        prefix_map: PrefixMap | None = None,
        etl_name: str | None = None,
    ) -> None:
        super().__init__(ais_source_list, prefix_map)
        self._etl_name = etl_name

    def __getitem__(self, index: int) -> tuple[str, bytes]:
        """Name and content of one object.

        Raises:
            IndexError: no such index.
            ErrObjNotFound: the object is gone.
        """
        item = self._obj_list[index]
        return item.name, bytes(item.get_reader(etl=ETLConfig(self._etl_name)).read_all())

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[str, bytes]]:
        """Names and contents of several objects, with one request to each cluster that they are in.

        Raises:
            IndexError: no such index.
            MissingSample: an object is gone.
        """
        if self._etl_name:
            return super().__getitems__(indices)
        objects = [self._obj_list[index] for index in indices]
        found: dict[int, tuple[str, bytes]] = {}
        for session in {id(item.bucket.client): item.bucket.client for item in objects}.values():
            places = [place for place, item in enumerate(objects) if item.bucket.client is session]
            entries = Batch(session, [objects[place] for place in places]).requests_list
            found |= zip(places, Fetcher(session).fetch(entries).samples, strict=True)
        return [found[place] for place in range(len(objects))]
