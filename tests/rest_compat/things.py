"""Things for a tenant to have: made over HTTP, or written as a host leaves them behind."""

import hashlib
import io
import tarfile
from datetime import timedelta
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import select
from sqlmodel import SQLModel

from burnish.kit import clock, ids, stream
from models import deployment as dep
from models import events, job, transitions
from models.deployment import Deployment, InferenceRequest
from models.job import Checkpoint, Job
from models.replica import Replica
from resolvers import deployments
from resolvers.deployment_inputs import DeploymentInput
from tests.conftest import Server, Tenant

ROWS = b'{"prompt":"1+1","answer":"2"}\n{"prompt":"2+2","answer":"4"}\n'
REWARD = b"def reward(prompts, completions, **columns):\n    return [1.0] * len(completions)\n"
FILES = {"config.json": b'{"model_type": "tiny"}', "model.safetensors": bytes(range(256)) * 300, "sub/tokenizer.json": b"{}"}
# A model that was trained as an adapter: merged into its base, and by itself. And its trainer's state on the way.
ADAPTER = {"adapter_config.json": b'{"r": 4}', "adapter_model.safetensors": bytes(range(255, -1, -1)) * 200}
MERGED = {"config.json": b'{"model_type": "tiny"}', "model.safetensors": bytes(range(256)) * 5000, "parity.json": b"{}"}
ADAPTED = {**MERGED, **{f"adapter/{path}": content for path, content in ADAPTER.items()}}
STATE = {**ADAPTER, "optimizer.pt": b"state", "trainer_state.json": b"{}"}


def ssh_pair(name: str = "laptop") -> dict[str, str]:
    """Return the body of a request that keeps a fresh pair of SSH keys."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return {"name": name, "public_key": f"{public} me@laptop", "private_key": private}


async def dataset(client: httpx2.AsyncClient, name: str = "sums", rows: bytes = ROWS) -> dict[str, Any]:
    answer = await client.post("/v1/datasets", data={"name": name}, files={"file": ("sums.jsonl", rows)})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def reward_function(client: httpx2.AsyncClient, name: str = "exact") -> dict[str, Any]:
    answer = await client.post("/v1/reward_functions", data={"name": name}, files={"file": ("reward.py", REWARD)})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def job_body(client: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Return the body of a job that can be created, as the caller wants it changed."""
    made = {"dataset_id": (await dataset(client))["id"], "reward_function_id": (await reward_function(client))["id"]}
    body = {"base_model": "Qwen/Qwen3-4B", "output_name": "sums", "gpu": {"type": "A100-80GB", "count": 1}, **made}
    return {**body, **changes}


async def queued_job(client: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/v1/training_jobs", json=await job_body(client, **changes))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def moved(server: Server, job_id: str, *statuses: str, **values: Any) -> None:
    """Move a job through statuses; it ends with the last one where that is final."""
    for status in statuses:
        async with server.platform.db.transaction() as session:
            row = await session.get_one(Job, job_id)
            times = {job.RUNNING: "started_at"} | dict.fromkeys(job.TERMINAL, "completed_at")
            given = values if status == statuses[-1] else {}
            at = {times[status]: clock.now()} if status in times else {}
            assert await transitions.move(session, row, status, **{**at, **given})
            if status in job.TERMINAL:
                await stream.end(session, job_id, job.STREAMS, status)


async def said(server: Server, job_id: str, *messages: str) -> None:
    """Append lines to a job's log."""
    async with server.platform.db.transaction() as session:
        await stream.append(session, job_id, "logs", [events.log_line(message) for message in messages], attempt=1)


async def checkpoint(
    server: Server, job_id: str, step: int, *, final: bool = False, files: dict[str, bytes] | None = None, **values: Any
) -> str:
    """Store a checkpoint of a job; return its id. Where `files` are given it has checksums, as those of today have."""
    checkpoint_id = ids.new("ckpt")
    async with server.platform.db.read() as session:
        row = await session.get_one(Job, job_id)
    prefix, content = f"{row.account_id}/{job_id}/1/{step}", FILES if files is None else files
    for path, data in content.items():
        await server.platform.core.storage.put(f"{prefix}/{path}", data)
    async with server.platform.db.transaction() as session:
        session.add(
            Checkpoint(
                id=checkpoint_id,
                job_id=job_id,
                account_id=row.account_id,
                attempt=1,
                step=step,
                final=final,
                storage_prefix=prefix,
                file_count=len(content),
                size_bytes=sum(map(len, content.values())),
                checksums=None if files is None else {path: hashlib.sha256(data).hexdigest() for path, data in files.items()},
                created_at=clock.now(),
                **values,
            )
        )
    return checkpoint_id


async def trained_adapter(server: Server, client: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Return a completed job whose model was trained as an adapter, with a score, after a checkpoint with a better one."""
    made = await queued_job(client, **{"hyperparameters": {"lora_rank": 4}, **changes})
    await moved(server, made["id"], job.PROVISIONING, job.RUNNING)
    await checkpoint(server, made["id"], 5, files=STATE, score=0.75)
    await checkpoint(server, made["id"], 10, final=True, files=ADAPTED, adapter_rank=4, score=0.5)
    await moved(server, made["id"], job.COMPLETED, current_step=10, total_steps=10, best_step=5)
    found: dict[str, Any] = (await client.get(f"/v1/training_jobs/{made['id']}")).json()
    return found


async def completed_job(server: Server, client: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Return a job that has run, with its trained model in storage."""
    made = await queued_job(client, **changes)
    await moved(server, made["id"], job.PROVISIONING, job.RUNNING)
    await checkpoint(server, made["id"], 5)
    await checkpoint(server, made["id"], 10, final=True)
    await moved(server, made["id"], job.COMPLETED, current_step=10, total_steps=10, cost_micros=1_500)
    found: dict[str, Any] = (await client.get(f"/v1/training_jobs/{made['id']}")).json()
    return found


async def everything(server: Server) -> dict[str, list[Any]]:
    """Return all rows of all tables, except for when a key was used last: to show that nothing has changed."""
    async with server.platform.db.read() as session:
        connection = await session.connection()
        found = {}
        for table in SQLModel.metadata.sorted_tables:
            columns = [column for column in table.columns if column.name != "last_used_at"]
            found[table.name] = sorted(map(repr, (await connection.execute(select(*columns))).all()))
    return found


async def queued_deployment(server: Server, name: str = "sums", tenant: Tenant | None = None) -> Deployment:
    ctx = await server.context(tenant)
    spec = DeploymentInput.model_validate(
        {"model": "Qwen/Qwen3-4B", "source": "huggingface", "name": name, "gpu": {"type": "CPU", "count": 1}}
    )
    return await deployments.create(ctx, spec)


async def serving_deployment(server: Server, url: str, name: str = "sums", tenant: Tenant | None = None) -> Deployment:
    """Return a deployment with one ready replica at `url`."""
    return await served(server, await queued_deployment(server, name, tenant), url)


async def served(server: Server, row: Deployment, url: str) -> Deployment:
    """Give a queued deployment one ready replica at `url`."""
    now = clock.now()
    async with server.platform.db.transaction() as session:
        its: dict[str, Any] = {"account_id": row.account_id, "deployment_id": row.id, "gpu_requested": row.gpu_requested}
        replica = Replica(id=ids.new("rep"), host_id="host", status="running", url=url, created_at=now, last_health_at=now, **its)
        session.add(replica)
        row = await session.get_one(Deployment, row.id)
        placed: dict[str, Any] = {"gpu": {"type": "CPU", "count": 1}, "provider": "local", "rate_micros_per_hour": 100_000}
        assert await transitions.move(session, row, dep.PROVISIONING, started_at=now, **placed)
        assert await transitions.move(session, row, dep.SERVING, serving_since=now)
    return row


async def replica_of(server: Server, row: Deployment) -> str:
    """Return the id of a deployment's newest replica."""
    return (await deployments.replicas(await server.context(), row.id))[0].id


async def logged_requests(server: Server, row: Deployment, count: int) -> list[InferenceRequest]:
    """Log requests a second apart, the newest first; the oldest failed."""
    now = clock.now()
    made = [
        InferenceRequest(
            id=ids.new("req"),
            account_id=row.account_id,
            deployment_id=row.id,
            prompt_tokens=10,
            completion_tokens=20,
            latency_ms=100.0,
            status_code=500 if index == count - 1 else 200,
            created_at=now - timedelta(seconds=index),
        )
        for index in range(count)
    ]
    async with server.platform.db.transaction() as session:
        session.add_all(made)
    return made


def unpacked(archive: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            found[member.name] = content.read()
    return found


async def fetched(url: str) -> httpx2.Response:
    """Fetch a URL as anybody can: without a key."""
    async with httpx2.AsyncClient() as anybody:
        return await anybody.get(url)
