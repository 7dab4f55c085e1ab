"""What was said is written once, also where whoever writes it is cancelled."""

import asyncio

import pytest

from burnish.kit import stream
from burnish.kit.core import Core
from engines.compute.hardware import Shape
from engines.compute.local import Inventory, Placement
from engines.jobs import JobRun
from models import job, leases
from tests.models import rows

pytestmark = pytest.mark.anyio


async def leased(core: Core) -> JobRun:
    """Return a run that holds its job's lease."""
    await rows.account(core.db, 100)
    made = JobRun(
        core,
        Inventory(core.settings),
        await rows.job(core.db, status=job.QUEUED),
        "host",
        Placement(Shape("CPU", 1), (), 0),
    )
    async with core.db.transaction() as session:
        token = await leases.take(session, made.table, made.id, "host", 60)
    assert token is not None
    made.token = token
    return made


async def written(run: JobRun) -> list[str]:
    async with run.core.db.read() as session:
        return [row.data["message"] for row in await stream.read(session, run.id, "logs")]


async def test_a_flush_that_is_cancelled_after_its_commit_writes_once(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await leased(core)
    committed, go_on = asyncio.Event(), asyncio.Event()

    async def tell(effects: list[object]) -> None:
        committed.set()
        await go_on.wait()

    monkeypatch.setattr(core.db, "on_commit", tell)
    await run.say("once")
    flushing = asyncio.create_task(run.flush())
    await committed.wait()
    flushing.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    await run.flush()
    assert await written(run) == ["once"]


async def test_a_flush_that_is_cancelled_before_its_commit_has_written_when_it_ends(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await leased(core)
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> None:
        began.set()
        await go_on.wait()

    monkeypatch.setattr(run, "on_flush", slow)
    await run.say("once")
    flushing = asyncio.create_task(run.flush())
    await began.wait()
    flushing.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    assert await written(run) == ["once"]
    await run.flush()
    assert await written(run) == ["once"]
