"""Random walks through the ledger with a fixed seed: after every step all books agree, whatever was done in whatever order."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from burnish.kit.db import Database, Session
from burnish.kit.errors import InsufficientCredit
from burnish.kit.money import cost_micros
from models import ledger
from models.account import METERED, PREPAID, Account
from models.ledger import Hold, LedgerTransaction, Meter, Posting
from tests.models import rows

pytestmark = pytest.mark.anyio

START = datetime.fromisoformat("2026-11-21T00:00:00+00:00")
RESOURCES = ("job_1", "job_2", "job_3")
RATES = (1, 999, 100_000, 3_600_000_000, 7_200_000_001)


@dataclass
class Walk:
    """One account and what was done to it; `seen` are the transactions so far, which may never change."""

    rng: random.Random
    session: Session
    account_id: str
    now: datetime = START
    attempts: dict[str, int] = field(default_factory=dict)
    booked: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    async def step(self) -> None:
        resource = f"{self.account_id}:{self.rng.choice(RESOURCES)}"
        # A clock that is set back now and then.
        self.now += timedelta(microseconds=self.rng.randint(-5_000_000, 120_000_000))
        do = self.rng.choice(
            (self.fund, self.hold, self.start, self.accrue, self.accrue, self.accrue, self.close, self.release, self.refund)
        )
        await do(resource)
        if self.rng.random() < 0.5:
            self.session.expire_all()
        await self.check()

    async def fund(self, resource: str) -> None:
        self.booked += 1
        reference = f"{self.account_id}:topup:{self.booked}"
        amount = self.rng.randint(1, 500_000_000)
        for first in (True, False):
            made = await ledger.fund(self.session, self.account_id, amount, reference=reference, description="Credit")
            assert (made is not None) is first

    async def hold(self, resource: str) -> None:
        if await self.session.get(Hold, resource) is not None:
            return
        account = await self.session.get_one(Account, self.account_id, populate_existing=True)
        amount, free = self.rng.randint(0, 400_000_000), account.free_micros
        fits = account.billing_mode == METERED or amount <= free
        try:
            await ledger.hold(self.session, self.account_id, resource, amount)
        except InsufficientCredit:
            assert not fits
        else:
            assert fits

    async def start(self, resource: str) -> None:
        self.attempts[resource] = self.attempts.get(resource, 0) + 1
        rate = self.rng.choice(RATES)
        await ledger.start_meter(self.session, self.account_id, resource, self.attempts[resource], rate, self.now)

    async def accrue(self, resource: str, close: bool = False) -> None:
        await ledger.accrue(self.session, resource, self.now, description="Job", close=close)
        again = await ledger.accrue(self.session, resource, self.now, description="Job", close=close)
        assert again == 0

    async def close(self, resource: str) -> None:
        await self.accrue(resource, close=True)

    async def release(self, resource: str) -> None:
        await ledger.release(self.session, resource)
        assert await self.session.get(Hold, resource, populate_existing=True) is None

    async def refund(self, resource: str) -> None:
        before = await ledger.charged(self.session, resource)
        given = await ledger.refund(self.session, self.account_id, resource, description="Refunded")
        assert given in (0, before)
        assert await ledger.refund(self.session, self.account_id, resource, description="Refunded") == 0

    async def check(self) -> None:
        account = await self.session.get_one(Account, self.account_id, populate_existing=True)
        assert account.held_micros == await self.total(Hold.amount_micros, Hold.account_id == self.account_id)
        if account.billing_mode == PREPAID:
            assert 0 <= account.held_micros <= account.balance_micros
        mine = LedgerTransaction.account_id == self.account_id
        found = {row.id: row for row in (await self.session.exec(select(LedgerTransaction).where(mine))).all()}
        assert account.balance_micros == sum(row.amount_micros for row in found.values())
        assert self.seen == {name: found[name].amount_micros for name in self.seen}
        assert len({row.reference for row in found.values()}) == len(found)
        self.seen = {name: row.amount_micros for name, row in found.items()}
        assert account.balance_micros == await self.total(Posting.amount_micros, Posting.book == f"customer:{self.account_id}")
        uneven = select(Posting.transaction_id).where(col(Posting.transaction_id).in_(found))
        uneven = uneven.group_by(col(Posting.transaction_id))
        uneven = uneven.having((func.sum(col(Posting.amount_micros)) != 0) | (func.count() != 2))
        assert (await self.session.exec(uneven)).all() == []
        await self.check_meters(found)

    async def check_meters(self, found: dict[str, LedgerTransaction]) -> None:
        meters = (await self.session.exec(select(Meter).where(Meter.account_id == self.account_id))).all()
        for meter in meters:
            begins = f"{meter.resource_id}:{meter.attempt}:"
            posted = [-row.amount_micros for row in found.values() if row.reference.startswith(begins)]
            seconds = int((meter.billed_through - meter.started_at).total_seconds())
            assert meter.posted_micros == sum(posted) <= cost_micros(meter.rate_micros_per_hour, seconds)
            assert (meter.periods, all(amount > 0 for amount in posted)) == (len(posted), True)
        open_meters = [meter.resource_id for meter in meters if not meter.closed]
        assert len(open_meters) == len(set(open_meters))

    async def total(self, column: int, condition: bool) -> int:
        return sum((await self.session.exec(select(column).where(condition))).all())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mode", [PREPAID, METERED])
async def test_random_walks_keep_the_books(database: Database, mode: str) -> None:
    for seed in range(10):
        account_id = await rows.account(database, mode=mode, name=f"acct_{seed}")
        async with database.transaction() as session:
            walk = Walk(random.Random(seed), session, account_id)
            for _ in range(50):
                await walk.step()


@pytest.mark.parametrize("mode", [PREPAID, METERED])
async def test_random_walks_of_one_transaction_a_step_keep_the_books(database: Database, mode: str) -> None:
    for seed in range(1000, 1002):
        account_id = await rows.account(database, mode=mode, name=f"acct_{seed}")
        rng, walk = random.Random(seed), None
        for _ in range(50):
            async with database.transaction() as session:
                walk = Walk(rng, session, account_id) if walk is None else walk
                walk.session = session
                await walk.step()
