import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, text, update
from sqlmodel import col, select

from burnish.kit import clock, ids
from burnish.kit.db import Database
from burnish.kit.errors import InsufficientCredit
from models import ledger
from models.account import METERED, Account
from models.deployment import Deployment, InferenceRequest
from models.ledger import Hold, LedgerTransaction, Meter, Posting
from tests.models import rows

pytestmark = pytest.mark.anyio

USD = 1_000_000
START = datetime.fromisoformat("2026-11-21T00:00:00+00:00")


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def hold(database: Database, resource_id: str = "job_1", micros: int = USD) -> None:
    async with database.transaction() as session:
        await ledger.hold(session, "acct", resource_id, micros)


async def meter(database: Database, rate: int = 3600 * USD, resource_id: str = "job_1", attempt: int = 1, at: float = 0) -> None:
    async with database.transaction() as session:
        await ledger.start_meter(session, "acct", resource_id, attempt, rate, after(at))


async def accrue(database: Database, seconds: float, *, close: bool = False, resource_id: str = "job_1") -> int:
    async with database.transaction() as session:
        return await ledger.accrue(session, resource_id, after(seconds), description="Job", close=close)


async def money(database: Database) -> tuple[int, int]:
    """Return balance and what is held, once all books agree with them."""
    async with database.read() as session:
        account = await session.get_one(Account, "acct")
        found = (
            await session.exec(
                select(Posting.transaction_id, func.sum(col(Posting.amount_micros))).group_by(col(Posting.transaction_id))
            )
        ).all()
        assert [(name, int(total)) for name, total in found if total] == []
        mine = select(func.coalesce(func.sum(col(Posting.amount_micros)), 0)).where(col(Posting.book) == "customer:acct")
        assert int((await session.exec(mine)).one()) == account.balance_micros
        transactions = (await session.exec(select(LedgerTransaction.amount_micros))).all()
        assert sum(transactions) == account.balance_micros
        assert sum((await session.exec(select(Hold.amount_micros))).all()) == account.held_micros
    return account.balance_micros, account.held_micros


async def charged(database: Database, resource_id: str = "job_1") -> int:
    async with database.read() as session:
        return await ledger.charged(session, resource_id)


async def references(database: Database) -> list[str]:
    async with database.read() as session:
        return sorted((await session.exec(select(LedgerTransaction.reference))).all())


async def test_credit_is_booked_once_for_a_reference(database: Database) -> None:
    await rows.account(database, 5 * USD)

    async def fund() -> LedgerTransaction | None:
        async with database.transaction() as session:
            return await ledger.fund(session, "acct", USD, reference="stripe:evt_1", description="Top-up")

    booked = await asyncio.gather(*(fund() for _ in range(20)))
    assert len([transaction for transaction in booked if transaction is not None]) == 1
    assert await money(database) == (6 * USD, 0)


async def test_of_200_parallel_holds_with_funds_for_5_exactly_5_stand(database: Database) -> None:
    await rows.account(database, 5 * USD + USD // 2)

    answers = await asyncio.gather(*(hold(database, f"job_{number}") for number in range(200)), return_exceptions=True)
    refusals = [answer for answer in answers if isinstance(answer, InsufficientCredit)]
    assert (answers.count(None), len(refusals)) == (5, 195)
    assert {(refusal.needed_micros, refusal.balance_micros) for refusal in refusals} == {(USD, 5 * USD + USD // 2)}
    assert await money(database) == (5 * USD + USD // 2, 5 * USD)


async def test_a_hold_of_all_there_is_stands_and_of_one_more_does_not(database: Database) -> None:
    await rows.account(database, USD)
    with pytest.raises(InsufficientCredit, match=r"This needs 1\.000001 USD set aside, and 1\.000000 USD are free\."):
        await hold(database, micros=USD + 1)
    assert await money(database) == (USD, 0)
    await hold(database, micros=USD)
    assert await money(database) == (USD, USD)


async def test_a_metered_account_holds_whatever_it_has(database: Database) -> None:
    await rows.account(database, mode=METERED)
    await hold(database, micros=7 * USD)
    assert await money(database) == (0, 7 * USD)


async def test_use_is_taken_from_the_hold_which_is_then_topped_up(database: Database) -> None:
    await rows.account(database, 10_000 * USD)
    await hold(database, micros=3600 * USD)
    await meter(database)
    assert await accrue(database, 60) == 60 * USD
    assert await money(database) == (9_940 * USD, 3600 * USD)
    assert await charged(database) == 60 * USD


async def test_a_replay_of_the_same_moment_bills_nothing(database: Database) -> None:
    await rows.account(database, 10_000 * USD)
    await hold(database, micros=3600 * USD)
    await meter(database)
    results = await asyncio.gather(*(accrue(database, 60) for _ in range(20)))
    assert sorted(results) == [0] * 19 + [60 * USD]
    assert await money(database) == (9_940 * USD, 3600 * USD)
    assert await references(database) == ["job_1:1:1", "topup:acct"]


async def test_a_clock_that_is_set_back_gives_nothing_back_and_bills_nothing_twice(database: Database) -> None:
    await rows.account(database, 10_000 * USD, mode=METERED)
    await meter(database)
    assert [await accrue(database, moment) for moment in (60, 30, -3600, 60, 61)] == [60 * USD, 0, 0, 0, USD]


async def test_only_whole_seconds_are_billed_and_none_is_lost_between_periods(database: Database) -> None:
    await rows.account(database, mode=METERED)
    await meter(database, rate=100_000)
    total = 0
    for step in range(1, 60):
        total += await accrue(database, step * 0.7)
        assert total == 100_000 * int(step * 0.7 + 1e-9) // 3600
    assert await charged(database) == total


@pytest.mark.parametrize("rate", [1, 7, 3599, 100_000, 2_000_001])
async def test_many_small_periods_cost_what_one_long_one_does(database: Database, rate: int) -> None:
    await rows.account(database, mode=METERED)
    await meter(database, rate=rate)
    for second in range(0, 120, 7):
        await accrue(database, second)
    await accrue(database, 3600, close=True)
    assert await charged(database) == rate
    assert await money(database) == (-rate, 0)


async def test_a_closed_meter_bills_no_more(database: Database) -> None:
    await rows.account(database, mode=METERED)
    await meter(database)
    assert await accrue(database, 10, close=True) == 10 * USD
    assert await accrue(database, 500, close=True) == 0
    assert await money(database) == (-10 * USD, 0)


async def test_a_prepaid_balance_ends_at_zero_and_no_lower(database: Database) -> None:
    await rows.account(database, 90 * USD)
    await hold(database, micros=90 * USD)
    await meter(database)
    assert await accrue(database, 29) == 29 * USD
    assert await accrue(database, 31) == 2 * USD
    assert await accrue(database, 300) == 59 * USD
    assert await money(database) == (0, 0)
    assert await accrue(database, 600, close=True) == 0
    assert await money(database) == (0, 0)


async def test_use_beyond_the_hold_is_taken_from_what_is_free_and_never_from_others_holds(database: Database) -> None:
    await rows.account(database, 100 * USD)
    await hold(database, micros=10 * USD)
    await hold(database, "job_2", 70 * USD)
    await meter(database)
    assert await accrue(database, 500, close=True) == 30 * USD
    assert await money(database) == (70 * USD, 70 * USD)


async def test_what_a_dry_account_still_owes_is_taken_when_credit_comes(database: Database) -> None:
    await rows.account(database, 10 * USD)
    await meter(database)
    assert await accrue(database, 60) == 10 * USD
    async with database.transaction() as session:
        await ledger.fund(session, "acct", 100 * USD, reference="topup:2", description="Credit")
    assert await accrue(database, 61) == 51 * USD
    assert await money(database) == (49 * USD, 0)


async def test_a_metered_balance_goes_below_zero_and_is_never_refused(database: Database) -> None:
    await rows.account(database, mode=METERED)
    await hold(database, micros=10 * USD)
    await meter(database)
    assert await accrue(database, 100) == 100 * USD
    assert await money(database) == (-100 * USD, 3600 * USD)


async def test_the_database_itself_refuses_a_negative_prepaid_balance(database: Database) -> None:
    await rows.account(database, USD)
    with pytest.raises(Exception, match="balance_not_negative"):
        async with database.transaction() as session:
            await session.exec(update(Account).values(balance_micros=-1))
    assert await money(database) == (USD, 0)


async def test_what_is_held_is_released_once(database: Database) -> None:
    await rows.account(database, 10 * USD)
    await hold(database, micros=4 * USD)
    await hold(database, "job_2", 3 * USD)

    async def release() -> None:
        async with database.transaction() as session:
            await ledger.release(session, "job_1")

    await asyncio.gather(*(release() for _ in range(20)))
    assert await money(database) == (10 * USD, 3 * USD)


async def test_a_refund_gives_back_all_of_it_once(database: Database) -> None:
    await rows.account(database, 100 * USD)
    await meter(database)
    for moment in (10, 20, 30):
        await accrue(database, moment, close=moment == 30)
    assert await money(database) == (70 * USD, 0)

    async def refund() -> int:
        async with database.transaction() as session:
            return await ledger.refund(session, "acct", "job_1", description="Refunded")

    assert sorted(await asyncio.gather(*(refund() for _ in range(20)))) == [0] * 19 + [30 * USD]
    assert await money(database) == (100 * USD, 0)
    assert await charged(database) == 0


async def test_nothing_is_refunded_where_nothing_was_charged(database: Database) -> None:
    await rows.account(database, USD)
    async with database.transaction() as session:
        assert await ledger.refund(session, "acct", "job_1", description="Refunded") == 0
    assert await references(database) == ["topup:acct"]


async def test_a_new_attempt_ends_the_meter_of_the_last_where_it_was_billed(database: Database) -> None:
    await rows.account(database, mode=METERED)
    await meter(database)
    await accrue(database, 60)
    await meter(database, attempt=2, at=90)
    await accrue(database, 100, close=True)
    assert await charged(database) == 70 * USD
    async with database.read() as session:
        meters = (await session.exec(select(Meter).order_by(col(Meter.attempt)))).all()
    assert [(row.attempt, row.closed, row.posted_micros) for row in meters] == [(1, True, 60 * USD), (2, True, 10 * USD)]
    assert await references(database) == ["job_1:1:1", "job_1:2:1"]


async def test_an_attempt_has_one_meter(database: Database) -> None:
    await rows.account(database)
    await meter(database)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await meter(database)


async def test_parallel_spending_of_many_resources_never_takes_more_than_there_is(database: Database) -> None:
    await rows.account(database, 100 * USD)
    for number in range(8):
        await meter(database, resource_id=f"job_{number}")

    async def run(number: int) -> int:
        spent = 0
        for moment in range(5, 31, 5):
            spent += await accrue(database, moment, resource_id=f"job_{number}")
        return spent

    assert sum(await asyncio.gather(*(run(number) for number in range(8)))) == 100 * USD
    assert await money(database) == (0, 0)


async def test_what_a_session_read_before_the_lock_is_not_what_it_bills_on(database: Database) -> None:
    await rows.account(database, 100 * USD)
    await hold(database, micros=50 * USD)
    await meter(database)
    async with database.transaction() as session:
        stale = await session.get_one(Account, "acct")
        held = await session.get_one(Hold, "job_1")
        await session.exec(
            update(Account).values(balance_micros=80 * USD, held_micros=30 * USD).execution_options(synchronize_session=False)
        )
        await session.exec(update(Hold).values(amount_micros=30 * USD).execution_options(synchronize_session=False))
        assert (stale.balance_micros, held.amount_micros) == (100 * USD, 50 * USD)
        assert await ledger.accrue(session, "job_1", after(10), description="Job", close=True) == 10 * USD
    async with database.read() as session:
        account = await session.get_one(Account, "acct")
    assert (account.balance_micros, account.held_micros) == (70 * USD, 20 * USD)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_writing_the_request_log_beside_a_stop_is_no_deadlock(database: Database) -> None:
    await rows.account(database, mode=METERED)
    deployment_id = await rows.deployment(database)
    await meter(database, resource_id=deployment_id)

    async def write_log() -> None:
        async with database.transaction() as session:
            session.add(
                InferenceRequest(
                    id=ids.new("req"),
                    account_id="acct",
                    deployment_id=deployment_id,
                    latency_ms=1.0,
                    status_code=200,
                    created_at=clock.now(),
                )
            )

    async def waits() -> bool:
        async with database.read() as session:
            locks = await (await session.connection()).execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
            return bool(locks.scalar_one())

    async with database.transaction() as session:
        await session.get_one(Deployment, deployment_id, with_for_update=True)
        logging = asyncio.create_task(write_log())
        async with asyncio.timeout(10):
            while not await waits():
                await asyncio.sleep(0.01)
        assert await ledger.accrue(session, deployment_id, after(5), description="Deployment", close=True) == 5 * USD
    await logging
    assert await money(database) == (-5 * USD, 0)


async def test_of_200_parallel_spends_with_funds_for_5_exactly_5_are_taken(database: Database) -> None:
    await rows.account(database, 5 * USD)
    for number in range(200):
        await meter(database, resource_id=f"job_{number}")
    samples: list[int] = []

    async def spend(number: int) -> int:
        taken = await accrue(database, 1, resource_id=f"job_{number}")
        async with database.read() as session:
            samples.append((await session.get_one(Account, "acct")).balance_micros)
        return taken

    taken = await asyncio.gather(*(spend(number) for number in range(200)))
    assert sorted(taken) == [0] * 195 + [USD] * 5
    assert min(samples) >= 0
    assert await money(database) == (0, 0)


async def test_running_work_takes_from_the_holds_of_what_runs_beside_it(database: Database) -> None:
    await rows.account(database, 100 * USD)
    await hold(database, micros=10 * USD)
    await hold(database, "job_2", 60 * USD)
    await hold(database, "job_3", 30 * USD)
    await meter(database)
    await meter(database, resource_id="job_2")
    assert await accrue(database, 50, close=True) == 50 * USD
    assert await money(database) == (50 * USD, 50 * USD)
    assert await accrue(database, 500, resource_id="job_2", close=True) == 20 * USD
    assert await money(database) == (30 * USD, 30 * USD)


async def test_what_is_withdrawn_is_at_most_what_is_free(database: Database) -> None:
    await rows.account(database, 10 * USD)
    await hold(database, micros=7 * USD)

    async def withdraw(reference: str) -> int | None:
        async with database.transaction() as session:
            made = await ledger.withdraw(session, "acct", 5 * USD, reference=reference, description="Refund")
        return None if made is None else made.amount_micros

    assert [await withdraw(name) for name in ("a", "a", "b", "b")] == [-3 * USD, None, 0, None]
    assert await money(database) == (7 * USD, 7 * USD)
