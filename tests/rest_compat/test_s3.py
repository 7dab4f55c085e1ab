"""Uploads and downloads with the files in an S3-compatible store."""

from collections.abc import Iterator

import boto3
import httpx2
import pytest
from moto.server import ThreadedMotoServer

from burnish.kit.settings import Settings
from tests.conftest import Server, free_port
from tests.rest_compat import things
from tests.rest_compat.test_downloads import fetched, unpacked

pytestmark = pytest.mark.anyio
BUCKET = "burnish"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket behind an endpoint; yield the endpoint."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
    yield endpoint
    server.stop()


@pytest.fixture
def settings(store: str, settings: Settings) -> Settings:
    # In this order: the store listens before the free port of the API is chosen.
    return settings.model_copy(update={"storage_url": f"s3://{BUCKET}/files", "storage_endpoint": store})


def keys_in(store: str) -> list[str]:
    found = boto3.client("s3", endpoint_url=store).list_objects_v2(Bucket=BUCKET)
    return sorted(item["Key"] for item in found.get("Contents", []))


async def test_a_dataset_goes_to_the_bucket(client: httpx2.AsyncClient, server: Server, store: str) -> None:
    made = await things.dataset(client)
    key = f"{server.tenant.account.id}/{made['id']}/data.jsonl"
    assert keys_in(store) == [f"files/{key}"]
    assert await server.platform.core.storage.read(key) == things.ROWS


async def test_a_dataset_of_several_parts_arrives_whole(client: httpx2.AsyncClient, server: Server, store: str) -> None:
    rows = b'{"prompt":"' + b"x" * 1_000_000 + b'"}\n'
    made = await things.dataset(client, rows=rows * 20)
    key = f"{server.tenant.account.id}/{made['id']}/data.jsonl"
    assert await server.platform.core.storage.read(key) == rows * 20


async def test_a_refused_dataset_leaves_nothing_in_the_bucket(client: httpx2.AsyncClient, store: str) -> None:
    answer = await client.post("/v1/datasets", data={"name": "a"}, files={"file": ("a", b"no json")})
    assert answer.status_code == 400
    assert keys_in(store) == []


async def test_a_model_is_fetched_from_the_bucket(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.completed_job(server, client)
    assert unpacked((await fetched(made["download_url"])).content) == things.FILES
