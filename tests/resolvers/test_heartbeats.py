"""Heartbeats and what happens without them, on both databases."""

import asyncio
from pathlib import Path

import pytest

from burnish.kit import clock
from burnish.kit.errors import InvalidState
from engines import reaping
from models.job import Job
from models.ledger import Hold
from resolvers import jobs
from tests.resolvers.conftest import Tenants
from tests.resolvers.test_jobs import all_of, held, make, messages, request

pytestmark = pytest.mark.anyio


async def test_of_many_hosts_one_reaps_a_job_and_only_those_that_are_overdue(
    on_both: Tenants, jsonl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = await on_both()
    body = await request(ctx, jsonl)
    silent = await make(ctx, {**body, "requires_heartbeat": True})
    heard = await make(ctx, {**body, "requires_heartbeat": True})
    alone = await make(ctx, body)
    unheard = await make(ctx, {**body, "requires_heartbeat": True})
    await jobs.heartbeat(ctx, silent.id)
    started = clock.now_micros()
    monkeypatch.setattr(clock, "now_micros", lambda: started + 200_000_000)
    assert (await jobs.heartbeat(ctx, heard.id)).heartbeat_at == clock.now()
    monkeypatch.setattr(clock, "now_micros", lambda: started + 301_000_000)

    found = await asyncio.gather(*(reaping.reap(ctx.core) for _ in range(5)))

    assert sorted(found) == [[], [], [], [], [silent.id]]
    rows = {row.id: row for row in await all_of(ctx, Job)}
    assert {job_id: rows[job_id].status for job_id in (silent.id, heard.id, alone.id, unheard.id)} == {
        silent.id: "failed",
        unheard.id: "queued",
        heard.id: "queued",
        alone.id: "queued",
    }
    assert (rows[silent.id].error["code"], rows[silent.id].error["attribution"]) == ("timeout", "user")
    assert await messages(ctx, silent.id, "events") == ["created", "failed"]
    assert {hold.resource_id for hold in await all_of(ctx, Hold)} == {heard.id, alone.id, unheard.id}
    assert (await held(ctx))[1] == 300_000
    with pytest.raises(InvalidState):
        await jobs.heartbeat(ctx, silent.id)
