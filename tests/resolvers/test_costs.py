"""What was spent, out of the ledger, on both databases: every posting counts once, wherever it is told apart."""

from datetime import timedelta
from decimal import Decimal

import pytest

from burnish.kit import clock
from burnish.kit.errors import Forbidden
from models import ledger
from resolvers import costs
from resolvers.context import Context
from resolvers.costs import PeriodInput
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio
USD = 1_000_000
DAY_US = 86_400_000_000


async def spent(
    ctx: Context, resource_id: str, seconds: int, *, attempt: int = 1, gpu: str = "H100-80GB", refund: bool = False
) -> None:
    now = clock.now()
    async with ctx.db.transaction() as session:
        begin = now - timedelta(seconds=seconds)
        where = {"provider": "local", "gpu_type": gpu, "gpu_count": 2}
        await ledger.start_meter(session, ctx.account.id, resource_id, attempt, 36 * USD // 10, begin, **where)  # type: ignore[arg-type]
        await ledger.accrue(session, resource_id, now - timedelta(seconds=seconds / 2), description="Job")
        await ledger.accrue(session, resource_id, now, description="Job", close=True)
        if refund:
            await ledger.refund(session, ctx.account.id, resource_id, description="Back")


async def test_groups_and_buckets_add_up_to_the_total(on_both: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx, other = await on_both("one"), await on_both("two")
    real = clock.now_micros()
    for days, resource in enumerate(("job_a", "job_a", "dep_a", "job_b", "job_c")):
        with monkeypatch.context() as patch:
            patch.setattr(clock, "now_micros", lambda days=days: real - days * DAY_US)
            gpu = "CPU" if days % 2 else "H100-80GB"
            await spent(ctx, resource, 1000 * (days + 1), attempt=days + 1, gpu=gpu, refund=resource == "job_c")
    await spent(other, "job_z", 5000)
    since = clock.now() - timedelta(days=10)
    for names in ((), ("kind",), ("gpu_type", "provider"), ("resource_id",), costs.DIMENSIONS):
        found = await costs.report(ctx, names, "day", since)
        assert found.total.cost_micros == 10 * USD
        assert sum(group.cost_micros for group in found.groups) == sum(bucket.cost_micros for bucket in found.buckets) == 10 * USD
        hours = {round(each, 9) for each in (sum(group.hours for group in found.groups), found.total.hours)}
        assert hours == {Decimal("8.333333333")}
    kinds = {
        group.kind: (group.cost_micros, group.job_count) for group in (await costs.report(ctx, ("kind",), "day", since)).groups
    }
    assert kinds == {"job": (7 * USD, 3), "dep": (3 * USD, 0)}
    days_ = (await costs.report(ctx, (), "day", since)).buckets
    assert len(days_) == 4 and all(bucket.starts_at.hour == 0 for bucket in days_)
    assert [group.resource_id for group in (await costs.report(ctx, ("resource_id",), "month", since)).groups][-1] == "job_c"
    summary = await costs.summary(ctx, PeriodInput(days=3))
    assert (summary.total.cost_micros, summary.total.job_count, summary.average) == (6 * USD, 1, Decimal(3))
    by_gpu = {group.gpu_type: group.cost_micros for group in await costs.breakdown(ctx, PeriodInput(days=30), "gpu_type")}
    assert by_gpu == {"CPU": 6 * USD, "H100-80GB": 4 * USD}


async def test_nobody_sees_costs_without_the_scope(on_both: Tenants) -> None:
    ctx = await on_both("one")
    blind = Context(ctx.platform, ctx.account, ctx.key, "req", None, frozenset({"inference"}))
    for asked in (costs.summary(blind, PeriodInput()), costs.breakdown(blind, PeriodInput(), "provider")):
        with pytest.raises(Forbidden):
            await asked
