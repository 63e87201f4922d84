"""What the test harnesses of clients ask of a cluster before their first test."""

import requests

from moss.testing import NodeProcess

TIMEOUT_S = 10


def ask(url: str, path: str, **options: object) -> requests.Response:
    answer = requests.get(f"{url}/v1/{path}", timeout=TIMEOUT_S, **options)
    assert answer.status_code == 200, answer.text
    return answer


def test_health_with_readiness(node: NodeProcess):
    answer = ask(node.url, "health?prr=true")
    assert int(answer.headers["Ais-Node-Uptime"]) > 0 and int(answer.headers["Ais-Cluster-Uptime"]) > 0
    ask(node.url, "health")


def test_every_node_has_the_map(node: NodeProcess):
    found = ask(node.url, "daemon?what=smap").json()
    assert set(found) >= {"pmap", "tmap", "proxy_si", "uuid", "version", "creation_time"}
    for target in found["tmap"]:
        told = ask(node.url, "reverse/daemon?what=smap", headers={"Ais-Node-Id": target}).json()
        assert (told["uuid"], told["version"], set(told["tmap"])) == (
            found["uuid"],
            found["version"],
            set(found["tmap"]),
        )
        own = ask(found["tmap"][target]["public_net"]["direct_url"], "daemon?what=smap").json()
        assert own == told


def test_remote_clusters(node: NodeProcess):
    answer = ask(node.url, "cluster?what=remote")
    assert not answer.json().get("a")


def test_the_status_of_a_job_with_a_body(node: NodeProcess):
    value = {"ID": "", "Kind": "lru", "DaemonID": "", "Bck": None, "Buckets": None, "Timeout": 0}
    body = {"action": "start", "name": "", "value": value}
    job = requests.put(f"{node.url}/v1/cluster", json=body, timeout=TIMEOUT_S).text
    status = ask(node.url, "cluster?what=status", json={"ID": job, "Kind": ""}).json()
    assert (status["uuid"], status["kind"], status["err"], status["aborted"]) == (job, "lru", "", False)
    everything = ask(node.url, "cluster?what=status_all", json={"kind": "", "node": "", "show_active": False}).json()
    assert job in [status["uuid"] for status in everything]


def test_the_configuration_of_the_cluster(node: NodeProcess):
    config = ask(node.url, "cluster?what=cluster_config").json()
    sections = {
        "get_batch",
        "checksum",
        "versioning",
        "mirror",
        "ec",
        "lru",
        "space",
        "timeout",
        "client",
        "net",
        "log",
    }
    assert sections <= set(config)
    assert not config.get("auth", {}).get("enabled")
    assert isinstance(config["config_version"], str)
