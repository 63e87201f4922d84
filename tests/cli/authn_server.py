"""A small AuthN service: users, roles, clusters and tokens in memory, every request recorded.

Answers as spec/rest-control.md 13 says; it verifies nothing but the password and the presence of a token.
"""

import base64
import http.server
import json
import threading
import urllib.parse
from typing import Any


def token_of(**claims: Any) -> str:
    """An unsigned JSON Web Token."""

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}."


class AuthNServer:
    """The service.

    Attributes:
        requests: (method, path, token, decoded body) in order.
        revoked: tokens.
        claims: what the tokens of the next logins say besides the user.
    """

    def __init__(self) -> None:
        admin = {"name": "Admin", "desc": "AuthN administrator", "clusters": None, "buckets": None, "admin": True}
        self.tables: dict[str, dict[str, Any]] = {
            "users": {"admin": {"id": "admin", "roles": [admin], "pass": "admin"}},
            "roles": {"Admin": admin},
            "clusters": {},
        }
        self.requests: list[tuple[str, str, str, Any]] = []
        self.revoked: list[str] = []
        self.claims: dict[str, Any] = {"admin": True, "iss": "http://authn", "exp": 4_102_444_800}
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and document."""
        fixed = {
            "/v1/daemon": {"log": {"level": "3"}, "auth": {"expiration_time": "24h", "rsa": False}},
            "/v1/public-key": {"public_key": "PEM"},
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/.well-known/jwks.json"},
            "/.well-known/jwks.json": {"keys": [{"kid": "k1", "kty": "RSA"}]},
        }
        if path in fixed:
            return 200, fixed[path]
        _, kind, *rest = path.removeprefix("/v1").split("/")
        name = urllib.parse.unquote(rest[0]) if rest else ""
        if kind not in (*self.tables, "tokens"):
            return 401, {"message": "p[x]: token required", "status": 401}  # as a cluster that wants one
        if kind == "tokens":
            self.revoked.append(body["token"])
            return 200, None
        if kind == "users" and name and method == "POST":
            return self._login(name, body)
        return self._entry(method, kind, name, body)

    def _login(self, name: str, body: Any) -> tuple[int, Any]:
        user = self.tables["users"].get(name)
        if user is None or user["pass"] != body["password"]:
            return 401, {"message": "invalid credentials", "status": 401}
        return 200, {"token": token_of(sub=name, **self.claims)}

    def _entry(self, method: str, kind: str, name: str, body: Any) -> tuple[int, Any]:
        table, singular = self.tables[kind], kind[:-1]
        if method == "POST":
            name = body.get("id") or body["name"]
            if name in table:
                return 409, {"message": f"AuthN: {singular} {name} already exists", "status": 409}
            table[name] = body
            return 200, None
        if not name:
            found = {"clusters": table} if kind == "clusters" else [*table.values()] if kind == "roles" else table
            return 200, found
        name = next((key for key, entry in table.items() if entry.get("alias") == name), name)
        if name not in table:
            return 404, {"message": f'{singular} "{name}" does not exist', "status": 404}
        if method == "DELETE":
            del table[name]
        elif method == "PUT":
            table[name] |= {key: value for key, value in body.items() if value}
        else:
            return 200, {"clusters": {name: table[name]}} if kind == "clusters" else table[name]
        return 200, None


class _Handler(http.server.BaseHTTPRequestHandler):
    service: AuthNServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        pass

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.service.requests.append((self.command, self.path, token, body))
        status, document = self.service.answer(self.command, self.path, body)
        data = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _handle
