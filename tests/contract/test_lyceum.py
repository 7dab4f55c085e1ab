"""`lyceum-cli==1.0.45`, unmodified: deploy, status, models, chat now and later, stop; and what it says of failures."""

import re
from pathlib import Path

import pytest

from burnish.kit.outbox import Message
from models import batch
from models import deployment as dep
from models.deployment import Deployment
from tests.conftest import Server
from tests.contract.lyceum import Lyceum
from tests.rest_compat import bulk, things
from tests.rest_compat.replica import Replica

pytestmark = pytest.mark.anyio


@pytest.fixture
def lyceum(server: Server, tmp_path: Path) -> Lyceum:
    # It takes only keys that begin so for keys.
    return Lyceum(server.url, f"lk_{server.tenant.key.removeprefix('vk_')}", tmp_path / "user")


@pytest.fixture
def host(server: Server, engine: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that serves what is queued, with the stand-in engine, before whoever asked for it is answered."""
    dispatch = server.platform.db.on_commit
    assert dispatch is not None

    async def serve(effects: list[object]) -> None:
        for message in effects:
            if isinstance(message, Message):
                async with server.platform.db.read() as session:
                    row = await session.get_one(Deployment, message.resource_id)
                if row.status == dep.QUEUED:
                    await things.served(server, row, engine.url)
        await dispatch(effects)

    monkeypatch.setattr(server.platform.db, "on_commit", serve)


def id_in(text: str) -> str:
    found = re.search(r"Deployment ID:\s+(dep_\w{26})", text)
    assert found, text
    return found[1]


def request_in(text: str) -> str:
    found = re.search(r"Request ID:\s+(areq_\w{26})", text)
    assert found, text
    return found[1]


async def test_it_sees_that_it_is_connected(lyceum: Lyceum) -> None:
    said = (await lyceum("auth", "status")).stdout
    assert "Authenticated" in said and "API connection working" in said


async def test_deploying_shows_listing_and_stopping(lyceum: Lyceum, server: Server) -> None:
    made = await lyceum("infer", "deploy", "org/Some-Model", "-g", "gpu.h100", "--max-replicas", "3", "-t", "hf_secret")
    deployment_id = id_in(made.stdout)
    assert "Deployment created!" in made.stdout and re.search(r"Status:\s+pending", made.stdout)
    status = (await lyceum("infer", "status", deployment_id)).stdout
    for line in (
        f"Deployment ID:  {deployment_id}",
        "HF Model:       org/Some-Model",
        "GPU:            gpu.h100",
        "Status:         pending",
        "Replicas:       0 current (1-3 range)",
        "Desired:        1",
        "Target RPS:     10.0",
        "Target p95:     5000.0 ms",
        "Stabilisation:  300 s",
    ):
        assert line in status
    assert [deployment_id, "org/Some-Model", "gpu.h100", "0/3", "pending"] == (await lyceum("infer", "models")).rows[0][:5]
    stopped = (await lyceum("infer", "stop", deployment_id)).stdout
    assert "Deployment stopped!" in stopped and re.search(r"Status:\s+stopped", stopped)
    assert "No deployments found." in (await lyceum("infer", "models")).stdout
    (row,) = (await lyceum("infer", "models", "--all")).rows
    assert (row[0], row[4]) == (deployment_id, "stopped")
    assert "not found" in (await lyceum("infer", "status", deployment_id, code=1)).stdout
    assert "Status:         stopped" in (await lyceum("infer", "status", deployment_id, "--all")).stdout


async def test_waiting_for_a_deployment_and_asking_it(lyceum: Lyceum, server: Server, engine: Replica, host: None) -> None:
    made = await lyceum("infer", "deploy", "org/Some-Model", "--wait", HF_TOKEN="hf_mine")
    assert "Deployment is healthy! (1 replica(s))" in made.stdout
    deployment_id = id_in(made.stdout)
    status = await lyceum("infer", "status", deployment_id)
    assert "Status:         created" in status.stdout and "Replicas:       1 current (1-1 range)" in status.stdout
    ((replica_id, *words),) = status.rows
    assert replica_id.startswith("rep_") and words[:2] == ["running", "yes"]
    assert (await lyceum("infer", "models")).rows[0][3:5] == ["1/1", "created"]
    said = (await lyceum("infer", "chat", "-p", "2+2?", "-d", deployment_id, "--system", "Be brief.")).stdout
    assert "four it is" in said and "tokens: 3 in / 2 out / 5 total" in said
    seen = engine.seen[0]
    assert [message["content"] for message in seen["messages"]] == ["Be brief.", "2+2?"]
    assert (seen["max_tokens"], seen["temperature"], seen["stream"]) == (1000, 0.7, False)
    later = (await lyceum("infer", "chat", "-p", "2+2?", "-m", deployment_id, "--async")).stdout
    assert "Submitted!" in later
    assert "four it is" in (await lyceum("infer", "result", request_in(later), "--poll")).stdout
    await server.platform.gateway.flush()
    async with server.client() as client:
        logged = (await client.get(f"/v1/deployments/{deployment_id}/requests")).json()["data"]
    assert [(one["status_code"], one["completion_tokens"]) for one in logged] == [(200, 2)] * 2


async def test_what_is_wrong_is_told(lyceum: Lyceum, server: Server, engine: Replica, tmp_path: Path) -> None:
    refused = (await lyceum("infer", "deploy", "org/Some-Model", "-g", "gpu.q9000", code=1)).stdout
    assert "Error: HTTP 400" in refused and '{"detail":"Unknown hardware profile' in refused
    assert "not found" in (await lyceum("infer", "status", "dep_unknown", code=1)).stdout
    assert "Error: HTTP 404" in (await lyceum("infer", "stop", "dep_unknown", code=1)).stdout
    unknown = (await lyceum("infer", "chat", "-p", "hi", "-d", "dep_unknown", code=1)).stdout
    assert "Error: No such deployment: dep_unknown" in unknown
    assert "Request not found" in (await lyceum("infer", "result", "areq_unknown", code=1)).stdout
    row = await things.serving_deployment(server, engine.url)
    later = (await lyceum("infer", "chat", "-p", "too long", "-d", row.id, "-a")).stdout
    failed = (await lyceum("infer", "result", request_in(later), "-p", code=1)).stdout
    assert "failed: This model's maximum context length is 2048 tokens." in failed
    stranger = Lyceum(server.url, "lk_wrong", tmp_path / "stranger")
    assert "HTTP 401" in (await stranger("infer", "models", code=1)).stdout


async def test_the_batch_function_of_its_package_shows_and_lists_batches(lyceum: Lyceum, server: Server) -> None:
    assert "No jobs found" in (await lyceum.jobs(history=True)).stdout
    ctx = await server.context()
    row = await bulk.made(ctx)
    assert "Job Status: validating" in (await lyceum.jobs(stream_job_id=row.id)).stdout
    assert "No output file yet. Status: validating" in (await lyceum.jobs(result_job_id=row.id)).stdout
    (shown,) = (await lyceum.jobs(history=True)).rows
    assert shown[0][:9] == row.id[:9] and shown[1:3] == ["validating", "/v1/chat/completions"]
    unknown = await lyceum.jobs(stream_job_id="batch_unknown")
    assert unknown.code != 0 and "No such batch: batch_unknown" in unknown.stdout
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=1)
    good = bulk.good(1)
    written = (good.payload or b"").decode()
    await bulk.finished(ctx, row.id, [good])
    found = (await lyceum.jobs(result_job_id=row.id)).stdout
    assert "Result:" in found and written.strip() in found.replace("\n", "")
    assert "Job Status: completed" in (await lyceum.jobs(stream_job_id=row.id)).stdout
