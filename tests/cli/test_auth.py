"""`ais auth` against a small AuthN service."""

import json
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.authn_server import AuthNServer, token_of
from tests.cli.conftest import Ais, Result

Auth = Callable[..., Result]


@pytest.fixture
def service() -> Iterator[AuthNServer]:
    server = AuthNServer()
    yield server
    server.close()


@pytest.fixture
def auth(ais: Ais, service: AuthNServer) -> Auth:
    def run(*words: str, stdin: str = "", **environ: str) -> Result:
        return ais("auth", *words, stdin=stdin, **{"AIS_AUTHN_URL": service.url, **environ})

    return run


@pytest.fixture
def token_file(ais: Ais, tmp_path: Path) -> Path:
    return tmp_path / "home" / ".config" / "ais" / "cli" / "auth.token"


@pytest.fixture
def logged_in(auth: Auth) -> Auth:
    assert auth("login", "admin", "-p", "admin").status == 0
    return auth


def test_login_keeps_a_token_that_only_its_owner_reads(auth: Auth, service: AuthNServer, token_file: Path) -> None:
    done = auth("login", "admin", "-p", "admin", "--expire", "1h")
    assert (done.status, done.out, done.err) == (0, f"Logged in ({token_file})\n", "")
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert service.requests == [
        ("POST", "/v1/users/admin", "", {"password": "admin", "expires_in": 3600 * 10**9}),
    ]
    assert json.loads(token_file.read_text())["token"] == token_of(sub="admin", **service.claims)


def test_the_token_is_sent_to_the_cluster(logged_in: Auth, ais: Ais, server, token_file: Path) -> None:
    server.requests.clear()
    assert ais("ls").status == 0
    sent = {key.lower(): value for key, value in server.requests[0][2].items()}
    assert sent["authorization"] == "Bearer " + json.loads(token_file.read_text())["token"]


def test_login_asks_for_what_is_missing(auth: Auth, service: AuthNServer) -> None:
    done = auth("login", stdin="admin\nadmin\n")
    assert done.status == 0 and "User login: User password: " in done.err and done.out.startswith("Logged in (")
    assert "password cannot be empty" in auth("login", "admin", stdin="\n").err


def test_a_password_typed_on_a_terminal_is_not_shown(service: AuthNServer, tmp_path: Path) -> None:
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from moss.cli.main import main; main()", "auth", "login", "admin"],
        stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AIS_AUTHN_URL": service.url},
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )  # fmt: skip
    os.close(terminal)
    text = b""
    while b"password: " not in text:
        text += os.read(main, 1024)
    os.write(main, b"admin\n")
    assert process.wait(timeout=60) == 0
    while b"Logged in" not in text:
        text += os.read(main, 1024)
    os.close(main)
    assert b"admin" not in text.partition(b"password: ")[2]


def test_wrong_password(auth: Auth, token_file: Path) -> None:
    done = auth("login", "admin", "-p", "nope")
    assert done.status == 1 and "Error: invalid credentials" in done.err
    assert not token_file.exists()


def test_a_service_that_does_not_answer_is_named(auth: Auth) -> None:
    done = auth("login", "admin", "-p", "x", AIS_AUTHN_URL="127.0.0.1:1")
    assert done.status == 1
    assert done.err.startswith("Error: AuthN unreachable at http://127.0.0.1:1 (detailed error: Connection refused). ")
    assert "AIS_AUTHN_URL" in done.err


def test_login_for_one_cluster(logged_in: Auth, service: AuthNServer) -> None:
    assert logged_in("add", "cluster", "uuid1", "main", "http://10.0.0.1:8080").status == 0
    assert logged_in("login", "admin", "-p", "admin", "--cluster", "main").status == 0
    assert service.requests[-1][3] == {"password": "admin", "expires_in": None, "cluster_id": "uuid1"}
    assert "does not exist" in logged_in("login", "admin", "-p", "admin", "--cluster", "nosuch").err


def test_logout_revokes_and_removes(logged_in: Auth, service: AuthNServer, token_file: Path) -> None:
    token = json.loads(token_file.read_text())["token"]
    done = logged_in("logout")
    assert (done.status, done.out) == (0, f'Logged out (removed/revoked "{token_file}")\n')
    assert service.revoked == [token] and not token_file.exists()
    assert logged_in("logout").status == 1


def test_logout_without_the_service_still_forgets(logged_in: Auth, token_file: Path) -> None:
    done = logged_in("logout", AIS_AUTHN_URL="http://127.0.0.1:1")
    assert done.status == 0 and "could not be revoked" in done.err and not token_file.exists()


def test_whoami(logged_in: Auth, service: AuthNServer) -> None:
    done = logged_in("whoami")
    assert (done.status, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[:4] == [["Identity"], ["User:", "admin"], ["Admin:", "yes"], ["Issuer:", "http://authn"]]
    assert lines[4][:2] == ["Expires:", "2100-01-01"]
    assert lines[5:] == [["Roles"], ["Admin"], ["Access"], ["everything"]]
    found = json.loads(logged_in("whoami", "--json").out)
    assert (found["user"], found["admin"], found["roles"]) == ("admin", True, ["Admin"])


def test_whoami_tells_permissions(auth: Auth, service: AuthNServer) -> None:
    bucket = {"name": "b", "provider": "ais", "namespace": {"uuid": "uuid1", "name": ""}}
    service.claims = {
        "clusters": [{"id": "uuid1", "perm": "12288"}],
        "buckets": [{"bck": bucket, "perm": "771"}],
    }
    assert auth("login", "admin", "-p", "admin").status == 0
    found = json.loads(auth("whoami", "--json").out)
    assert found["clusters"] == {"uuid1": ["LIST-BUCKETS", "SHOW-CLUSTER"]}
    assert found["buckets"] == {"ais://b in uuid1": ["ro"]} and found["expires"] is None
    assert "Expires:  never" in auth("whoami").out


def test_nobody_is_logged_in(auth: Auth, token_file: Path) -> None:
    done = auth("whoami")
    assert (done.status, done.out) == (1, "")
    assert "not logged in (run `ais auth login` or set AIS_AUTHN_TOKEN / AIS_AUTHN_TOKEN_FILE)" in done.err
    assert "no JSON Web Token" in auth("whoami", AIS_AUTHN_TOKEN="nonsense").err
    token_file.parent.mkdir(parents=True)
    token_file.write_text("{broken")
    assert "ais auth login" in auth("whoami").err


def test_users(logged_in: Auth, service: AuthNServer) -> None:
    assert logged_in("add", "user", "alice", "Admin", "-p", "secret").out == 'User "alice" added\n'
    again = logged_in("add", "user", "alice", "-p", "secret")
    assert again.status == 1 and 'Error: user "alice" already exists' in again.err
    assert logged_in("show", "user").out == "NAME\t ROLES\nadmin\t Admin\nalice\t Admin\n"
    assert json.loads(logged_in("show", "user", "alice", "--json").out) == [{"name": "alice", "roles": ["Admin"]}]
    assert logged_in("set", "user", "alice", stdin="new\n").out == 'User "alice" updated\n'
    assert service.tables["users"]["alice"]["pass"] == "new"
    assert 'role "nosuch" does not exist' in logged_in("set", "user", "alice", "nosuch").err
    assert "use '--yes'" in logged_in("rm", "user", "alice").err
    assert logged_in("rm", "user", "alice", "--yes").out == 'User "alice" removed\n'
    assert 'user "alice" does not exist' in logged_in("rm", "user", "alice", "--yes").err
    assert all(token for _, path, token, _ in service.requests if path != "/v1/users/admin")


def test_roles(logged_in: Auth, service: AuthNServer) -> None:
    assert logged_in("add", "cluster", "uuid1", "main", "http://10.0.0.1:8080").status == 0
    words = ("add", "role", "readers", "ro", "put", "--cluster", "main", "--desc", "read and put")
    assert logged_in(*words).out == 'Role "readers" added\n'
    assert service.tables["roles"]["readers"]["clusters"] == [{"id": "uuid1", "perm": str(771 | 4)}]
    assert "already exists" in logged_in(*words).err
    done = logged_in("set", "role", "readers", "rw", "--bucket", "ais://b", "--cluster", "main")
    assert done.out == 'Role "readers" updated\n'
    (grant,) = service.tables["roles"]["readers"]["buckets"]
    assert grant["perm"] == "831" and grant["bck"]["name"] == "b"
    assert "readers\t read and put" in logged_in("show", "role").out
    shown = logged_in("show", "role", "readers").out
    assert "Cluster uuid1" in shown and "GET HEAD-OBJECT PUT" in shown and "Bucket ais://b of uuid1" in shown
    assert "Admin" not in logged_in("show", "role", "--cluster", "main", "-H").out
    one = logged_in("show", "role", "readers", "-H").out
    assert logged_in("show", "role", "--verbose", "-H").out.endswith("\n\n" + one)
    assert logged_in("rm", "role", "readers", "-y").status == 0


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("add", "role", "r", "fly"), 'invalid permission "fly" (expecting ro, rw, su or: GET HEAD-OBJECT'),
        (("add", "role", "r"), 'missing "PERMISSION" argument'),
        (("add", "role", "r", "ro", "--bucket", "s3://b"), "must be an ais:// bucket"),
        (("set", "role", "r"), "nothing to change"),
        (("add", "user"), 'missing "USER" argument'),
        (("add", "cluster"), 'missing "CLUSTER_ID" argument'),
        (("set", "cluster", "c"), "nothing to change"),
        (("login", "a", "-p", "x", "--expire", "soon"), "'--expire': time: invalid duration"),
    ],
)
def test_wrong_usage(auth: Auth, service: AuthNServer, words: tuple[str, ...], found: str) -> None:
    done = auth(*words)
    assert (done.status, done.out) == (2, "") and found in done.err
    assert service.requests == []


def test_clusters(logged_in: Auth, service: AuthNServer, server) -> None:
    assert logged_in("add", "cluster", "uuid1", "main", "10.0.0.1:8080").out == 'Cluster "uuid1" added\n'
    assert logged_in("add", "cluster", "uuid2").status == 0
    assert service.tables["clusters"]["uuid2"]["urls"] == [server.url]
    assert logged_in("show", "cluster", "main", "-H").out == "uuid1\t main\t http://10.0.0.1:8080\n"
    assert logged_in("set", "cluster", "uuid1", "http://10.0.0.2:8080").out == 'Cluster "uuid1" updated\n'
    assert logged_in("show", "cluster", "uuid1", "--json").out.count("10.0.0.2") == 1
    assert logged_in("rm", "cluster", "uuid1", "--yes").status == 0


def test_documents_of_the_service(logged_in: Auth, service: AuthNServer) -> None:
    assert "auth.rsa\t\t false\n" in logged_in("show", "config").out
    assert logged_in("show", "public-key").out == "PROPERTY\t VALUE\npublic_key\t PEM\n"
    assert "issuer" in logged_in("show", "oidc").out
    assert json.loads(logged_in("show", "jwks", "--json").out) == {"keys": [{"kid": "k1", "kty": "RSA"}]}
    assert "keys[0].kid\t k1\n" in logged_in("show", "jwks").out


def test_tokens_are_shown_before_they_are_revoked(logged_in: Auth, service: AuthNServer, tmp_path: Path) -> None:
    token = token_of(sub="bob", exp=1)
    done = logged_in("rm", "token", token, stdin="n\n")
    assert done.status == 0 and "bob" in done.out and "has expired" in done.out and service.revoked == []
    assert "Revoke this token? [Y/N]: " in done.out
    file = tmp_path / "t"
    file.write_text(json.dumps({"token": token}))
    assert logged_in("rm", "token", "--file", str(file), "--yes").status == 0
    assert service.revoked == [token]


def test_a_cluster_that_wants_a_token_says_how_to_get_one(ais: Ais, service: AuthNServer) -> None:
    for words in (("ls",), ("auth", "add", "role", "r", "ro")):
        done = ais(*words, AIS_ENDPOINT=service.url, AIS_AUTHN_URL=service.url)
        assert (done.status, done.out) == (1, "")
        assert done.err.splitlines()[0] == "Error: token required" and "ais auth login" in done.err


def test_completion_of_names(logged_in: Auth, service: AuthNServer) -> None:
    assert logged_in("rm", "user", "--generate-bash-completion").out == "admin\n"
    assert "HEAD-OBJECT" in logged_in("add", "role", "r", "--generate-bash-completion").out.split()
