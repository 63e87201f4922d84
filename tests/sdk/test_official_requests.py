"""The same calls through the official SDK and through ours send the same requests and end alike.

Transformations, sorts and the authentication server are not part of a node yet: what they would answer is scripted.
"""

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.sdk.peer import Peer, Reply, error_reply, json_reply

ROLE = {"name": "R", "desc": "d", "clusters": [{"id": "c1", "perm": "771"}], "buckets": None, "admin": False}
USER = {"id": "u", "roles": [ROLE]}
CLUSTERS = {"clusters": {"c1": {"id": "c1", "alias": "al", "urls": ["http://x"]}}}
PHASE = {"started_time": "x", "end_time": "y", "elapsed": 1, "running": False, "finished": True}


def sort_info(*, finished: bool = True, aborted: bool = False, errors: list[str] | None = None) -> dict:
    extraction = ("total_count", "extracted_count", "extracted_size", "extracted_record_count")
    extraction += ("extracted_to_disk_count", "extracted_to_disk_size")
    phase = PHASE | {"finished": finished}
    creation = dict.fromkeys(("to_create", "created_count", "moved_shard_count"), "1")
    metrics = {
        "local_extraction": phase | dict.fromkeys(extraction, "1"), "meta_sorting": phase,
        "shard_creation": phase | creation, "aborted": aborted, "errors": errors,
    }  # fmt: skip
    info = {
        "id": "srt-1", "src-bck": {"name": "in", "provider": "ais"}, "dst-bck": {"name": "o", "provider": "ais"},
        "started_time": "2026-03-04T05:06:07Z", "finish_time": "2026-03-04T05:06:09Z", "started_meta_sorting": 1,
        "loc-objs": "1", "loc-bytes": "2", "Metrics": metrics, "aborted": aborted, "archived": True,
    }  # fmt: skip
    return {"t1": info}


def text(body: str) -> Reply:
    return Reply(body=body.encode())


class Sdk:
    """One of the two SDKs and the objects that the cases use."""

    def __init__(self, name: str, peer: Peer) -> None:
        def load(module: str):
            return importlib.import_module(f"{name}{module}")

        client = load(".client").Client(peer.url)
        self.client, self.url, self.peer = client, peer.url, peer
        self.etl, self.config = client.etl("my-etl-01"), load(".etl").ETLConfig
        self.object = client.bucket("b").object("a o")
        self.other = client.bucket("c").object("x")
        self.blob, self.archive = load(".blob_download_config").BlobDownloadConfig, load(".archive_config")
        self.authn = load(".authn").AuthNClient(peer.url, token="t0")
        self.users, self.roles = self.authn.user_manager(), self.authn.role_manager()
        self.clusters, self.tokens = self.authn.cluster_manager(), self.authn.token_manager()
        self.access = load(".authn.access_attr").AccessAttr
        self.sort_id = client.dsort("srt-1")
        self.dsort, self.multiobj, self.model = load(".dsort"), load(".multiobj"), load(".types").BucketModel

    def framework(self, **options):
        ds, ranges = self.dsort, self.multiobj.ObjectRange
        shards = ds.DsortShardsGroup(self.model(name="in", provider="ais"), "input", ranges("a-", 0, 9), ".tar")
        names = ds.ExternalKeyMap({"x-%d.tar": self.multiobj.ObjectNames(["r1"])})
        output = names if options.pop("by_map", False) else ranges("o-", 0, 9, pad_width=2)
        made = ds.DsortShardsGroup(self.model(name="out", provider="ais"), "output", output, ".tgz")
        return ds.DsortFramework(shards, made, **options)

    def algorithm(self, **options):
        return self.dsort.DsortAlgorithm(**options)


ok, started = Reply(), text("job-1")
smap = SimpleNamespace(is_smap=True)
gone = {
    "user": error_reply(404, 'AuthN: failed to delete user u, err: user "u" does not exist'),
    "role": error_reply(404, 'role "R" does not exist'),
    "cluster": error_reply(404, "AuthN: cluster x does not exist"),
}

CASES = {
    # objects
    "copy": (lambda s: s.object.copy(s.other), [ok]),
    "copy latest sync": (lambda s: s.object.copy(s.other, latest=True, sync=True), [ok]),
    "copy etl": (lambda s: s.object.copy(s.other, s.config("e", {"a": 1})), [ok]),
    "promote": (lambda s: s.object.promote("/p/f"), [started]),
    "promote all": (lambda s: s.object.promote("/p", "t1", True, True, True, True), [ok]),
    "blob": (lambda s: s.object.blob_download(), [started]),
    "blob all": (lambda s: s.object.blob_download(1 << 20, 4, True), [started]),
    "multipart": (lambda s: s.object.multipart_upload().create().abort(), [text("up"), ok]),
    "multipart zero": (lambda s: s.object.multipart_upload().create().add_part(0), [text("up")]),
    "multipart early": (lambda s: s.object.multipart_upload().add_part(1), []),
    "url": (lambda s: s.object.get_url("m", s.config("e", "raw")).replace(s.url, ""), []),
    "uname": (lambda s: s.object.uname, []),
    "append": (lambda s: s.object.get_writer().append_content(b"x"), [Reply(headers={"ais-append-handle": "h"})]),
    "flush": (lambda s: s.object.get_writer().append_content(b"", "h", True), [ok]),
    "custom": (lambda s: s.object.get_writer().set_custom_props({"a": "b"}, True), [ok]),
    "reader etl": (lambda s: s.object.get_reader(etl=s.config(s.etl, "raw")).read_all(), [text("x")]),
    "reader blob": (lambda s: s.object.get_reader(blob_download_config=s.blob("1MiB", "2")).read_all(), [text("x")]),
    "reader range": (lambda s: s.object.get_reader(byte_range="bytes=1-2").read_all(), [Reply(206, body=b"xy")]),
    "reader workers": (lambda s: s.object.get_reader(num_workers=1), []),
    # transformations
    "etl init": (lambda s: s.etl.init("img", "python x.py", "hpull", A=1, B="x"), [started]),
    "etl init list": (lambda s: s.etl.init("img", ["a", "b c"]), [started]),
    "etl init all": (
        lambda s: s.etl.init(
            "img", direct_put=True, direct_file_access=True, init_timeout="10m", obj_timeout="5s", comm_type="ws"
        ),
        [started],
    ),
    "etl init communication": (lambda s: s.etl.init("img", comm_type="io"), []),
    "etl start": (lambda s: s.etl.start(), [ok]),
    "etl stop": (lambda s: s.etl.stop(), [ok]),
    "etl delete": (lambda s: s.etl.delete(), [ok]),
    "etl view": (
        lambda s: s.etl.view("j").init_msg.name,
        [json_reply({"init_msg": {"name": "n", "communication": "x"}})],
    ),
    "etl logs": (lambda s: s.etl.logs()[0].logs, [json_reply([{"target_id": "t1", "logs": "aGk="}])]),
    "etl logs of one": (lambda s: s.etl.logs("t1")[0].target_id, [json_reply([{"target_id": "t1", "logs": "aGk="}])]),
    "etl gone": (lambda s: s.etl.view(), [error_reply(404, "p[x]: etl job my-etl-01 does not exist")]),
    "etl exists": (lambda s: s.etl.init("i"), [error_reply(409, "p[x]: etl job my-etl-01 already exists")]),
    "etl names": (lambda s: s.client.etl("Bad_Name"), []),
    "etl short names": (lambda s: s.client.etl("abcde"), []),
    "etl pipeline": (lambda s: (s.etl >> s.client.etl("etl-bbb") >> s.client.etl("etl-ccc")).pipeline, []),
    # sorts
    "sort": (lambda s: s.client.dsort().start(s.framework(output_shard_size="10MB", description="x")), [started]),
    "sort by content": (
        lambda s: s.client.dsort().start(
            s.framework(algorithm=s.algorithm(kind="content", extension=".cls", content_key_type="int"))
        ),
        [started],
    ),
    "sort by a map": (lambda s: s.client.dsort().start(s.framework(by_map=True)), [ok, started]),
    "sort algorithm": (lambda s: s.algorithm(kind="content").kind, []),
    "sort shuffle": (lambda s: s.algorithm(kind="shuffle", decreasing=True, seed="5").as_dict(), []),
    "sort abort": (lambda s: s.sort_id.abort(), [ok]),
    "sort info": (
        lambda s: s.sort_id.get_job_info()["t1"].metrics.shard_creation.created_count,
        [json_reply(sort_info())],
    ),
    "sort wait": (
        lambda s: s.sort_id.wait(5).success,
        [json_reply(sort_info(finished=False)), json_reply(sort_info())],
    ),
    "sort wait aborted": (lambda s: s.sort_id.wait(5).error, [json_reply(sort_info(aborted=True, errors=["boom"]))]),
    "sort end": (lambda s: s.sort_id.wait(5).end_time.isoformat(), [json_reply(sort_info())]),
    # authentication
    "login": (lambda s: s.authn.login("ad min", "pw", 1.5), [json_reply({"token": "t1"})]),
    "login without end": (lambda s: s.authn.login("admin", "pw"), [json_reply({"token": "t1"})]),
    "login blank": (lambda s: s.authn.login("admin", "  "), []),
    "login wrong": (lambda s: s.authn.login("admin", "x"), [error_reply(401, "invalid credentials")]),
    "logout": (lambda s: s.authn.logout(), [ok]),
    "logout twice": (lambda s: (s.authn.logout(), s.authn.logout()), [ok]),
    "revoke": (lambda s: s.tokens.revoke("tok"), [ok]),
    "revoke nothing": (lambda s: s.tokens.revoke(""), []),
    "users": (lambda s: sorted(s.users.list()), [json_reply({"u": USER})]),
    "user": (lambda s: s.users.get("u").id, [json_reply(USER)]),
    "user create": (lambda s: s.users.create("u", ["R"], "pw").id, [json_reply(ROLE), ok, json_reply(USER)]),
    "user exists": (lambda s: s.users.create("u", [], "pw"), [error_reply(409, "AuthN: user u already exists")]),
    "user update": (lambda s: s.users.update("u", "pw", ["R"]).id, [json_reply(ROLE), ok, json_reply(USER)]),
    "user update nothing": (lambda s: s.users.update("u"), []),
    "user delete": (lambda s: s.users.delete("u"), [ok]),
    "user gone": (lambda s: s.users.delete("u"), [gone["user"]]),
    "user gone, fine": (lambda s: s.users.delete("u", True), [gone["user"]]),
    "roles": (lambda s: [role.name for role in s.roles.list()], [json_reply([ROLE])]),
    "role": (lambda s: s.roles.get("R").clusters[0].describe(), [json_reply(ROLE)]),
    "role gone": (lambda s: s.roles.get("R"), [gone["role"]]),
    "role gone, fine": (lambda s: s.roles.delete("R", missing_ok=True), [gone["role"]]),
    "role create": (
        lambda s: s.roles.create("R", "d", "al", [s.access.GET, s.access.PUT, s.access.GET]).name,
        [json_reply(CLUSTERS), ok, json_reply(ROLE)],
    ),
    "role for a bucket": (
        lambda s: s.roles.create("R", "d", "al", [s.access.GET], "bck").name,
        [json_reply(CLUSTERS), ok, json_reply(ROLE)],
    ),
    "role exists": (
        lambda s: s.roles.create("R", "d", "al", [s.access.GET]),
        [json_reply(CLUSTERS), error_reply(409, "AuthN: failed to add role R, err: AuthN: role R already exists")],
    ),
    "role update": (
        lambda s: s.roles.update("R", "new", "al", [s.access.PUT]),
        [json_reply(ROLE), json_reply(CLUSTERS), ok],
    ),
    "role update of a bucket": (
        lambda s: s.roles.update("R", cluster_alias="al", perms=[s.access.PUT], bucket_name="b"),
        [json_reply(ROLE), json_reply(CLUSTERS), ok],
    ),
    "role update nothing": (lambda s: s.roles.update("R"), []),
    "role update without cluster": (lambda s: s.roles.update("R", perms=[s.access.GET]), []),
    "clusters": (lambda s: sorted(s.clusters.list().clusters), [json_reply(CLUSTERS)]),
    "no clusters": (lambda s: sorted(s.clusters.list().clusters), [json_reply({})]),
    "cluster": (lambda s: s.clusters.get("c1").urls, [json_reply(CLUSTERS)]),
    "cluster by alias": (lambda s: s.clusters.get(cluster_alias="al").id, [json_reply(CLUSTERS)]),
    "cluster without name": (lambda s: s.clusters.get(), []),
    "cluster register": (
        lambda s: s.clusters.register("al", [s.url]).alias,
        [smap, ok, json_reply({"clusters": {"u": {"id": "u", "alias": "al", "urls": []}}})],
    ),
    "cluster exists": (
        lambda s: s.clusters.register("al", [s.url]),
        [smap, error_reply(409, "cluster u[u] already registered")],
    ),
    "cluster without url": (lambda s: s.clusters.register("al", []), []),
    "cluster update": (lambda s: s.clusters.update("c1", "n", ["http://y"]).id, [ok, json_reply(CLUSTERS)]),
    "cluster update nothing": (lambda s: s.clusters.update("c1"), []),
    "cluster delete": (lambda s: s.clusters.delete(cluster_alias="al"), [ok]),
    "cluster gone": (lambda s: s.clusters.delete("x"), [gone["cluster"]]),
    "forbidden": (lambda s: s.clusters.list(), [error_reply(403, "no")]),
}


def play(name: str, case, replies) -> tuple[list, object]:
    peer = Peer()
    try:
        sdk = Sdk(name, peer)
        peer.scripted = [peer.handle if reply is smap else reply for reply in replies]
        try:
            result = case(sdk)
        except Exception as error:
            result = [kind.__name__ for kind in type(error).__mro__ if kind in (ValueError, RuntimeError)]
            result = result or type(error).__name__
        assert peer.scripted == [], "every answer was asked for"
        requests = [
            (
                r.method,
                r.path,
                r.query,
                body_of(r.body, peer.url),
                r.headers.get("authorization"),
                r.headers.get("range"),
            )
            for r in peer.received
        ]
        is_plain = result is None or isinstance(result, str | bytes | bool | list | dict)
        return requests, result if is_plain else None
    finally:
        peer.close()


def body_of(body: bytes, url: str) -> object:
    try:
        return json.loads(body.replace(url.encode(), b"URL"))
    except ValueError:
        return body


@pytest.mark.parametrize("name", CASES)
def test_the_same_call_sends_the_same_and_ends_alike(name: str):
    case, replies = CASES[name]
    assert play("moss.sdk", case, replies) == play("aistore.sdk", case, replies)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", '{"input_bck": {"name": "in"}, "algorithm": {}, "any": [1]}'),
        ("x.yaml", "input_bck:\n  name: in\nk: 1\n"),
        ("x.yml", "{}"),
        ("x.txt", "{}"),
        ("list.json", "[1]"),
        ("bad.json", "{bad"),
    ],
)
def test_specifications_of_sorts_are_sent_unchanged(tmp_path: Path, name, content):
    (tmp_path / name).write_text(content)

    def start(sdk: Sdk):
        return sdk.client.dsort().start(tmp_path / name)

    is_good = name.startswith("x.") and not name.endswith(".txt")
    replies = [started] if is_good else []
    assert play("moss.sdk", start, replies) == play("aistore.sdk", start, replies)


def test_permissions_are_the_same():
    from aistore.sdk.authn.access_attr import AccessAttr as Official

    from moss.sdk.authn import AccessAttr

    assert {name: int(value) for name, value in AccessAttr.__members__.items()} == {
        name: int(value) for name, value in Official.__members__.items()
    }
    for number in (0, 1, 771, 2**64 - 1):
        assert AccessAttr.describe(number) == Official.describe(number)


def test_66_the_owner_of_an_object_is_the_same():
    from aistore.sdk.types import Smap as OfficialSmap

    from moss.sdk.types import decode_smap

    def node(index: int, flags: int = 0) -> dict:
        net = {"node_hostname": "h", "node_ip_addr": "h", "daemon_port": "1", "direct_url": f"http://h:{index}"}
        nets = dict.fromkeys(("public_net", "intra_control_net", "intra_data_net"), net)
        digest = 0x9E3779B97F4A7C15 * (index + 1) % 2**64
        return {"daemon_id": f"t{index}", "daemon_type": "target", "flags": flags, "id_digest": digest, **nets}

    targets = {f"t{i}": node(i, flags=4 if i == 3 else 0) for i in range(8)}
    document = {
        "tmap": targets, "pmap": {"p": node(99)}, "proxy_si": node(99), "version": "1", "uuid": "u",
        "creation_time": "", "ext": None,
    }  # fmt: skip
    ours, theirs = decode_smap(json.dumps(document).encode()), OfficialSmap(**document)
    owners = set()
    for number in range(1000):
        uname = f"ais/@#/b/{number:x}/ü{number}"
        owner = ours.get_target_for_object(uname).daemon_id
        assert owner == theirs.get_target_for_object(uname).daemon_id
        owners.add(owner)
    assert owners == set(targets) - {"t3"}
