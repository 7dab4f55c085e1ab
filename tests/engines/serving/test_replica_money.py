"""What replicas cost, on both databases: several meters of one deployment, posted by several hosts, exact whatever ends one."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlmodel import col, select, update

from burnish.kit import clock
from burnish.kit.settings import Settings
from models import billing, ledger, outlook
from models.account import Account
from models.budget import TOTAL, Budget
from models.deployment import Deployment
from models.ledger import Hold
from models.replica import Replica
from resolvers import deployment_changes, deployments
from resolvers.context import Context
from tests.conftest import Server
from tests.engines.serving import hosting
from tests.engines.serving.hosting import hosted, is_at, meters, serving, until, want
from tests.models import rows

pytestmark = pytest.mark.anyio
RATE = 3_600_000
GRACES = {"job": 120.0, "dep": 30.0}


@pytest.fixture
def settings(settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation on either database, with room for four replicas a host, at a thousand micro-dollars a second."""
    hosting.stand_in(monkeypatch)
    settings.database_url, settings.cpu_slots = database_url, 4
    settings.cpu_usd_per_hour, settings.billing_period_s = "3.60", 1
    return settings


@pytest.fixture
async def ctx(server: Server, tmp_path: Path) -> Context:
    await hosting.add_model(server, tmp_path, "tiny")
    return await server.context()


async def held(server: Server, row: Deployment) -> int:
    async with server.platform.db.read() as session:
        return sum((await session.exec(select(Hold.amount_micros).where(Hold.resource_id == row.id))).all())


async def assert_exact(server: Server, ctx: Context, row: Deployment, *, replicas: int) -> None:
    """Every second of each replica from its placement to its end has been posted once, and nothing is held any more."""
    found = await meters(server, row)
    assert len(found) == replicas
    for meter in found:
        seconds = int(clock.seconds_between(meter.started_at, meter.billed_through))
        assert (meter.closed, meter.posted_micros) == (True, RATE * seconds // 3600)
    total = sum(meter.posted_micros for meter in found)
    async with server.platform.db.read() as session:
        account = await session.get_one(Account, ctx.account.id)
        assert await ledger.charged(session, row.id) == total
    assert (await deployments.get(ctx, row.id)).cost_micros == total
    assert (account.balance_micros, account.held_micros) == (100_000_000 - total, 0)


async def test_scaling_and_a_pause_are_billed_to_the_second(server: Server, ctx: Context) -> None:
    async with hosted(server), hosted(server):
        row = await serving(ctx, min_replicas=1, max_replicas=4)
        for count in (3, 1):
            await want(server, row, count)
            await until(partial(is_at, ctx, row, "serving", running=count))
            await until(partial(holds, server, row, count))
        await deployment_changes.pause(ctx, row.id)
        assert await held(server, row) == 0
        at_pause = (await deployments.get(ctx, row.id)).cost_micros
        await until(partial(is_at, ctx, row, "queued", running=0))
        assert (await deployments.get(ctx, row.id)).cost_micros == at_pause
        await deployment_changes.resume(ctx, row.id)
        await until(partial(is_at, ctx, row, "serving", running=1))
        await deployments.stop(ctx, row.id)
        await until(partial(is_at, ctx, row, "stopped", running=0))
        await assert_exact(server, ctx, row, replicas=4)


async def holds(server: Server, row: Deployment, count: int) -> bool:
    return await held(server, row) == count * RATE


async def test_no_replica_outlives_a_pause_that_is_taken_back_at_once(server: Server, ctx: Context) -> None:
    """Nobody need have looked in between: its billing has ended, and it would serve on for nothing."""
    core = server.platform.core
    deployment_id = await rows.deployment(core.db, ctx.account.id, status="serving", serving_since=clock.now())
    its = {"account_id": ctx.account.id}
    running = await rows.replica(core.db, deployment_id, **its)
    waiting = await rows.replica(core.db, deployment_id, **its, attempt=2, status="pending", lease_holder=None)
    async with core.db.transaction() as session:
        await ledger.hold(session, ctx.account.id, deployment_id, RATE)
        await ledger.start_meter(session, ctx.account.id, deployment_id, 1, RATE, clock.now(), beside=True)
    await deployment_changes.pause(ctx, deployment_id)
    await deployment_changes.resume(ctx, deployment_id)
    found = {each.id: each for each in await deployments.replicas(ctx, deployment_id)}
    assert {each.stop_reason for each in found.values()} == {"the deployment is paused"}
    assert (found[running.id].status, found[running.id].ended_at) == ("running", None)
    assert found[waiting.id].status == "stopped" and found[waiting.id].ended_at is not None


async def test_an_account_whose_money_ends_stops_its_deployment_with_all_replicas(
    server: Server, ctx: Context, settings: Settings
) -> None:
    settings.drain_s = 2.0
    async with hosted(server):
        row = await serving(ctx, min_replicas=2, max_replicas=2)
        now = clock.now()
        async with server.platform.db.transaction() as session:
            budget = Budget(
                account_id=ctx.account.id, limit_micros=30_000, period=TOTAL, period_began_at=now, created_at=now, updated_at=now
            )
            session.add(budget)
        await until(partial(is_at, ctx, row, "stopped", running=0))
        found = await deployments.get(ctx, row.id)
        assert found.error == "QUOTA_EXCEEDED: The account's budget of 0.03 USD is used up."
        await assert_exact(server, ctx, row, replicas=2)


async def test_a_host_that_dies_is_billed_until_it_was_heard_of_though_others_post_on(
    server: Server, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its meter is posted as far as its lease was renewed, so that nothing has to be given back."""
    core = server.platform.core
    await rows.account(core.db, 100 * RATE)
    deployment_id = await rows.deployment(core.db, status="serving")
    begin = clock.now() - timedelta(seconds=100)
    heard = {1: begin + timedelta(seconds=60), 2: begin + timedelta(seconds=95)}
    for attempt, at in heard.items():
        await rows.replica(core.db, deployment_id, attempt=attempt, lease_renewed_at=at)
    async with core.db.transaction() as session:
        await ledger.hold(session, "acct", deployment_id, RATE)
        for attempt in heard:
            await ledger.start_meter(session, "acct", deployment_id, attempt, RATE, begin, beside=True)
        assert (await session.exec(select(Hold.amount_micros).where(Hold.resource_id == deployment_id))).one() == 2 * RATE
        await billing.post(session, deployment_id)
        assert await ledger.charged(session, deployment_id) == (60 + 95) * 1000
    async with core.db.transaction() as session:
        lapsed = update(Replica).where(col(Replica.attempt) == 1).values(lease_expires_at=clock.now())
        await session.exec(lapsed)
        row = (await session.exec(select(Replica).where(Replica.attempt == 1))).one()
        await billing.close(session, row)
    async with core.db.transaction() as session:
        assert await ledger.charged(session, deployment_id) == (60 + 95) * 1000
        found = await outlook.read(session, "acct")
        assert [(each.resource_id, each.rate_micros_per_hour, each.held_micros) for each in found.running] == [
            (deployment_id, RATE, RATE)
        ]
    now = clock.now()
    monkeypatch.setattr(clock, "now_micros", lambda: clock.to_micros(begin + timedelta(seconds=99)))
    async with core.db.transaction() as session:
        lives_on = update(Replica).where(col(Replica.attempt) == 2).values(lease_expires_at=now + timedelta(seconds=60))
        await session.exec(lives_on)
        deployment = await session.get_one(Deployment, deployment_id)
        assert await billing.settle(session, deployment) == (60 + 99) * 1000
        assert (await session.get_one(Account, "acct", populate_existing=True)).held_micros == 0


async def test_several_meters_of_one_deployment_count_together_in_the_outlook(server: Server, ctx: Context) -> None:
    core = server.platform.core
    await rows.account(core.db, 3 * RATE)
    deployment_id = await rows.deployment(core.db, status="serving")
    now = clock.now()
    async with core.db.transaction() as session:
        await ledger.hold(session, "acct", deployment_id, RATE)
        for attempt in (1, 2, 3):
            await ledger.start_meter(session, "acct", deployment_id, attempt, RATE, now, beside=True)
        found = await outlook.read(session, "acct")
    assert [(each.rate_micros_per_hour, each.held_micros) for each in found.running] == [(3 * RATE, 3 * RATE)]
    assert (found.hourly_micros, found.credit_micros, found.credit_hours) == (3 * RATE, 3 * RATE, 1.0)
    assert found.limit_of(deployment_id, GRACES) is None


async def test_two_hosts_that_post_at_once_post_each_second_once(server: Server, ctx: Context) -> None:
    core = server.platform.core
    await rows.account(core.db, 100 * RATE)
    deployment_id = await rows.deployment(core.db, status="serving")
    begin = clock.now() - timedelta(seconds=100)
    for attempt in (1, 2):
        await rows.replica(core.db, deployment_id, attempt=attempt, lease_renewed_at=begin + timedelta(seconds=50))
    async with core.db.transaction() as session:
        await ledger.hold(session, "acct", deployment_id, RATE)
        for attempt in (1, 2):
            await ledger.start_meter(session, "acct", deployment_id, attempt, RATE, begin, beside=True)

    async def post() -> None:
        async with core.db.transaction() as session:
            await session.get_one(Deployment, deployment_id, with_for_update=True)
            await billing.post(session, deployment_id)

    async def end(attempt: int) -> None:
        async with core.db.transaction() as session:
            await ledger.accrue(
                session, deployment_id, begin + timedelta(seconds=80), description="Work", attempt=attempt, close=True
            )

    await asyncio.gather(post(), end(2), post(), end(1), post())
    async with core.db.read() as session:
        assert await ledger.charged(session, deployment_id) == 2 * 80 * 1000
