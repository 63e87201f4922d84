"""Fills the disk that a node's data lies on, and empties it again. Run in a mount namespace of its own:

python fill_disk_over_http.py FOLDER
"""

import sys
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from moss.testing import start_node
from tests.support.wire import Wire


def main(folder: Path) -> None:
    with start_node(folder / "data", sync=False) as node:
        wire = Wire(node.url)
        bucket = wire.new_bucket()
        stored: dict[str, bytes] = {}
        refused = 0
        for number in range(3000):
            data = bytes([number % 256]) * (50_000 if number % 3 else 1_500_000)
            answer = wire.send("PUT", f"/v1/objects/{bucket}/{number}", data)
            if answer.status == 200:
                stored[str(number)] = data
            else:
                assert (answer.status, answer.error["tcode"]) == (507, "ErrCapacityExceeded"), answer.body
                refused += 1
                if refused == 20:
                    break
        assert refused == 20 and len(stored) > 10

        path = f"/v1/objects/{bucket}/new"
        begun = wire.send("PUT", f"{path}?append_type=append&append_handle=", b"x")
        assert begun.status == 200
        handle = quote(begun.headers["ais-append-handle"], safe="")
        assert wire.send("PUT", f"{path}?append_type=append&append_handle={handle}", bytes(8 << 20)).status == 507
        assert wire.send("PUT", f"{path}?append_type=append&append_handle=", bytes(8 << 20)).status == 507
        assert wire.send("PUT", f"{path}?append_type=flush&append_handle={handle}").status == 507
        upload = wire.send("POST", path, {"action": "mpt-upload"})
        assert upload.status in (200, 507)
        if upload.status == 200:
            url = f"{path}?uploadId={upload.body.decode()}"
            assert wire.send("PUT", f"{url}&partNumber=1", bytes(4 << 20)).status == 507
            assert wire.send("DELETE", url, {"action": "mpt-abort"}).status == 200
        for name, data in stored.items():
            assert wire.send("GET", f"/v1/objects/{bucket}/{name}").body == data

        for name in stored:
            assert wire.send("DELETE", f"/v1/objects/{bucket}/{name}").status == 200
        # What could not be flushed for want of space still can.
        assert wire.send("PUT", f"{path}?append_type=flush&append_handle={handle}").status == 200
        assert wire.send("GET", path).body == b"x"
        for number in range(10):
            answer = wire.send("PUT", f"/v1/objects/{bucket}/{number}", bytes(100_000))
            assert answer.status == 200, answer.body
            assert wire.send("GET", f"/v1/objects/{bucket}/{number}").body == bytes(100_000)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
