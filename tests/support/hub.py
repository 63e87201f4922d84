"""A web server of this machine, with the lists of files that the Hugging Face hub has."""

import http.server
import json
import threading
from urllib.parse import unquote, urlsplit

TOKEN = "hf_secret"


class Hub(http.server.ThreadingHTTPServer):
    """Serves files by their paths, and the lists of files that the Hugging Face hub has.

    Attributes:
        files: content by path.
        is_private: whether a token is wanted.
        may_answer: no answer is given while it is not set.
        asked: the paths of all requests.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.is_private = False
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "Hub":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """A download that was stopped leaves its connection; nothing is wrong with that."""

    def listing(self, path: str) -> bytes | None:
        kind, _, rest = path.removeprefix("/api/").partition("/")
        name, _, revision = rest.partition("/revision/")
        below = f"/{name}/resolve/{revision}/" if kind == "models" else f"/{kind}/{name}/resolve/{revision}/"
        found = {path.removeprefix(below): data for path, data in self.files.items() if path.startswith(below)}
        rows = [{"rfilename": name, "size": len(data)} for name, data in found.items()]
        return json.dumps({"id": name, "siblings": rows}).encode() if rows else None


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(path)
        self.server.may_answer.wait(30)
        content = self.server.listing(path) if path.startswith("/api/") else self.server.files.get(path)
        status = 200 if content is not None else 404
        if self.server.is_private and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, content = 401, None
        self.send_response(status)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass
