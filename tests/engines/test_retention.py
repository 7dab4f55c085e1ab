"""What streams lose with time, and what they keep."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from burnish.kit import clock, stream
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from engines import retention
from models import events, job
from tests.models import rows

pytestmark = pytest.mark.anyio


@pytest.fixture
async def both(settings: Settings, database_url: str) -> AsyncIterator[Core]:
    """An installation that keeps nothing for ever, once on SQLite and once on Postgres."""
    made = Core(
        Settings(
            home=settings.home,
            database_url=database_url,
            keep_logs_days=10,
            keep_rollouts_days=5,
            keep_metrics_days=20,
            keep_events_days=10,
        )
    )
    await rows.account(made.db, 100)
    yield made
    await made.close()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Move the clock by days."""
    start = clock.now()

    def move(days: float) -> None:
        now = clock.to_micros(start + timedelta(days=days))
        monkeypatch.setattr(clock, "now_micros", lambda: now)

    return move


async def said(core: Core, resource_id: str, **data: Any) -> None:
    """Write a row of every kind that a job has, each a chunk of its own."""
    async with core.db.transaction() as session:
        await stream.append(session, resource_id, "logs", [events.log_line("a")])
        await stream.append(session, resource_id, "metrics", [{"step": 1, "values": {"a": 1.0}}])
        await stream.append(session, resource_id, "rollouts", [{"step": 1, "groups": []}])
        await events.record(session, "acct", resource_id, "created", data)


async def kept(core: Core, resource_id: str, *kinds: str) -> list[tuple[int, int]]:
    """Return of each kind the number of the first row that is kept, and how many are."""
    found = []
    async with core.db.read() as session:
        for kind in kinds:
            count = len(await stream.read(session, resource_id, kind))
            found.append((await stream.first_seq(session, resource_id, kind), count))
    return found


async def test_what_an_ended_job_said_goes_kind_by_kind(both: Core, later: Any) -> None:
    ended = await rows.job(both.db, status=job.COMPLETED, completed_at=clock.now())
    running = await rows.job(both.db, status=job.RUNNING)
    for _ in range(2):
        await said(both, ended)
        await said(both, running)
    await stream.pack(both.db, ended, "metrics", ended=True)
    later(6)
    assert await retention.sweep(both) == 1
    assert await kept(both, ended, "logs", "metrics", "rollouts", "events") == [(1, 2), (1, 2), (3, 0), (1, 2)]
    later(21)
    # Logs, metrics and events of the job, and the account's activity.
    assert await retention.sweep(both) == 4
    assert await kept(both, ended, "logs", "metrics", "rollouts", "events") == [(3, 0)] * 4
    assert await kept(both, running, "logs", "metrics", "rollouts", "events") == [(1, 2)] * 4
    assert await retention.sweep(both) == 0


async def test_a_job_that_is_still_being_closed_keeps_all(both: Core, later: Any) -> None:
    ended = await rows.job(both.db, status=job.CANCELLED, completed_at=clock.now(), lease_holder="host")
    await said(both, ended)
    later(365)
    await retention.sweep(both)
    assert await kept(both, ended, "logs", "metrics", "rollouts", "events") == [(1, 1)] * 4


async def test_a_deployment_and_an_account_lose_their_oldest_rows(
    both: Core, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNKS_AT_ONCE", 2)
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 3)
    serving = await rows.deployment(both.db)
    for day in range(12):
        later(day)
        async with both.db.transaction() as session:
            await events.record(session, "acct", serving, "serving", line=f"day {day}")
    later(18.5)
    assert await retention.sweep(both) == 3
    assert await kept(both, serving, "logs", "events") == [(10, 3), (10, 3)]
    assert await kept(both, "acct", "activity") == [(10, 3)]
    batch = await both.hub.page("acct", "activity", 4)
    assert ([row.seq for row in batch.rows], batch.cursor, batch.more) == ([10, 11, 12], 12, False)
    later(100)
    assert await retention.sweep(both) == 3
    batch = await both.hub.page("acct", "activity", 4)
    assert (batch.rows, batch.cursor, batch.more) == ([], 12, False)


async def test_by_default_metrics_and_events_are_kept_for_ever(settings: Settings) -> None:
    assert retention.kept_days(settings) == {"logs": 365, "requests": 365, "stats": 365, "rollouts": 365}
    settings.keep_logs_days = settings.keep_rollouts_days = 0
    assert retention.kept_days(settings) == {}
