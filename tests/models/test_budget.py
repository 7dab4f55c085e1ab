"""What counts as spent of a budget."""

from datetime import datetime

import pytest

from burnish.kit import clock
from burnish.kit.db import Database
from models import ledger, limits
from models.budget import MONTH, Budget, month_of
from tests.models import rows

pytestmark = pytest.mark.anyio
USD = 1_000_000


def at(monkeypatch: pytest.MonkeyPatch, moment: str) -> datetime:
    now = datetime.fromisoformat(moment)
    monkeypatch.setattr(clock, "now_micros", lambda: clock.to_micros(now))
    return now


async def work(database: Database, resource_id: str, attempt: int, begin: datetime, end: datetime) -> None:
    async with database.transaction() as session:
        await ledger.start_meter(session, "acct", resource_id, attempt, 3600 * USD, begin)
        await ledger.accrue(session, resource_id, end, description="Job", close=True)


async def test_what_is_given_back_of_an_earlier_month_adds_nothing_to_this_ones_budget(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = at(monkeypatch, "2026-10-31T23:00:00+00:00")
    await rows.account(database, 1000 * USD)
    async with database.transaction() as session:
        month = month_of(begin)
        session.add(
            Budget(
                account_id="acct",
                limit_micros=100 * USD,
                period=MONTH,
                period_began_at=month,
                created_at=month,
                updated_at=month,
            )
        )
    october = at(monkeypatch, "2026-10-31T23:00:40+00:00")
    await work(database, "job_1", 1, begin, october)
    november = at(monkeypatch, "2026-11-01T00:00:10+00:00")
    await work(database, "job_1", 2, november.replace(second=0), november)
    async with database.transaction() as session:
        budget = await session.get_one(Budget, "acct")
        assert (budget.spent_micros, budget.left_micros) == (10 * USD, 90 * USD)
        assert await ledger.refund(session, "acct", "job_1", description="Refunded") == 50 * USD
    async with database.read() as session:
        budget = await session.get_one(Budget, "acct")
        assert (budget.spent_micros, budget.left_micros) == (0, 100 * USD)
        assert await limits.used(session, "acct", budget.period_began_at) == 0
