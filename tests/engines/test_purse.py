"""Running work and its money, second by second on a clock that the test moves: who is warned of what, and who stops when."""

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import select

from burnish.kit import clock, stream
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from engines.compute.hardware import Shape
from engines.compute.local import Inventory, Placement
from engines.jobs import JobRun
from engines.leased import LeasedRun
from engines.serving.reconcile import DeploymentRun
from models import budget as budgets
from models import deployment as dep
from models import job, leases, ledger, outlook
from models.account import METERED, PREPAID, Account
from models.budget import Budget
from models.ledger import Hold, Meter
from models.replica import Replica
from tests.models import rows

pytestmark = pytest.mark.anyio
USD = 1_000_000
HOUR = 3600
GRACE = 120


@dataclass
class World:
    """An account with runs, at a second of its own clock."""

    core: Core
    second: float = 0.0
    runs: dict[str, LeasedRun] = field(default_factory=dict)
    told_at: dict[str, float] = field(default_factory=dict)

    async def start(self, name: str, *, usd_per_hour: float = 3.6, cap_usd: float | None = None) -> LeasedRun:
        """Start a job or, where its name begins so, a deployment, with an hour set aside."""
        rate = int(usd_per_hour * USD)
        placement = Placement(Shape("H100-80GB", 1), (0,), rate)
        if name.startswith("dep"):
            row_id, kind = await rows.deployment(self.core.db, name=name, status=dep.SERVING), DeploymentRun
        else:
            cap = None if cap_usd is None else int(cap_usd * USD)
            row_id, kind = await rows.job(self.core.db, status=job.RUNNING, max_cost_micros=cap), JobRun  # type: ignore[assignment]
        run = kind(self.core, Inventory(self.core.settings), row_id, "host", placement)
        async with self.core.db.transaction() as session:
            await ledger.hold(session, "acct", row_id, rate if cap_usd is None else min(rate, int(cap_usd * USD)))
            token = await leases.take(session, run.table, row_id, "host", 10**7)
            assert token is not None
            row = await session.get_one(run.table, row_id, populate_existing=True)
            row.attempt, row.provider = 1, "local"
            session.add(row)
            run.token, run.attempt, run.account_id = token, 1, "acct"
            await run.start_meter(session, row)
        if kind is DeploymentRun:
            await rows.replica(self.core.db, row_id)
        run.purse.begin(self.second)
        self.runs[name] = run
        return run

    async def end(self, name: str) -> None:
        run = self.runs.pop(name)
        async with run.writing() as session:
            row = await session.get_one(run.table, run.id)
            row.cost_micros = await run.settle(session, refund=False)
            session.add(row)

    async def pass_(self, seconds: float, *, stop_takes: float = 100) -> None:
        """Let time pass, from one look of a run at its money to the next; what is told to stop takes so long for it."""
        end = self.second + seconds
        while self.second < end and self.runs:
            due = [min(run.purse._post_at, run.purse._look_at) for run in self.runs.values() if run.purse.limit is None]
            due += [self.told_at[name] + stop_takes for name in self.told_at if name in self.runs]
            due += [run.purse._post_at for run in self.runs.values()]
            self.second = min(end, max(self.second + 1, math.ceil(min(due))))
            await self.heard()
            for name, run in list(self.runs.items()):
                await run.purse.tick(self.second)
                await run.flush()
                if run.purse.limit is not None:
                    self.told_at.setdefault(name, self.second)
                    if self.second - self.told_at[name] >= stop_takes:
                        await self.end(name)
                await self.check()

    async def heard(self) -> None:
        """Have the hosts of all replicas renew their leases."""
        now = clock.now()
        async with self.core.db.transaction() as session:
            beat = update(Replica).values(lease_renewed_at=now, lease_expires_at=now + timedelta(seconds=15))
            await session.exec(beat)

    async def account(self) -> Account:
        async with self.core.db.read() as session:
            return await session.get_one(Account, "acct")

    async def check(self) -> None:
        account = await self.account()
        if account.billing_mode == PREPAID:
            assert 0 <= account.held_micros <= account.balance_micros

    async def lines(self, run: LeasedRun) -> list[str]:
        async with self.core.db.read() as session:
            return [row.data["message"] for row in await stream.read(session, run.id, "logs")]

    async def activity(self, kind: str) -> list[dict[str, Any]]:
        async with self.core.db.read() as session:
            events = await stream.read(session, "acct", "activity")
        return [row.data["metadata"] for row in events if row.data["type"] == kind]


@pytest.fixture
async def world(settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    core = Core(Settings(home=settings.home, cpu_fallback=True, database_url=database_url, save_grace_s=GRACE, drain_s=30))
    made, begin = World(core), clock.now_micros()
    monkeypatch.setattr(clock, "now_micros", lambda: begin + int(made.second * 1_000_000))
    yield made
    await core.close()


async def set_budget(world: World, limit_usd: float, period: str = budgets.TOTAL) -> None:
    now = clock.now()
    async with world.core.db.transaction() as session:
        session.add(
            Budget(
                account_id="acct",
                limit_micros=int(limit_usd * USD),
                period=period,
                period_began_at=now if period == budgets.TOTAL else budgets.month_of(now),
                created_at=now,
                updated_at=now,
            )
        )


async def test_of_ending_credit_the_newest_job_stops_first_and_deployments_last(world: World) -> None:
    await rows.account(world.core.db, 12 * USD)
    await world.start("dep")
    await world.start("older")
    newest = await world.start("newest")
    await world.pass_(2 * HOUR)
    assert list(world.told_at) == ["newest", "older", "dep"]
    assert newest.purse.limit is not None and newest.purse.limit.message == "The account's credit is used up."
    account = await world.account()
    assert 0 <= account.balance_micros < 0.3 * USD and account.held_micros == 0
    # All of it burns 10.8 USD an hour, for 4,000 seconds; the graces of both jobs and the deployment take 90 of them.
    assert 3890 < world.told_at["newest"] <= 3910
    assert "The account's credit is used up. Saving a checkpoint, then stopping." in await world.lines(newest)


async def test_who_stops_slowly_has_its_whole_grace_and_takes_nobody_elses(world: World) -> None:
    await rows.account(world.core.db, 20 * USD)
    for name in ("first", "second", "third"):
        await world.start(name, usd_per_hour=6)
    await world.pass_(2 * HOUR, stop_takes=GRACE)
    assert list(world.told_at) == ["third", "second", "first"]
    account = await world.account()
    # Every second of the graces was paid for: nothing was cut short, and nothing is owed.
    assert 0 <= account.balance_micros < 0.4 * USD
    async with world.core.db.read() as session:
        for meter in (await session.exec(select(Meter))).all():
            seconds = int((meter.billed_through - meter.started_at).total_seconds())
            assert meter.posted_micros == 6 * USD * seconds // HOUR


async def test_ending_credit_is_warned_of_once_at_an_hour_and_at_a_quarter(world: World) -> None:
    await rows.account(world.core.db, int(5.4 * USD))
    one, two = await world.start("one", usd_per_hour=1.8), await world.start("two", usd_per_hour=1.8)
    await world.pass_(HOUR)
    assert [each["minutes"] for each in await world.activity("credit_low")] == [60]
    assert (await world.account()).credit_warning == "60"
    await world.pass_(1500)
    assert [each["minutes"] for each in await world.activity("credit_low")] == [60, 15]
    for run in (one, two):
        told = [line for line in await world.lines(run) if "lasts less than" in line]
        assert told == [
            f"The account's credit lasts less than {minutes} minutes; then jobs stop first, then deployments, the newest first."
            for minutes in (60, 15)
        ]
    async with world.core.db.transaction() as session:
        await ledger.fund(session, "acct", 2 * USD, reference="topup:again", description="Credit")
    await world.pass_(61)
    assert (await world.account()).credit_warning == "60"
    assert [each["minutes"] for each in await world.activity("credit_low")] == [60, 15, 60]
    assert world.told_at == {}


@pytest.mark.parametrize("mode", [PREPAID, METERED])
async def test_a_budget_warns_at_80_and_95_percent_and_is_never_exceeded(world: World, mode: str) -> None:
    await rows.account(world.core.db, 100 * USD, mode=mode)
    await set_budget(world, 12)
    await world.start("dep")
    await world.start("job")
    await world.pass_(2 * HOUR)
    assert list(world.told_at) == ["job", "dep"]
    assert [each["percent"] for each in await world.activity("budget_low")] == [80, 95]
    async with world.core.db.read() as session:
        found = await session.get_one(Budget, "acct")
    assert 11.6 * USD < found.spent_micros <= 12 * USD
    assert (await world.account()).balance_micros == 100 * USD - found.spent_micros


async def test_a_cap_stops_its_own_job_and_no_other(world: World) -> None:
    await rows.account(world.core.db, 100 * USD)
    capped, free = await world.start("capped", cap_usd=2), await world.start("free")
    async with world.core.db.read() as session:
        assert (await session.get_one(Hold, capped.id)).amount_micros == 2 * USD
    await world.pass_(3000, stop_takes=GRACE)
    assert list(world.told_at) == ["capped"]
    assert 2000 - GRACE - 10 <= world.told_at["capped"] <= 2000 - GRACE
    async with world.core.db.read() as session:
        assert 1.9 * USD < await ledger.charged(session, capped.id) <= 2 * USD
        found = await outlook.read(session, "acct")
    assert [each.resource_id for each in found.running] == [free.id]


async def test_a_job_that_ignores_the_stop_is_not_billed_beyond_its_cap(world: World) -> None:
    await rows.account(world.core.db, 100 * USD)
    run = await world.start("capped", cap_usd=2)
    await world.pass_(4000, stop_takes=10_000)
    await world.end("capped")
    async with world.core.db.read() as session:
        assert await ledger.charged(session, run.id) == 2 * USD
    assert (await world.account()).balance_micros == 98 * USD


async def test_credit_that_comes_in_time_lets_everything_go_on(world: World) -> None:
    await rows.account(world.core.db, 4 * USD)
    await world.start("job")
    await world.pass_(3000)
    async with world.core.db.transaction() as session:
        await ledger.fund(session, "acct", 10 * USD, reference="topup:again", description="Credit")
    await world.pass_(3000)
    assert world.told_at == {}


async def test_a_month_that_begins_gives_the_budget_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = clock.to_micros(clock.now().replace(month=3, day=31, hour=23, minute=0, second=0, microsecond=0))
    monkeypatch.setattr(clock, "now_micros", lambda: begin + int(world.second * 1_000_000))
    await rows.account(world.core.db, 100 * USD)
    await set_budget(world, 5, budgets.MONTH)
    await world.start("job")
    await world.pass_(HOUR - 1)
    assert [each["percent"] for each in await world.activity("budget_low")] == []
    await world.pass_(HOUR)
    async with world.core.db.read() as session:
        found = await session.get_one(Budget, "acct")
    assert (found.period_began_at.month, found.period_began_at.day) == (4, 1)
    assert 3.4 * USD < found.spent_micros <= 3.7 * USD
    assert world.told_at == {}
