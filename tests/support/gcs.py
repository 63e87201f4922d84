"""A small Google Cloud Storage for tests: its XML API, and a service that gives out tokens.

In memory, in a thread of its own. It takes only requests with a token that it gave out, and gives one only to whoever
signs with the key of its one service account.
"""

import asyncio
import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from xml.etree import ElementTree

from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ACCOUNT = "moss@tests.iam.gserviceaccount.com"
PROJECT = "moss-tests"
LOCATION = "EUROPE-WEST4"


@dataclass
class _Object:
    content: bytes
    metadata: dict[str, str]
    generation: int
    etag: str
    modified: str = field(default_factory=lambda: formatdate(usegmt=True))
    modified_s: float = field(default_factory=time.time)


@dataclass
class _Upload:
    metadata: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


class _Refused(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class Gcs:
    """The service.

    Attributes:
        url: of the API.
        key_file: of the service account.
        uploads: multipart uploads that are neither complete nor aborted.
        tokens_given: how many tokens were given out.
    """

    def __init__(self, folder: Path) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self.url = ""
        self.key_file = folder / "account.json"
        self._buckets: dict[str, dict[str, _Object]] = {}
        self.uploads: dict[str, _Upload] = {}
        self._tokens: set[str] = set()
        self.tokens_given = 0
        self._generation = 1_700_000_000_000_000

    @property
    def environ(self) -> dict[str, str]:
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(self.key_file), "GOOGLE_STORAGE_ENDPOINT": self.url}

    def make_bucket(self, name: str) -> None:
        self._buckets[name] = {}

    def put_packed(self, bucket: str, name: str, packed: bytes) -> None:
        """Store an object that was packed with gzip and says so."""
        self._store(bucket, name, packed, {"content-encoding": "gzip"})

    def write_key(self) -> None:
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        about = {
            "type": "service_account", "project_id": PROJECT, "private_key_id": "1", "private_key": pem.decode(),
            "client_email": ACCOUNT, "client_id": "1", "token_uri": f"{self.url}/token",
        }  # fmt: skip
        self.key_file.write_text(json.dumps(about))

    # -- requests --

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        raw, _, query = request.raw_path.partition("?")
        bucket, _, name = raw.lstrip("/").partition("/") if not raw.startswith("//") else ("", "", raw)
        words = dict(parse_qsl(query, keep_blank_values=True))
        bucket, body = unquote(bucket), await request.content.read()
        try:
            if raw == "/token":
                return self._token(dict(parse_qsl(body.decode())))
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
                raise _Refused(401, "AuthenticationRequired")
            if not bucket:
                return self._buckets_xml(request)
            if bucket not in self._buckets:
                raise _Refused(404, "NoSuchBucket")
            if not name:
                return self._bucket(bucket, words)
            return self._object(request, bucket, unquote(name), words, body)
        except _Refused as error:
            text = f"<?xml version='1.0'?><Error><Code>{error.code}</Code></Error>"
            return web.Response(status=error.status, body=text.encode(), content_type="application/xml")

    def _token(self, form: dict[str, str]) -> web.Response:
        head, claims, signature = form["assertion"].split(".")
        key = self._key.public_key()
        key.verify(_unpadded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        assert json.loads(_unpadded(claims))["iss"] == ACCOUNT
        token = secrets.token_hex(8)
        self._tokens.add(token)
        self.tokens_given += 1
        return web.json_response({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def _buckets_xml(self, request: web.BaseRequest) -> web.Response:
        if request.headers.get("x-goog-project-id") != PROJECT:
            raise _Refused(400, "MissingSecurityHeader")
        rows = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in self._buckets)
        return _xml("ListAllMyBucketsResult", f"<Buckets>{rows}</Buckets>")

    def _bucket(self, bucket: str, words: dict[str, str]) -> web.Response:
        if "versioning" in words:
            return _xml("VersioningConfiguration", "<Status>Enabled</Status>")
        if "list-type" in words:
            return self._listing(bucket, words)
        return web.Response(headers={"x-goog-bucket-location": LOCATION})

    def _listing(self, bucket: str, words: dict[str, str]) -> web.Response:
        prefix, after, limit = words.get("prefix", ""), words.get("start-after", ""), int(words.get("max-keys", 1000))
        delimiter, rows, folders, is_cut = words.get("delimiter", ""), "", [], False
        shown = 0
        for name, found in sorted(self._buckets[bucket].items(), key=lambda pair: pair[0].encode()):
            if not name.startswith(prefix) or name.encode() <= after.encode():
                continue
            inside, mark, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if mark and prefix + inside + mark in folders:
                continue
            if shown == limit:
                is_cut = True
                break
            shown += 1
            if mark:
                folders.append(prefix + inside + mark)
                continue
            when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(found.modified_s))
            rows += (
                f"<Contents><Key>{quote(name)}</Key><Size>{len(found.content)}</Size>"
                f'<ETag>"{found.etag}"</ETag><LastModified>{when}</LastModified></Contents>'
            )
        rows += "".join(f"<CommonPrefixes><Prefix>{quote(row)}</Prefix></CommonPrefixes>" for row in folders)
        return _xml("ListBucketResult", f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>{rows}")

    def _object(
        self, request: web.BaseRequest, bucket: str, name: str, words: dict[str, str], body: bytes
    ) -> web.StreamResponse:
        objects, method = self._buckets[bucket], request.method
        metadata = {key.lower(): value for key, value in request.headers.items()}
        metadata = {key: value for key, value in metadata.items() if key.startswith("x-goog-meta-")}
        if method == "POST" and "uploads" in words:
            upload = secrets.token_hex(8)
            self.uploads[upload] = _Upload(metadata)
            return _xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
        if "uploadId" in words:
            return self._upload(method, bucket, name, words, body)
        if method == "PUT":
            source = request.headers.get("x-goog-copy-source")
            if source is not None:
                return self._copy(request, bucket, name, metadata)
            stored = self._store(bucket, name, body, metadata)
            return web.Response(headers={"ETag": f'"{stored.etag}"', "x-goog-generation": str(stored.generation)})
        if name not in objects:
            raise _Refused(404, "NoSuchKey")
        if method == "DELETE":
            del objects[name]
            return web.Response(status=204)
        return self._read(request, objects[name])

    def _read(self, request: web.BaseRequest, found: _Object) -> web.Response:
        if request.headers.get("If-Match", f'"{found.etag}"') != f'"{found.etag}"':
            raise _Refused(412, "PreconditionFailed")
        content, status = found.content, 200
        headers = {
            **found.metadata, "ETag": f'"{found.etag}"', "x-goog-generation": str(found.generation),
            "Last-Modified": found.modified, "Content-Type": "application/octet-stream",
        }  # fmt: skip
        if found.metadata.get("content-encoding") == "gzip" and "gzip" not in request.headers.get(
            "Accept-Encoding", ""
        ):
            raise _Refused(406, "WouldBeUnpacked")
        if span := request.headers.get("Range", "").removeprefix("bytes="):
            first, _, last = span.partition("-")
            stop = min(int(last) + 1 if last else len(content), len(content))
            if int(first) >= len(content):
                raise _Refused(416, "InvalidRange")
            headers["Content-Range"] = f"bytes {first}-{stop - 1}/{len(content)}"
            content, status = content[int(first) : stop], 206
        return web.Response(status=status, headers=headers, body=content)

    def _copy(self, request: web.BaseRequest, bucket: str, name: str, metadata: dict[str, str]) -> web.Response:
        found = self._buckets[bucket].get(name)
        if found is None or unquote(request.headers["x-goog-copy-source"]) != f"/{bucket}/{name}":
            raise _Refused(404, "NoSuchKey")
        if request.headers["x-goog-copy-source-if-match"] != f'"{found.etag}"':
            raise _Refused(412, "PreconditionFailed")
        stored = self._store(bucket, name, found.content, metadata)
        return _xml("CopyObjectResult", f'<ETag>"{stored.etag}"</ETag>', {"x-goog-generation": str(stored.generation)})

    def _upload(self, method: str, bucket: str, name: str, words: dict[str, str], body: bytes) -> web.Response:
        upload = self.uploads.get(words["uploadId"])
        if upload is None:
            raise _Refused(404, "NoSuchUpload")
        if method == "PUT":
            upload.parts[int(words["partNumber"])] = body
            return web.Response(headers={"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
        del self.uploads[words["uploadId"]]
        if method == "DELETE":
            return web.Response(status=204)
        numbers = [int(row.text or 0) for row in ElementTree.fromstring(body).iter("PartNumber")]
        content = b"".join(upload.parts[number] for number in numbers)
        stored = self._store(bucket, name, content, upload.metadata, f"{secrets.token_hex(16)}-{len(numbers)}")
        told = {"x-goog-generation": str(stored.generation)}
        return _xml("CompleteMultipartUploadResult", f'<ETag>"{stored.etag}"</ETag>', told)

    def _store(self, bucket: str, name: str, content: bytes, metadata: dict[str, str], etag: str = "") -> _Object:
        self._generation += 1
        etag = etag or hashlib.md5(content).hexdigest()
        found = self._buckets[bucket][name] = _Object(content, metadata, self._generation, etag)
        return found


@contextmanager
def running_gcs(folder: Path) -> Iterator[Gcs]:
    """Run the service for the length of the block."""
    service, loop, ready = Gcs(folder), asyncio.new_event_loop(), threading.Event()

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(service.answer), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        addresses: Any = runner.addresses
        service.url = f"http://127.0.0.1:{addresses[0][1]}"
        return runner

    def run() -> None:
        runner = loop.run_until_complete(start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(10)
    service.write_key()
    try:
        yield service
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def _xml(root: str, content: str, headers: dict[str, str] | None = None) -> web.Response:
    text = f"<?xml version='1.0' encoding='UTF-8'?><{root} xmlns='http://doc.s3.amazonaws.com/2006-03-01'>"
    return web.Response(body=f"{text}{content}</{root}>".encode(), content_type="application/xml", headers=headers)


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
