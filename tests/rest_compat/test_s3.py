"""Uploads and downloads with the files in an S3-compatible store."""

from collections.abc import Iterator
from uuid import uuid4

import boto3
import httpx2
import pytest
from moto.server import ThreadedMotoServer

from burnish.kit.settings import Settings
from tests.conftest import Server, free_port
from tests.rest_compat import things

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


class Bucket:
    """An empty bucket of its own for each test."""

    def __init__(self, endpoint: str) -> None:
        self.name = f"burnish-{uuid4().hex}"
        self._client = boto3.client("s3", endpoint_url=endpoint)
        self._client.create_bucket(Bucket=self.name)

    def keys(self) -> list[str]:
        return sorted(item["Key"] for item in self._client.list_objects_v2(Bucket=self.name).get("Contents", []))

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    made = Bucket(endpoint)
    yield made
    made.close()


@pytest.fixture
def settings(endpoint: str, bucket: Bucket, settings: Settings) -> Settings:
    return settings.model_copy(update={"storage_url": f"s3://{bucket.name}/files", "storage_endpoint": endpoint})


async def test_a_dataset_goes_to_the_bucket(client: httpx2.AsyncClient, server: Server, bucket: Bucket) -> None:
    made = await things.dataset(client)
    key = f"{server.tenant.account.id}/{made['id']}/data.jsonl"
    assert bucket.keys() == [f"files/{key}"]
    assert await server.platform.core.storage.read(key) == things.ROWS


async def test_a_dataset_of_several_parts_arrives_whole(client: httpx2.AsyncClient, server: Server, bucket: Bucket) -> None:
    rows = b'{"prompt":"' + b"x" * 1_000_000 + b'"}\n'
    made = await things.dataset(client, rows=rows * 20)
    key = f"{server.tenant.account.id}/{made['id']}/data.jsonl"
    assert await server.platform.core.storage.read(key) == rows * 20


async def test_a_refused_dataset_leaves_nothing_in_the_bucket(client: httpx2.AsyncClient, bucket: Bucket) -> None:
    answer = await client.post("/v1/datasets", data={"name": "a"}, files={"file": ("a", b"no json")})
    assert answer.status_code == 400
    assert bucket.keys() == []


async def test_a_model_is_fetched_from_the_bucket(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.completed_job(server, client)
    assert things.unpacked((await things.fetched(made["download_url"])).content) == things.FILES
