"""Jobs whose client is silent for too long: failed by whichever host looks, with their bill ended."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from burnish.kit import clock, stream
from burnish.kit.errors import Forbidden, InvalidState
from burnish.kit.settings import Settings
from burnish.kit.tables import Outbox
from engines import reaping
from engines.supervise import Supervisor
from models import leases, ledger, transitions
from models.job import Job
from models.ledger import Hold, LedgerTransaction
from resolvers import base_models, jobs
from resolvers.context import Context
from tests.conftest import Server
from tests.engines.test_supervise import assert_nothing_held, ended, new_job, supervising, until

pytestmark = pytest.mark.anyio
Travel = Callable[[float], None]


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch) -> Travel:
    """Return what sets the clock forward by so many seconds; it stands still otherwise."""
    now = [clock.now_micros()]
    monkeypatch.setattr(clock, "now_micros", lambda: now[0])

    def forward(seconds: float) -> None:
        now[0] += round(seconds * 1_000_000)

    return forward


async def heard_job(server: Server, ctx: Context, tmp_path: Path, **given: Any) -> Job:
    """Make a job that needs its client, and has heard of it once."""
    made = await new_job(server, ctx, tmp_path, requires_heartbeat=True, **given)
    return await jobs.heartbeat(ctx, made.id)


async def test_a_queued_job_whose_heartbeats_end_fails_after_its_time(server: Server, tmp_path: Path, travel: Travel) -> None:
    ctx = await server.context()
    silent = await heard_job(server, ctx, tmp_path)
    other = await new_job(server, ctx, tmp_path)
    travel(300)
    assert await reaping.reap(ctx.core) == []
    travel(1)
    assert await reaping.reap(ctx.core) == [silent.id]
    row = await jobs.get(ctx, silent.id)
    assert (row.status, row.cost_micros, row.completed_at) == ("failed", 0, clock.now())
    assert row.error == {
        "code": "timeout",
        "message": "The job's client sent no heartbeat for 300 seconds, and the job was to end without it. "
        "A job that is to run alone is created with requires_heartbeat false.",
        "attribution": "user",
        "user_code_line": None,
    }
    assert [line.data["message"] for line in await jobs.rows(ctx, silent.id, "logs")][-1].startswith("Status: failed (timeout)")
    assert [event.data["type"] for event in await jobs.rows(ctx, silent.id, "events")] == ["created", "failed"]
    async with ctx.db.read() as session:
        assert (await stream.head(session, silent.id, "logs"))[1] == "failed"
        assert await session.get(Hold, silent.id) is None
    assert (await jobs.get(ctx, other.id)).status == "queued"
    assert await reaping.reap(ctx.core) == []
    patient = await heard_job(server, ctx, tmp_path)
    ctx.core.settings.heartbeat_timeout_s = 0
    travel(1e6)
    assert await reaping.reap(ctx.core) == []
    assert (await jobs.get(ctx, patient.id)).status == "queued"


async def test_a_job_whose_client_never_sent_a_heartbeat_runs_on(server: Server, tmp_path: Path, travel: Travel) -> None:
    ctx = await server.context()
    job = await new_job(server, ctx, tmp_path, requires_heartbeat=True)
    travel(1e6)
    assert await reaping.reap(ctx.core) == []
    assert (await jobs.get(ctx, job.id)).status == "queued"


async def test_a_heartbeat_counts_from_when_it_came(server: Server, tmp_path: Path, travel: Travel) -> None:
    ctx = await server.context()
    job = await new_job(server, ctx, tmp_path, requires_heartbeat=True)
    for _ in range(3):
        travel(299)
        assert (await jobs.heartbeat(ctx, job.id)).heartbeat_at == clock.now()
        assert await reaping.reap(ctx.core) == []
    travel(301)
    assert await reaping.reap(ctx.core) == [job.id]
    with pytest.raises(InvalidState):
        await jobs.heartbeat(ctx, job.id)


async def test_a_running_job_is_billed_to_its_end_and_its_host_is_told(server: Server, tmp_path: Path, travel: Travel) -> None:
    ctx = await server.context()
    job = await heard_job(server, ctx, tmp_path)
    async with ctx.db.transaction() as session:
        await leases.take(session, Job, job.id, "host", 3600)
        row = await session.get_one(Job, job.id)
        await ledger.start_meter(session, ctx.account.id, job.id, 1, 36_000, clock.now())
        await transitions.move(session, row, "provisioning")
        await transitions.move(session, row, "running")
    travel(301)
    by_two_hosts = await asyncio.gather(reaping.reap(ctx.core), reaping.reap(ctx.core))
    assert sorted(by_two_hosts) == [[], [job.id]]
    row = await jobs.get(ctx, job.id)
    assert (row.status, row.cost_micros) == ("failed", 3_010)
    async with ctx.db.read() as session:
        # The host may still say its last words.
        assert (await stream.head(session, job.id, "logs"))[1] is None
    async with ctx.db.read() as session:
        booked = (await session.exec(select(LedgerTransaction).where(LedgerTransaction.resource_id == job.id))).all()
        told = (await session.exec(select(Outbox).where(Outbox.resource_id == job.id))).all()
    assert [entry.amount_micros for entry in booked] == [-3_010]
    assert len(told) == 2


async def test_clients_have_their_time_again_after_the_platform_was_down(
    server: Server, tmp_path: Path, travel: Travel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leave_it() -> None: ...

    ctx = await server.context()
    job = await heard_job(server, ctx, tmp_path)
    travel(3600)
    supervisor = Supervisor(server.platform.core)
    monkeypatch.setattr(supervisor, "_take_work", leave_it)
    for seconds, status in ((0, "queued"), (300, "queued"), (1, "failed")):
        travel(seconds)
        await supervisor._tick(tidy=False)
        assert (await jobs.get(ctx, job.id)).status == status


async def test_a_host_ends_the_trainer_of_a_client_that_is_gone(
    settings: Settings, server: Server, tmp_path: Path, tiny_model: Path
) -> None:
    settings.heartbeat_timeout_s = 6.0
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    endless = {"max_steps": 100_000, "rollouts_per_prompt": 2, "global_batch_size": 4, "max_response_length": 3, "kl_coef": 0.0}
    job = await heard_job(server, ctx, tmp_path, hyperparameters=endless)
    async with supervising(server) as supervisor:
        row = await until(ended(ctx, job.id))
        assert (row.status, row.error["code"]) == ("failed", "timeout")

        async def put_down() -> bool:
            return job.id not in supervisor.runs

        await until(put_down, 30)
    await assert_nothing_held(server, job.id)
    async with ctx.db.read() as session:
        assert (await stream.head(session, job.id, "logs"))[1] == "failed"


async def test_of_a_context_that_may_only_read_no_heartbeat_is_taken(server: Server, tmp_path: Path) -> None:
    ctx: Context = await server.context()
    job = await new_job(server, ctx, tmp_path, requires_heartbeat=True)
    with pytest.raises(Forbidden):
        await jobs.heartbeat(replace(ctx, scopes=frozenset({"read"})), job.id)
    assert (await jobs.get(ctx, job.id)).heartbeat_at is None
