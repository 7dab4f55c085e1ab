"""A machine that does to the ledger whatever may be done to it, in any order, and holds the books together after every step.

One account with three jobs, two of them capped, and a deployment whose replicas have meters beside each other, on a clock that
jumps ahead and is set back. Everything is also done twice, as a replayed message would do it.
"""

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import func
from sqlmodel import col, select

from burnish.kit import clock, ids
from burnish.kit.db import Database, Session
from burnish.kit.errors import BudgetExceeded, InsufficientCredit
from burnish.kit.money import cost_micros
from models import ledger, limits
from models.account import METERED, PREPAID, Account
from models.budget import TOTAL, Budget
from models.ledger import Hold, LedgerTransaction, Meter, Posting
from tests.models import rows

START = datetime.fromisoformat("2026-11-21T00:00:00+00:00")
# The last one is the deployment's.
CAPS = (None, 3_000_000, 250_000_000, None)
JOBS = st.integers(0, len(CAPS) - 1)
MICROS = st.integers(1, 400_000_000)
LIMITS = st.integers(0, 10**9)
RATES = st.sampled_from((0, 1, 999, 100_000, 3_600_000_000, 7_200_000_001))


class Books(RuleBasedStateMachine):
    """`on(url)` makes the kind for a database; each example is an account of its own there."""

    url: ClassVar[str]

    @classmethod
    def on(cls, url: str) -> "type[Books]":
        return type("Books", (cls,), {"url": url})

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.db = self.runner.run(self._open())
        self.account_id = ids.new("acct")
        self.now = START
        self.jobs: list[str] = []
        self.attempts: dict[str, int] = {}
        self.booked = 0
        self.seen: dict[str, int] = {}

    async def _open(self) -> Database:
        return Database(self.url)

    def teardown(self) -> None:
        self.runner.run(self.db.dispose())
        self.runner.close()

    def do(self, work: Any) -> Any:
        """Run a step in a transaction of its own."""

        async def within() -> Any:
            async with self.db.transaction() as session:
                return await work(session)

        return self.runner.run(within())

    @initialize(mode=st.sampled_from((PREPAID, METERED)), micros=st.integers(0, 10**9), limit=st.one_of(st.none(), LIMITS))
    def begin(self, mode: str, micros: int, limit: int | None) -> None:
        async def make() -> None:
            await rows.account(self.db, micros, mode=mode, name=self.account_id)
            for cap in CAPS[:-1]:
                self.jobs.append(await rows.job(self.db, self.account_id, max_cost_micros=cap))
            self.jobs.append(await rows.deployment(self.db, self.account_id))

        self.runner.run(make())
        self.budget(limit)
        for job in range(len(CAPS)):
            self.hold(job, 10**8)
            self.start(job, 3_600_000_000)

    @rule(micros=MICROS)
    def fund(self, micros: int) -> None:
        self.booked += 1
        reference = f"{self.account_id}:topup:{self.booked}"
        for first in (True, False):
            made = self.do(lambda session: ledger.fund(session, self.account_id, micros, reference=reference, description="In"))
            assert (made is not None) is first

    @rule(micros=MICROS)
    def withdraw(self, micros: int) -> None:
        self.booked += 1
        reference = f"{self.account_id}:out:{self.booked}"
        for first in (True, False):
            made = self.do(
                lambda session: ledger.withdraw(session, self.account_id, micros, reference=reference, description="Out")
            )
            assert (made is not None) is first
            assert not first or 0 <= -made.amount_micros <= micros

    @rule(job=JOBS, micros=st.integers(0, 400_000_000))
    def hold(self, job: int, micros: int) -> None:
        async def work(session: Session) -> None:
            if await session.get(Hold, self.jobs[job]) is None:
                await ledger.hold(session, self.account_id, self.jobs[job], micros)

        with contextlib.suppress(InsufficientCredit, BudgetExceeded):
            self.do(work)

    @rule(job=JOBS, rate=RATES)
    def start(self, job: int, rate: int) -> None:
        name = self.jobs[job]
        self.attempts[name] = self.attempts.get(name, 0) + 1
        number, beside = self.attempts[name], name.startswith("dep")
        before = self._open_meters(name)
        self.do(lambda session: ledger.start_meter(session, self.account_id, name, number, rate, self.now, beside=beside))
        assert self._open_meters(name) == (before if beside else set()) | {number}

    @rule(job=JOBS, close=st.booleans(), seconds=st.integers(-5, 200), attempt=st.one_of(st.none(), st.integers(1, 4)))
    def accrue(self, job: int, close: bool, seconds: int, attempt: int | None = None) -> None:
        self.now += timedelta(seconds=seconds)
        name = self.jobs[job]
        before = self._open_meters(name)

        def once() -> int:
            posting: dict[str, Any] = {"description": "Work", "close": close, "attempt": attempt}
            return int(self.do(lambda session: ledger.accrue(session, name, self.now, **posting)))

        once()
        assert once() == 0
        closed = before if attempt is None else {attempt}
        assert self._open_meters(name) == (before - closed if close else before)

    @rule(job=JOBS)
    def release(self, job: int) -> None:
        for _ in range(2):
            self.do(lambda session: ledger.release(session, self.jobs[job]))

    @rule(job=JOBS)
    def refund(self, job: int) -> None:
        def once() -> int:
            return int(self.do(lambda session: ledger.refund(session, self.account_id, self.jobs[job], description="Back")))

        self.accrue(job, True, 0)
        before = self.do(lambda session: ledger.charged(session, self.jobs[job]))
        assert once() in (0, before)
        assert once() == 0

    @rule(micros=st.one_of(st.none(), LIMITS))
    def budget(self, micros: int | None) -> None:
        async def work(session: Session) -> None:
            found = await session.get(Budget, self.account_id)
            if found is not None:
                await session.delete(found)
                await session.flush()
            if micros is not None:
                now = clock.now()
                made = Budget(
                    account_id=self.account_id,
                    limit_micros=micros,
                    period=TOTAL,
                    period_began_at=now,
                    created_at=now,
                    updated_at=now,
                )
                made.spent_micros = await limits.used(session, self.account_id, now)
                session.add(made)

        self.do(work)

    @invariant()
    def books_agree(self) -> None:
        if self.jobs:
            self.do(self._check)

    async def _check(self, session: Session) -> None:
        account = await session.get_one(Account, self.account_id)
        held = await self._sum(session, Hold.amount_micros, Hold.account_id == self.account_id)
        assert account.held_micros == held
        if account.billing_mode == PREPAID:
            assert 0 <= held <= account.balance_micros
        mine = LedgerTransaction.account_id == self.account_id
        found = {row.id: row for row in (await session.exec(select(LedgerTransaction).where(mine))).all()}
        assert account.balance_micros == sum(row.amount_micros for row in found.values())
        book = Posting.book == f"customer:{self.account_id}"
        assert account.balance_micros == await self._sum(session, Posting.amount_micros, book)
        uneven = (
            select(Posting.transaction_id).where(col(Posting.transaction_id).in_(found)).group_by(col(Posting.transaction_id))
        )
        uneven = uneven.having((func.sum(col(Posting.amount_micros)) != 0) | (func.count() != 2))
        assert (await session.exec(uneven)).all() == []
        assert self.seen.items() <= {name: row.amount_micros for name, row in found.items()}.items()
        self.seen = {name: row.amount_micros for name, row in found.items()}
        for name, cap in zip(self.jobs, CAPS, strict=True):
            meters = (await session.exec(select(Meter).where(Meter.resource_id == name))).all()
            assert cap is None or sum(meter.posted_micros for meter in meters) <= cap
            for meter in meters:
                begins = f"{name}:{meter.attempt}:"
                posted = [-row.amount_micros for row in found.values() if row.reference.startswith(begins)]
                seconds = int((meter.billed_through - meter.started_at).total_seconds())
                assert (meter.posted_micros, meter.periods) == (sum(posted), len(posted))
                assert meter.posted_micros <= cost_micros(meter.rate_micros_per_hour, seconds)
        budget = await session.get(Budget, self.account_id)
        if budget is not None:
            assert budget.spent_micros == await limits.used(session, self.account_id, budget.period_began_at)
            assert budget.spent_micros <= budget.limit_micros

    def _open_meters(self, name: str) -> set[int]:
        """Return the attempts of a resource whose meters run."""
        running = select(Meter.attempt).where(Meter.resource_id == name, col(Meter.closed).is_(False))

        async def work(session: Session) -> set[int]:
            return set((await session.exec(running)).all())

        found: set[int] = self.do(work)
        return found

    async def _sum(self, session: Session, column: Any, condition: Any) -> int:
        return sum((await session.exec(select(column).where(condition))).all())
