import asyncio
import itertools
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col

from burnish.kit import clock, stream
from burnish.kit.db import Database
from models import deployment as dep
from models import job, transitions
from models.deployment import Deployment
from models.job import Job
from tests.models import rows

pytestmark = pytest.mark.anyio

# Written out once more: the state machine is a promise to callers.
JOB_MOVES = {
    ("queued", "provisioning"), ("queued", "failed"), ("queued", "cancelled"),
    ("provisioning", "running"), ("provisioning", "failed"), ("provisioning", "cancelled"),
    ("running", "completed"), ("running", "failed"), ("running", "cancelled"),
}  # fmt: skip
DEPLOYMENT_MOVES = {
    ("queued", "provisioning"), ("queued", "failed"), ("queued", "stopped"),
    ("provisioning", "serving"), ("provisioning", "unhealthy"), ("provisioning", "failed"), ("provisioning", "stopped"),
    ("serving", "unhealthy"), ("serving", "failed"), ("serving", "stopped"),
    ("unhealthy", "serving"), ("unhealthy", "failed"), ("unhealthy", "stopped"),
    # Paused.
    ("provisioning", "queued"), ("serving", "queued"), ("unhealthy", "queued"),
}  # fmt: skip


async def load(database: Database, job_id: str) -> Job:
    async with database.read() as session:
        return await session.get_one(Job, job_id)


async def told(database: Database, resource_id: str, kind: str = "events") -> list[str]:
    async with database.read() as session:
        found = await stream.read(session, resource_id, kind)
    return [row.data["type"] if "type" in row.data else row.data["message"] for row in found]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_pair_of_job_states_is_a_move_or_refused(database: Database) -> None:
    await rows.account(database)
    for before, after in itertools.product(job.STATUSES, job.STATUSES):
        job_id = await rows.job(database, status=before)
        async with database.transaction() as session:
            row = await session.get_one(Job, job_id)
            if (before, after) in JOB_MOVES:
                assert await transitions.move(session, row, after)
            else:
                with pytest.raises(ValueError, match=f"no move from {before} to {after}"):
                    await transitions.move(session, row, after)
        legal = (before, after) in JOB_MOVES
        assert (await load(database, job_id)).status == (after if legal else before)
        assert await told(database, job_id) == ([after] if legal else [])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_pair_of_deployment_states_is_a_move_or_refused(database: Database) -> None:
    await rows.account(database)
    for number, (before, after) in enumerate(itertools.product(dep.STATUSES, dep.STATUSES)):
        deployment_id = await rows.deployment(database, status=before, name=f"dep-{number}")
        async with database.transaction() as session:
            row = await session.get_one(Deployment, deployment_id)
            if (before, after) in DEPLOYMENT_MOVES:
                assert await transitions.move(session, row, after)
            else:
                with pytest.raises(ValueError, match=f"no move from {before} to {after}"):
                    await transitions.move(session, row, after)
        assert await told(database, deployment_id) == ([after] if (before, after) in DEPLOYMENT_MOVES else [])


async def test_a_move_sets_its_values_and_tells_the_log_the_events_and_the_account(database: Database) -> None:
    await rows.account(database)
    job_id = await rows.job(database, attempt=3)
    async with database.transaction() as session:
        row = await session.get_one(Job, job_id)
        before = row.updated_at
        gpu = {"type": "CPU", "count": 1}
        assert await transitions.move(session, row, "provisioning", metadata={"host": "h"}, line="Status: on its way", gpu=gpu)
        assert (row.status, row.gpu) == ("provisioning", gpu)
        assert row.updated_at >= before
    assert (await load(database, job_id)).gpu == gpu
    assert await told(database, job_id, "logs") == ["Status: on its way"]
    async with database.read() as session:
        (event,) = await stream.read(session, job_id, "events")
        (activity,) = await stream.read(session, "acct", "activity")
    assert (event.attempt, event.data["type"], event.data["metadata"]) == (3, "provisioning", {"host": "h"})
    assert activity.data == {**event.data, "attempt": 3, "resource_id": job_id}


async def test_a_move_from_a_status_that_is_no_longer_so_changes_nothing(database: Database) -> None:
    await rows.account(database)
    job_id = await rows.job(database)
    async with database.transaction() as session:
        row = await session.get_one(Job, job_id)
        # As another process would, between the reading and the move.
        await session.exec(
            update(Job).where(col(Job.id) == job_id).values(status="cancelled").execution_options(synchronize_session=False)
        )
        assert row.status == "queued"
        assert not await transitions.move(session, row, "provisioning", phase="starting")
        assert (row.status, row.phase) == ("queued", None)
        assert session.effects == []
    assert (await load(database, job_id)).status == "cancelled"
    assert await told(database, job_id) == []
    assert await told(database, "acct", "activity") == []


@pytest.mark.parametrize("token", [0, 1, 3])
async def test_a_move_with_another_token_changes_nothing(database: Database, token: int) -> None:
    await rows.account(database)
    job_id = await rows.job(database, lease_token=2, lease_holder="h", lease_expires_at=clock.now() + timedelta(hours=1))
    async with database.transaction() as session:
        row = await session.get_one(Job, job_id)
        assert not await transitions.move(session, row, "provisioning", token=token)
    assert (await load(database, job_id)).status == "queued"
    assert await told(database, job_id) == []


async def test_a_move_with_the_token_or_for_the_user_goes_through(database: Database) -> None:
    await rows.account(database)
    job_id = await rows.job(database, lease_token=2)
    async with database.transaction() as session:
        row = await session.get_one(Job, job_id)
        assert await transitions.move(session, row, "provisioning", token=2)
        assert await transitions.move(session, row, "cancelled")
    assert await told(database, job_id) == ["provisioning", "cancelled"]


async def test_of_fifty_parallel_moves_exactly_one_wins(database: Database) -> None:
    await rows.account(database)
    job_id = await rows.job(database, status="running")
    seen = await asyncio.gather(*(load(database, job_id) for _ in range(50)))

    async def attempt(number: int) -> bool:
        async with database.transaction() as session:
            row = await session.merge(seen[number], load=False)
            return await transitions.move(session, row, ("completed", "failed", "cancelled")[number % 3], line=str(number))

    moved = await asyncio.gather(*(attempt(number) for number in range(50)))
    won = [number for number in range(50) if moved[number]]
    assert len(won) == 1
    status = ("completed", "failed", "cancelled")[won[0] % 3]
    assert (await load(database, job_id)).status == status
    assert await told(database, job_id) == [status]
    assert await told(database, job_id, "logs") == [str(won[0])]
    assert await told(database, "acct", "activity") == [status]
