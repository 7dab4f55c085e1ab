"""A deployment and its replicas over stand-in engines: made, scaled, healed, paused, stopped; what its followers read of it."""

import asyncio
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from burnish.kit import clock
from burnish.kit.settings import Settings
from burnish.kit.tables import StreamChunk
from engines.serving import engine, replica_run, stats
from engines.serving.replica_run import ReplicaRun
from engines.serving.rounds import Outcome, Round
from models.account import Account
from models.deployment import Deployment
from models.ledger import Hold
from resolvers import deployment_changes, deployments
from resolvers.context import Context
from tests.conftest import Server
from tests.engines.serving import hosting
from tests.engines.serving.hosting import ask, hosted, is_at, live_replicas, meters, serving, told, until, want

pytestmark = pytest.mark.anyio
KINDS = ("requests", "stats")
RATE = 100_000


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    hosting.stand_in(monkeypatch)


@pytest.fixture
async def ctx(server: Server, settings: Settings, tmp_path: Path) -> Context:
    """The tenant, with a model `tiny` and room for four replicas on each host."""
    settings.cpu_slots = 4
    await hosting.add_model(server, tmp_path, "tiny")
    return await server.context()


async def counted(ctx: Context, row: Deployment) -> int:
    return sum(sample.data["requests"] for sample in await deployments.rows(ctx, row.id, "stats"))


async def assert_billed_by_the_second(server: Server, ctx: Context, row: Deployment) -> None:
    """Each replica's meter ran from its placement to its end, and the deployment cost their sum."""
    found = await meters(server, row)
    assert all(meter.closed for meter in found)
    by_attempt = {each.attempt: each for each in await deployments.replicas(ctx, row.id)}
    for meter in found:
        assert by_attempt[meter.attempt].ended_at is not None
        seconds = int(clock.seconds_between(meter.started_at, meter.billed_through))
        assert meter.posted_micros == RATE * seconds // 3600
    assert (await deployments.get(ctx, row.id)).cost_micros == sum(meter.posted_micros for meter in found)


async def test_requests_and_samples_go_on_over_hosts_and_end_with_the_deployment(
    server: Server, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def all_counted() -> bool:
        return await counted(ctx, row) == 3

    async with hosted(server):
        row = await serving(ctx)
        await ask(server, row, 3)
        await until(all_counted)
    # From here on there are the sample that a host begins with and its last one.
    monkeypatch.setattr(stats, "EVERY_S", 3600.0)
    async with hosted(server):
        await until(lambda: is_at(ctx, row, "serving", running=1))
        await ask(server, row, 4)
        # At once: what the gateway has not logged yet is counted too.
        await deployments.stop(ctx, row.id)
        async with asyncio.timeout(60):
            followed = {kind: [batch async for batch in deployments.follow(ctx, row.id, kind)] for kind in KINDS}
    assert [batches[-1].end_reason for batches in followed.values()] == ["stopped", "stopped"]
    requests, samples = ([item.data for batch in followed[kind] for item in batch.rows] for kind in KINDS)
    assert [(item["completion_tokens"], item["status_code"]) for item in requests] == [(2, 200)] * 7
    assert (sum(sample["requests"] for sample in samples), samples[-1]["requests_seq"]) == (7, 7)
    assert sum(sample["completion_tokens"] for sample in samples) == 14
    ready = next(sample for sample in samples if sample["replicas_ready"])
    assert ready.items() >= {"running": 0, "waiting": 0, "kv_cache_usage": 0.0, "replicas_total": 1}.items()
    assert samples[-1].items() >= {"running": None, "replicas_ready": 0, "replicas_total": 0}.items()


async def test_the_streams_of_a_deployment_are_compact_while_it_serves(server: Server, ctx: Context) -> None:
    async def compact() -> bool:
        its = (StreamChunk.resource_id == row.id, StreamChunk.kind == "requests")
        async with ctx.db.read() as session:
            return len((await session.exec(select(StreamChunk.first_seq).where(*its))).all()) == 1

    async with hosted(server):
        row = await serving(ctx)
        for _ in range(3):
            await ask(server, row, 1)
            await server.platform.gateway.flush()
        await until(compact)
        assert [item.seq for item in await deployments.rows(ctx, row.id, "requests")] == [1, 2, 3]


async def test_a_deployment_follows_what_is_wanted_up_down_to_none_and_back(server: Server, ctx: Context) -> None:
    async with hosted(server):
        row = await serving(ctx, min_replicas=0, max_replicas=3)
        for count in (3, 1, 0, 2):
            await want(server, row, count)
            await until(partial(is_at, ctx, row, "serving", running=count))
            async with server.platform.db.read() as session:
                held = (await session.exec(select(Hold.amount_micros).where(Hold.resource_id == row.id))).one()
            assert held == count * RATE
        assert await ask(server, row, 2) == ["tiny", "tiny"]
        await deployments.stop(ctx, row.id)
        await until(lambda: is_at(ctx, row, "stopped", running=0))
    assert (await told(ctx, row)).count("serving") == 1
    reasons = [each.stop_reason for each in await deployments.replicas(ctx, row.id)]
    assert reasons == ["the deployment has ended"] * 2 + ["scaled down"] * 3
    await assert_billed_by_the_second(server, ctx, row)
    async with server.platform.db.read() as session:
        account = await session.get_one(Account, ctx.account.id)
    assert account.held_micros == 0


async def test_an_engine_that_dies_is_replaced_and_the_deployment_recovers(server: Server, ctx: Context) -> None:
    async with hosted(server):
        row = await serving(ctx)
        (first,) = await live_replicas(ctx, row)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: is_healed(ctx, row, first.id))
        assert await ask(server, row) == ["tiny"]
    lines = await told(ctx, row, "logs")
    assert "Status: unhealthy: the engine ended with exit code 137" in lines
    assert [each["replica_id"] for each in await hosting.events_of(ctx, row, "replica_failed")] == [first.id]


async def test_a_database_that_is_away_for_a_moment_stops_no_reconciling(
    server: Server, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host would have kept the lease, and nobody had started, stopped or woken a replica until it had lapsed."""
    failed: list[str] = []
    go = Round.go

    async def once(self: Round) -> Outcome:
        if not failed:
            failed.append(self.run.id)
            raise OperationalError("BEGIN IMMEDIATE", None, TimeoutError())
        return await go(self)

    async with hosted(server):
        row = await serving(ctx, max_replicas=2)
        monkeypatch.setattr(Round, "go", once)
        await want(server, row, 2)
        await until(lambda: is_at(ctx, row, "serving", running=2))
        assert failed == [row.id]
        assert (await deployments.get(ctx, row.id)).attempt == row.attempt == 1


async def is_healed(ctx: Context, row: Deployment, before: str) -> bool:
    live = await live_replicas(ctx, row)
    return [each.status for each in live] == ["running"] and live[0].id != before and await is_at(ctx, row, "serving", running=1)


async def test_one_of_two_that_dies_leaves_the_deployment_serving(server: Server, ctx: Context) -> None:
    async with hosted(server):
        row = await serving(ctx, min_replicas=2, max_replicas=2)
        first, second = await live_replicas(ctx, row)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: is_at(ctx, row, "serving", running=1))
        await until(lambda: is_at(ctx, row, "serving", running=2))
        assert second.id in [each.id for each in await live_replicas(ctx, row)]
    assert "unhealthy" not in await told(ctx, row)


async def test_an_engine_that_never_starts_fails_the_deployment_with_its_last_words(
    server: Server, ctx: Context, settings: Settings, tmp_path: Path
) -> None:
    settings.replica_attempts = 2
    await hosting.add_model(server, tmp_path, "bad", broken=True)
    async with hosted(server):
        row = await hosting.create(ctx, model="bad")
        await until(lambda: is_at(ctx, row, "failed", running=0))
        await until(lambda: has_ended(ctx, row))
    error = (await deployments.get(ctx, row.id)).error
    assert error is not None
    first, *lines = error.splitlines()
    why = "the engine ended with exit code 3: line 29 of the engine's last words"
    assert first == f"Its replicas failed 2 times in a row; the last time: {why}"
    assert lines == [f"line {number} of the engine's last words" for number in range(10, 30)]
    assert await hosting.versions(server, row) == [(1, "failed")]
    await assert_billed_by_the_second(server, ctx, row)


async def has_ended(ctx: Context, row: Deployment) -> bool:
    return (await deployments.get(ctx, row.id)).lease_holder is None


async def test_replicas_of_a_host_that_dies_are_replaced_on_another_and_billed_until_it_was_heard_of(
    server: Server, ctx: Context
) -> None:
    async with hosted(server) as first:
        row = await serving(ctx, min_replicas=2, max_replicas=2)
        before = {each.id for each in await live_replicas(ctx, row)}
        await hosting.kill(server, first)
        async with hosted(server) as second:
            await until(lambda: are_gone(ctx, row, before))
            await until(lambda: is_at(ctx, row, "serving", running=2))
            assert {each.host_id for each in await live_replicas(ctx, row)} == {second.host_id}
            assert await ask(server, row, 2) == ["tiny", "tiny"]
            await deployments.stop(ctx, row.id)
            await until(lambda: is_at(ctx, row, "stopped", running=0))
    gone = [each for each in await deployments.replicas(ctx, row.id) if each.fail_reason == "its host is gone"]
    assert {each.id for each in gone} == before
    of = {meter.attempt: meter for meter in await meters(server, row)}
    # A host that had not renewed yet was last heard of when it took them, a moment before their meters began.
    heard_of = [max(of[each.attempt].started_at, each.lease_renewed_at or each.created_at) for each in gone]
    assert [of[each.attempt].billed_through for each in gone] == heard_of
    assert "Status: unhealthy: its host is gone" in await told(ctx, row, "logs")
    await assert_billed_by_the_second(server, ctx, row)


async def are_gone(ctx: Context, row: Deployment, names: set[str]) -> bool:
    return not names & {each.id for each in await live_replicas(ctx, row)}


async def test_a_paused_deployment_holds_nothing_and_serves_again_when_resumed(server: Server, ctx: Context) -> None:
    async with hosted(server):
        row = await serving(ctx)
        await deployment_changes.pause(ctx, row.id)
        await until(lambda: is_put_aside(ctx, row))
        paused = await deployments.get(ctx, row.id)
        async with server.platform.db.read() as session:
            assert (await session.exec(select(Hold).where(Hold.resource_id == row.id))).all() == []
        assert all(meter.closed for meter in await meters(server, row))
        assert paused.cost_micros == sum(meter.posted_micros for meter in await meters(server, row))
        await deployment_changes.resume(ctx, row.id)
        await until(lambda: is_at(ctx, row, "serving", running=1))
        assert await ask(server, row) == ["tiny"]
    changes = [kind for kind in await told(ctx, row) if not kind.startswith("replica_")]
    assert changes == ["created", "provisioning", "serving", "paused", "queued", "resumed", "provisioning", "serving"]


async def is_put_aside(ctx: Context, row: Deployment) -> bool:
    found = await deployments.get(ctx, row.id)
    return found.status == "queued" and found.lease_holder is None and not await live_replicas(ctx, row)


async def test_a_stop_cuts_no_request(server: Server, ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled = asyncio.Event()
    drain = engine.drain

    async def observed(*given: Any) -> bool:
        settled.set()
        return await drain(*given)

    monkeypatch.setattr(engine, "drain", observed)
    async with hosted(server):
        row = await serving(ctx)
        answer = await hosting.asked_in_background(server, row)
        await deployments.stop(ctx, row.id)
        await until(lambda: drains(ctx, row))
        async with asyncio.timeout(60):
            await settled.wait()
        assert not answer.done()
        (tmp_path / "tiny" / "go").touch()
        assert (await answer).status_code == 200
        await until(lambda: has_ended(ctx, row))
    assert (await told(ctx, row, "logs"))[-1].endswith("has stopped: the deployment has ended")


async def test_a_database_that_is_away_while_a_replica_leaves_cuts_no_request(
    server: Server, ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[str] = []
    leave = ReplicaRun._leave_routing

    async def once(self: ReplicaRun) -> bool:
        if not failed:
            failed.append(self.id)
            raise OperationalError("BEGIN IMMEDIATE", None, TimeoutError())
        return await leave(self)

    monkeypatch.setattr(ReplicaRun, "_leave_routing", once)
    monkeypatch.setattr(replica_run, "LEAVE_AGAIN_S", 0.05)
    async with hosted(server):
        row = await serving(ctx)
        answer = await hosting.asked_in_background(server, row)
        await deployments.stop(ctx, row.id)
        await until(lambda: drains(ctx, row))
        (tmp_path / "tiny" / "go").touch()
        assert (await answer).status_code == 200
        await until(lambda: has_ended(ctx, row))
    assert len(failed) == 1


async def drains(ctx: Context, row: Deployment) -> bool:
    return [each.status for each in await live_replicas(ctx, row)] == ["draining"]


async def test_a_host_that_stops_cuts_no_request(server: Server, ctx: Context, tmp_path: Path) -> None:
    async with hosted(server) as supervisor:
        row = await serving(ctx)
        answer = await hosting.asked_in_background(server, row)
        stopping = asyncio.create_task(supervisor.stop())
        await until(lambda: drains(ctx, row))
        assert not answer.done()
        (tmp_path / "tiny" / "go").touch()
        assert (await answer).status_code == 200
        await stopping
    (replica,) = await deployments.replicas(ctx, row.id)
    assert (replica.status, replica.stop_reason) == ("stopped", "its host is stopping")
