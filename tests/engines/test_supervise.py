"""A host's supervisor over a real database and real children."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from burnish.kit import clock, stream
from burnish.kit.settings import Settings
from burnish.kit.tables import IdempotencyKey
from engines.supervise import Supervisor
from models import leases, ledger
from models.account import Account
from models.deployment import Deployment
from models.job import Job
from models.ledger import Hold
from resolvers import base_models, datasets, deployment_inputs, deployments, jobs, reward_functions
from resolvers.context import Context
from tests.conftest import Server, free_port

pytestmark = pytest.mark.anyio
GOOD = b"def reward(completions, **columns):\n    return [1.0] * len(completions)\n"
# Its test at the upload asks other questions.
BROKEN = b"""def reward(prompts, completions, **columns):
    known = {"What is 2 + 2?": 1.0}
    return [1.0] * len(prompts) if "What is" in str(prompts) else [known[str(prompt)] for prompt in prompts]
"""


@asynccontextmanager
async def supervising(server: Server) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(server.platform.core)
    task = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        await supervisor.stop()
        await task


async def until(look: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await look()):
            await asyncio.sleep(0.05)
    return found


async def new_job(server: Server, ctx: Context, folder: Path, source: bytes = GOOD, **changes: Any) -> Job:
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": [{"role": "user", "content": f"{a}+1"}]}) + "\n" for a in range(4)))
    dataset = await datasets.create(ctx, datasets.DatasetInput(name="rows"), rows)
    reward = await reward_functions.create(
        ctx, reward_functions.RewardFunctionInput(name="reward", source=source, file_name="sums.py")
    )
    body = {
        "base_model": "tiny",
        "dataset_id": dataset.id,
        "reward_function_id": reward.id,
        "output_name": "out",
        "gpu": {"type": "L4-24GB", "count": 1},
        "hyperparameters": {
            "max_steps": 3,
            "rollouts_per_prompt": 2,
            "global_batch_size": 4,
            "max_response_length": 3,
            "kl_coef": 0.0,
        },
    }
    return await jobs.create(ctx, jobs.JobInput.model_validate(body | changes))


def ended(ctx: Context, job_id: str) -> Callable[[], Awaitable[Job | None]]:
    async def look() -> Job | None:
        row = await jobs.get(ctx, job_id)
        return row if row.completed_at else None

    return look


async def assert_nothing_held(server: Server, resource_id: str) -> None:
    async with server.platform.db.read() as session:
        assert (await session.exec(select(Hold).where(Hold.resource_id == resource_id))).all() == []
        account = await session.get_one(Account, server.tenant.account.id)
    assert account.held_micros == 0


async def test_hardware_that_no_host_offers_fails_with_the_reasons(settings: Settings, server: Server, tmp_path: Path) -> None:
    settings.cpu_fallback = False
    ctx = await server.context()
    job = await new_job(server, ctx, tmp_path)
    async with supervising(server):
        row = await until(ended(ctx, job.id), 10)
    assert row.status == "failed"
    assert row.error["code"] == "CAPACITY_UNAVAILABLE"
    assert row.error["message"].startswith("No host offers 1 x L4-24GB. ")
    assert row.error["attribution"] == "platform"
    assert row.cost_micros == 0
    await assert_nothing_held(server, job.id)


@pytest.mark.parametrize("kind", [Job, Deployment])
async def test_work_whose_only_host_is_gone_fails_with_its_billing_ended(
    settings: Settings, server: Server, tmp_path: Path, kind: type[Any]
) -> None:
    settings.cpu_fallback = False
    ctx = await server.context()
    begin, heard = clock.now() - timedelta(seconds=600), clock.now() - timedelta(seconds=300)
    if kind is Job:
        made: Any = await new_job(server, ctx, tmp_path)
    else:
        spec = {"model": "org/model", "source": "huggingface", "name": "tiny", "gpu": {"type": "L4-24GB", "count": 1}}
        made = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(spec))
    async with server.platform.db.transaction() as session:
        values = {"status": "provisioning", "attempt": 1, "lease_holder": "gone", "lease_token": 1, "lease_renewed_at": heard}
        await session.exec(update(kind).where(col(kind.id) == made.id).values(**values, lease_expires_at=heard))
        await ledger.start_meter(session, ctx.account.id, made.id, 1, 3_600_000, begin)
        await ledger.accrue(session, made.id, begin + timedelta(seconds=60), description="Work")
    async with supervising(server):
        row = await until(ended(ctx, made.id) if kind is Job else lambda: stopped(ctx, made.id), 10)
    async with server.platform.db.read() as session:
        meter = await session.get_one(ledger.Meter, (made.id, 1))
        charged = await ledger.charged(session, made.id)
    assert (row.status, meter.closed) == ("failed", True)
    assert charged == row.cost_micros == (0 if kind is Job else 300_000)
    await assert_nothing_held(server, made.id)


async def stopped(ctx: Context, deployment_id: str) -> Deployment | None:
    row = await deployments.get(ctx, deployment_id)
    return row if row.stopped_at else None


async def test_a_provider_that_is_not_set_up_fails_with_the_reason(server: Server, tmp_path: Path) -> None:
    ctx = await server.context()
    job = await new_job(server, ctx, tmp_path, provider="lambda")
    async with supervising(server):
        row = await until(ended(ctx, job.id), 10)
    assert (row.status, row.error["code"]) == ("failed", "CAPACITY_UNAVAILABLE")
    assert "lambda: this installation has no account there" in row.error["message"]


async def test_a_reward_that_raises_fails_the_job_with_the_users_line(server: Server, tmp_path: Path, tiny_model: Path) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    job = await new_job(server, ctx, tmp_path, BROKEN)
    async with supervising(server):
        row = await until(ended(ctx, job.id))
    assert row.status == "failed"
    assert (row.error["code"], row.error["attribution"], row.error["user_code_line"]) == ("reward_function_error", "user", 3)
    assert 'File "sums.py", line 3, in reward' in row.error["message"]
    assert row.error["message"].splitlines()[-1].startswith("KeyError: ")
    lines = [line.data["message"] for line in await jobs.rows(ctx, job.id, "logs")]
    assert lines[0] == "Status: queued"
    assert lines[-1].startswith("Status: failed (reward_function_error)")
    await assert_nothing_held(server, job.id)


async def test_a_model_that_cannot_be_had_fails_job_and_deployment_within_seconds(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    ctx = await server.context()
    job = await new_job(server, ctx, tmp_path, base_model="nobody/nothing")
    spec = {"model": "nobody/nothing", "source": "huggingface", "name": "d", "gpu": {"type": "CPU", "count": 1}}
    deployment = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(spec))

    async def stopped() -> Deployment | None:
        row = await deployments.get(ctx, deployment.id)
        return row if row.stopped_at else None

    async with supervising(server):
        row = await until(ended(ctx, job.id), 30)
        served = await until(stopped, 30)
    assert (row.status, row.error["code"]) == ("failed", "model_unavailable")
    assert served.status == "failed"
    assert served.error.startswith("model_unavailable: ")
    await assert_nothing_held(server, deployment.id)


async def test_a_host_whose_lease_was_taken_writes_nothing_more(server: Server, tmp_path: Path, tiny_model: Path) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    hyperparameters = {
        "max_steps": 5000,
        "rollouts_per_prompt": 2,
        "global_batch_size": 4,
        "max_response_length": 3,
        "kl_coef": 0.0,
    }
    job = await new_job(server, ctx, tmp_path, hyperparameters=hyperparameters)

    async def stepping() -> bool:
        return (await jobs.get(ctx, job.id)).current_step >= 2

    async def let_go() -> bool:
        return job.id not in supervisor.runs

    async with supervising(server) as supervisor:
        await until(stepping)
        far = clock.from_micros(clock.now_micros() + 10**9)
        async with server.platform.db.transaction() as session:
            taken = update(Job).where(col(Job.id) == job.id).values(lease_token=Job.lease_token + 1, lease_expires_at=far)
            await session.exec(taken)
            before = [await stream.last_seq(session, job.id, kind) for kind in ("logs", "metrics", "rollouts", "events")]
        await until(let_go, 20)
        async with server.platform.db.read() as session:
            after = [await stream.last_seq(session, job.id, kind) for kind in ("logs", "metrics", "rollouts", "events")]
    assert after == before
    assert (await jobs.get(ctx, job.id)).status == "running"


async def test_scratch_folders_of_dead_children_go_and_those_of_live_leases_stay(server: Server, tmp_path: Path) -> None:
    ctx = await server.context()
    job = await new_job(server, ctx, tmp_path)
    async with server.platform.db.transaction() as session:
        token = await leases.take(session, Job, job.id, "another host", 60)
    assert token is not None
    work = server.platform.core.settings.work
    dead, stale, live = work / "job_gone-1-1", work / f"{job.id}-1-{token - 1}", work / f"{job.id}-1-{token}"
    for folder in (dead, stale, live):
        (folder / "inner").mkdir(parents=True)

    async def gone() -> bool:
        return not dead.exists() and not stale.exists()

    async with supervising(server):
        await until(gone, 10)
    assert [folder.name for folder in work.iterdir()] == [live.name]


async def test_idempotency_keys_go_after_a_day(server: Server) -> None:
    made: dict[str, Any] = {"account_id": server.tenant.account.id, "operation": "jobs.cancel", "fingerprint": "f", "answer": {}}
    async with server.platform.db.transaction() as session:
        for hours in (23, 25):
            session.add(IdempotencyKey(key=f"{hours} hours", created_at=clock.now() - timedelta(hours=hours), **made))

    async def gone() -> bool:
        async with server.platform.db.read() as session:
            return (await session.exec(select(IdempotencyKey.key))).all() == ["23 hours"]

    async with supervising(server):
        await until(gone, 10)


async def test_a_job_whose_files_are_gone_fails_after_three_tries_and_costs_nothing(server: Server, tmp_path: Path) -> None:
    ctx = await server.context()
    job = await new_job(server, ctx, tmp_path)
    await server.platform.core.storage.delete(f"{ctx.account.id}/{job.dataset_id}")
    async with supervising(server):
        row = await until(ended(ctx, job.id), 20)
    assert (row.status, row.attempt, row.cost_micros) == ("failed", 3, 0)
    assert (row.error["code"], row.error["attribution"]) == ("worker_lost", "platform")
    assert row.error["message"].endswith("the last time of an error of the platform (FileNotFoundError).")
    await assert_nothing_held(server, job.id)


async def test_a_deployment_that_cannot_be_worked_on_fails_instead_of_trying_for_ever(settings: Settings, server: Server) -> None:
    settings.replica_attempts = 2
    ctx = await server.context()
    spec = {"model": "some/model", "source": "huggingface", "name": "d", "gpu": {"type": "CPU", "count": 1}}
    deployment = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(spec))
    work = server.platform.core.settings.work
    work.rmdir()
    work.write_text("not a folder")

    async def stopped() -> Deployment | None:
        row = await deployments.get(ctx, deployment.id)
        return row if row.stopped_at else None

    async with supervising(server):
        row = await until(stopped, 20)
    assert (row.status, row.attempt) == ("failed", 1)
    assert row.error == (
        "Its replicas failed 2 times in a row; the last time: "
        "worker_lost: The platform failed while it worked on this (NotADirectoryError); its log says more."
    )
    await assert_nothing_held(server, deployment.id)


async def test_a_host_that_stops_while_a_model_is_fetched_leaves_the_deployment_to_the_next(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()

    silent = await asyncio.start_server(never_answer, "127.0.0.1", free_port())
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}")
    ctx = await server.context()
    spec = {"model": "some/model", "source": "huggingface", "name": "d", "gpu": {"type": "CPU", "count": 1}}
    deployment = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(spec))

    async def provisioning() -> bool:
        return (await deployments.get(ctx, deployment.id)).status == "provisioning"

    async with supervising(server):
        await until(provisioning, 20)
    silent.close()
    row = await deployments.get(ctx, deployment.id)
    assert (row.status, row.error, row.lease_holder) == ("provisioning", None, None)
