"""Buckets of all clouds through one node: what a shell has credentials for works with no further set-up."""

import asyncio
import os
import uuid
from collections.abc import Iterator

import pytest

from moss.sdk import Client
from moss.testing import NodeProcess, start_node
from tests.support.azurite import Azurite, make_container
from tests.support.gcs import Gcs
from tests.support.rgw import ACCESS_KEY, SECRET_KEY, Rgw

PROVIDERS = ("aws", "gcp", "azure", "oci")
CUSTOM = {"plain": "value", "Odd Key": "é☃", "dash-ed": "a=b"}


@pytest.fixture(scope="module")
def clouds(rgw: Rgw, gcs: Gcs, azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node whose shell has credentials for every cloud."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_", "OCI_"))]:
            patch.delenv(name)
        oci = {"OCI_ACCESS_KEY_ID": ACCESS_KEY, "OCI_SECRET_ACCESS_KEY": SECRET_KEY, "OCI_REGION": "us-east-1"}
        environ = {**rgw.environ, **gcs.environ, **azurite.environ, **oci, "OCI_ENDPOINT_URL": rgw.url}
        for name, value in environ.items():
            patch.setenv(name, value)
        running = start_node(tmp_path_factory.mktemp("clouds") / "data")
    with running:
        yield running


@pytest.fixture(scope="module")
def buckets(rgw: Rgw, gcs: Gcs, azurite: Azurite) -> dict[str, str]:
    """The name of an empty bucket of each cloud."""
    names = {provider: f"node-{provider}-{uuid.uuid4().hex[:8]}" for provider in PROVIDERS}
    rgw.client().create_bucket(Bucket=names["aws"])
    rgw.client().create_bucket(Bucket=names["oci"])
    gcs.make_bucket(names["gcp"])
    asyncio.run(make_container(azurite, names["azure"]))
    return names


@pytest.fixture
def client(clouds: NodeProcess) -> Client:
    return Client(clouds.url)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_objects(client: Client, buckets: dict[str, str], provider: str) -> None:
    bucket = client.bucket(buckets[provider], provider)
    assert bucket.name in [found.name for found in client.cluster().list_buckets(provider)]
    contents = {"one": b"content", "dir//odd name": os.urandom(100_000), "large": os.urandom(20 << 20), "empty": b""}
    for name, content in contents.items():
        bucket.object(name).put_content(content)
    bucket.object("one").get_writer().set_custom_props(CUSTOM)
    assert sorted(entry.name for entry in bucket.list_all_objects()) == sorted(contents)
    client.job(bucket.objects(obj_names=list(contents)).evict()).wait()
    for name, content in contents.items():
        assert bucket.object(name).get_reader().read_all() == content
    # Custom metadata come back from the store.
    client.job(bucket.objects(obj_names=["one"]).evict()).wait()
    for _ in range(2):
        custom = bucket.object("one").head().custom_metadata
        assert {key: custom.get(key) for key in CUSTOM} == CUSTOM
        assert custom["source"] == provider
        assert bucket.object("one").get_reader().read_all() == b"content"
    for name in contents:
        bucket.object(name).delete()
    assert bucket.list_all_objects() == []


def test_one_batch_of_all_clouds(client: Client, buckets: dict[str, str]) -> None:
    local = client.bucket(f"local-{uuid.uuid4().hex[:8]}").create()
    places = [client.bucket(name, provider) for provider, name in buckets.items()] + [local]
    expected = []
    batch = client.batch()
    for number in range(50):
        bucket, content = places[number % 5], os.urandom(number * 100)
        name = f"batch/{number:03}"
        bucket.object(name).put_content(content)
        expected.append(content)
        batch.add(bucket.object(name))
    for bucket in places[:4]:
        client.job(bucket.objects(obj_template="batch/{000..049}").evict()).wait()
    for _ in range(2):  # cold, then cached
        assert [bytes(content) for _, content in batch.get(clear_batch=False)] == expected


@pytest.mark.parametrize("provider", PROVIDERS)
def test_bucket_that_does_not_exist(client: Client, buckets: dict[str, str], provider: str) -> None:
    with pytest.raises(Exception, match=f'{provider} bucket "[a-z0-9]+://no-such-bucket-here" does not exist'):
        client.bucket("no-such-bucket-here", provider).object("one").get_reader().read_all()
