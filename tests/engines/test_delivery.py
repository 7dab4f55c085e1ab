"""Trained models on their way to a bucket or a hub, by a host that runs the job to its end."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from burnish.kit import stream
from burnish.kit.errors import Invalid
from burnish.kit.settings import Settings
from engines.delivery import send
from models import job as jobs_of
from models.job import Checkpoint, Job
from resolvers import base_models, jobs
from resolvers.context import Context
from resolvers.destinations import CheckpointDestination, problem
from tests.conftest import Server, free_port
from tests.engines.bases.stub_hub_writes import WritableHub, serving_writes
from tests.engines.test_supervise import assert_nothing_held, ended, new_job, supervising, until
from tests.resolvers.test_job_plans import integrate

pytestmark = pytest.mark.anyio
HYPER = {"max_steps": 1, "rollouts_per_prompt": 2, "global_batch_size": 4, "max_response_length": 3, "kl_coef": 0.0}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    """An empty bucket in which the operator has given each account a folder: its name and a client of it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client, name = boto3.client("s3", endpoint_url=endpoint), f"models-{uuid4().hex}"
    client.create_bucket(Bucket=name)
    settings.delivery_buckets = f"other, {name}/{{account}}/"
    settings.delivery_endpoint = endpoint
    yield name, client
    client.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for the pauses between tries."""
    monkeypatch.setattr(send, "FIRST_PAUSE_S", 0.01)


async def run(server: Server, ctx: Context, folder: Path, tiny: Path, destination: dict[str, Any], **changes: Any) -> Job:
    await base_models.add(server.platform.core, "tiny", tiny)
    job = await new_job(server, ctx, folder, checkpoint_destination=destination, hyperparameters=HYPER, **changes)
    async with supervising(server):
        row: Job = await until(ended(ctx, job.id), 120)
    await assert_nothing_held(server, job.id)
    return row


async def told(ctx: Context, job_id: str) -> tuple[list[str], dict[str, Any]]:
    """Return the lines of a job's log and its events by type."""
    lines = [line.data["message"] for line in await jobs.rows(ctx, job_id, "logs")]
    return lines, {event.data["type"]: event.data["metadata"] for event in await jobs.rows(ctx, job_id, "events")}


async def model_files(ctx: Context, row: Job) -> dict[str, bytes]:
    checkpoint = await jobs.final_checkpoint(ctx, row.id)
    storage, prefix = ctx.core.storage, checkpoint.storage_prefix
    return {key.removeprefix(prefix + "/"): await storage.read(key) for key, _ in await storage.list(prefix)}


async def test_a_model_is_copied_to_the_accounts_folder(
    server: Server, bucket: tuple[str, Any], tmp_path: Path, tiny_model: Path
) -> None:
    ctx, (name, client) = await server.context(), bucket
    uri = f"s3://{name}/tenant/runs/sums"
    row = await run(server, ctx, tmp_path, tiny_model, {"type": "s3", "uri": uri + "/"})
    assert (row.status, row.destination_url, row.phase) == ("completed", uri, None)
    found = {
        item["Key"].removeprefix("tenant/runs/sums/"): client.get_object(Bucket=name, Key=item["Key"])["Body"].read()
        for item in client.list_objects_v2(Bucket=name)["Contents"]
    }
    sums = found.pop("SHA256SUMS").decode()
    assert found == await model_files(ctx, row)
    assert "model.safetensors" in found
    checksums = {path: hashlib.sha256(content).hexdigest() for path, content in found.items()}
    assert dict(reversed(line.split("  ")) for line in sums.splitlines()) == checksums
    assert (await jobs.final_checkpoint(ctx, row.id)).checksums == checksums
    lines, events = await told(ctx, row.id)
    assert f"The trained model was delivered to {uri}" in lines
    assert events["checkpoint_delivered"] == {"url": uri}
    assert list(events)[-1] == "completed"
    async with server.client() as http:
        shown = (await http.get(f"/v1/training_jobs/{row.id}")).json()
        assert (shown["checkpoint_destination"], shown["destination_url"]) == ({"type": "s3", "uri": uri}, uri)
        query = (
            "query($id: ID!) { job(id: $id) { destinationUrl checkpointDestination { type uri repo private weights archive } } }"
        )
        answer = (await http.post("/graphql", json={"query": query, "variables": {"id": row.id}})).json()["data"]["job"]
    where = {"type": "S3", "uri": uri, "repo": None, "private": None, "weights": None, "archive": False}
    assert answer == {"destinationUrl": uri, "checkpointDestination": where}


@pytest.mark.parametrize("folder", ["", "/", "/other/x", "/tenantx", "/ten", "x/tenant/runs"])
async def test_no_other_folder_is_open(server: Server, bucket: tuple[str, Any], tmp_path: Path, folder: str) -> None:
    ctx = await server.context()
    with pytest.raises(Invalid) as caught:
        await new_job(server, ctx, tmp_path, checkpoint_destination={"type": "s3", "uri": f"s3://{bucket[0]}{folder}"})
    assert (caught.value.status, caught.value.param) == (400, "checkpoint_destination.uri")
    assert (await jobs.page(ctx)).items == []


@pytest.mark.parametrize("storage", ["s3://files/prefix", "s3://files", "s3://files/prefix/deeper", "s3://files/prefix/"])
async def test_the_platforms_own_files_are_never_open(server: Server, storage: str) -> None:
    opened = Settings(delivery_buckets="files,files/prefix", storage_url=storage)
    for uri, is_open in (("s3://files/prefix", False), ("s3://files/prefix/deeper/x", False), ("s3://files/pre", True)):
        asked = CheckpointDestination(type="s3", uri=uri)
        found = problem(opened, server.tenant.account, asked, has_token=False)
        assert (found is None) is (is_open and storage != "s3://files")


async def test_a_bucket_that_is_not_there_costs_nobody_the_model(
    server: Server, settings: Settings, bucket: tuple[str, Any], tmp_path: Path, tiny_model: Path
) -> None:
    settings.delivery_attempts = 2
    ctx = await server.context()
    row = await run(server, ctx, tmp_path, tiny_model, {"type": "s3", "uri": "s3://other/sums"})
    assert (row.status, row.destination_url, row.error) == ("completed", None, None)
    lines, events = await told(ctx, row.id)
    assert sum(line.startswith("Delivery attempt 1 failed: ") for line in lines) == 1
    (said,) = [line for line in lines if line.startswith("The trained model could not be delivered: ")]
    assert said.endswith("It is stored here: download it, or send it yourself.")
    assert events["checkpoint_delivery_failed"]["destination"] == {"type": "s3", "uri": "s3://other/sums"}
    assert "model.safetensors" in await model_files(ctx, row)


async def test_a_model_goes_to_a_hub_with_a_card_after_failures_on_the_way(
    server: Server, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = await server.context()
    await integrate(ctx, "huggingface", "hf_secret")
    with serving_writes(WritableHub(token="hf_secret", failures=[500])) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        row = await run(server, ctx, tmp_path, tiny_model, {"type": "hf", "repo": "acme/sums"})
        again = await run(server, ctx, tmp_path, tiny_model, {"type": "hf", "repo": "acme/sums", "private": False})
    assert (row.status, row.destination_url) == ("completed", f"{hub.url}/acme/sums")
    assert (again.status, again.destination_url) == ("completed", f"{hub.url}/acme/sums")
    files = hub.repos["acme/sums"]
    card = files.pop("README.md").decode()
    stored = await model_files(ctx, again)
    # It holds prompts of the dataset.
    assert stored.pop("parity.json")
    assert [line.split("  ")[1] for line in files.pop("SHA256SUMS").decode().splitlines()] == sorted(stored)
    assert files == stored
    # Of the repository that was there already nothing is changed but its files.
    assert hub.private == {"acme/sums": True}
    head, text = card.removeprefix("---\n").split("---\n", 1)
    assert head == "library_name: transformers\npipeline_tag: text-generation\ntags:\n- burnish\n- grpo\n"
    assert text.startswith("\n# out\n\ntiny, trained for 1 steps with GRPO")
    assert "| Mean reward | 1.0 |" in text
    assert "| `rollouts_per_prompt` | 2 |" in text and again.id in text
    assert hub.tokens == {"Bearer hf_secret"}
    lines, events = await told(ctx, row.id)
    assert any(line.startswith("Delivery attempt 1 failed: the hub answered 500") for line in lines)
    assert events["checkpoint_delivered"] == {"url": f"{hub.url}/acme/sums"}
    assert "hf_secret" not in json.dumps([lines, events])


async def test_a_hub_that_refuses_is_not_asked_again(
    server: Server, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = await server.context()
    await integrate(ctx, "huggingface", "hf_stale")
    with serving_writes(WritableHub(token="hf_other")) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        row = await run(server, ctx, tmp_path, tiny_model, {"type": "hf", "repo": "acme/sums"})
    assert (row.status, row.destination_url) == ("completed", None)
    # The client looks whether the repository is there in spite of the refusal.
    assert hub.requests == ["POST /api/repos/create", "GET /api/models/acme/sums"]
    _, events = await told(ctx, row.id)
    assert events["checkpoint_delivery_failed"]["message"].startswith("the hub answered 401 for acme/sums")


async def test_a_job_that_was_trained_before_its_host_died_is_only_delivered(
    server: Server, bucket: tuple[str, Any], tmp_path: Path
) -> None:
    """The base model of this job cannot be had: training it again would fail."""
    ctx, (name, client) = await server.context(), bucket
    uri = f"s3://{name}/tenant/late"
    job = await new_job(server, ctx, tmp_path, checkpoint_destination={"type": "s3", "uri": uri})
    prefix = f"{job.account_id}/{job.id}/1/final"
    await ctx.core.storage.put(f"{prefix}/model.safetensors", b"weights")
    async with ctx.db.transaction() as session:
        final: dict[str, Any] = {"step": 3, "final": True, "storage_prefix": prefix, "file_count": 1, "size_bytes": 7}
        session.add(
            Checkpoint(id="ckpt_final", job_id=job.id, account_id=job.account_id, attempt=1, created_at=job.created_at, **final)
        )
    async with supervising(server):
        row = await until(ended(ctx, job.id), 30)
    assert (row.status, row.error, row.destination_url) == ("completed", None, uri)
    assert client.get_object(Bucket=name, Key="tenant/late/model.safetensors")["Body"].read() == b"weights"


async def test_a_cancelled_job_is_not_delivered_any_more(
    server: Server, settings: Settings, bucket: tuple[str, Any], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket is not there, and the next try is an hour away."""
    monkeypatch.setattr(send, "FIRST_PAUSE_S", 3600.0)
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    destination = {"type": "s3", "uri": "s3://other/sums"}
    job = await new_job(server, ctx, tmp_path, checkpoint_destination=destination, hyperparameters=HYPER)
    async with supervising(server) as supervisor:

        async def tried() -> bool:
            return any("Delivery attempt 1 failed" in line for line in (await told(ctx, job.id))[0])

        async def put_down() -> bool:
            return job.id not in supervisor.runs

        await until(tried, 120)
        await jobs.cancel(ctx, job.id)
        await until(put_down, 30)
    row = await jobs.get(ctx, job.id)
    assert (row.status, row.destination_url) == (jobs_of.CANCELLED, None)
    async with ctx.db.read() as session:
        assert (await stream.head(session, job.id, "logs"))[1] == "cancelled"
