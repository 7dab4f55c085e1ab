"""Money: a double-entry, append-only ledger in micro-dollars, holds, and the meters of running work.

Every transaction has a unique reference and postings that sum to zero, so that a replay bills nothing twice. An account's balance
is the sum of its postings; it changes only here, by single conditional statements, so that no race takes a prepaid account below
zero.
"""

from datetime import datetime
from typing import TypeVar

from sqlalchemy import BigInteger, CheckConstraint, Index, func, update
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from burnish.kit import clock, ids
from burnish.kit.db import Session, Timestamp
from burnish.kit.errors import InsufficientCredit
from burnish.kit.money import cost_micros, usd
from models.account import METERED, Account

REVENUE = "revenue"
FUNDING = "funding"
HOUR_S = 3600
T = TypeVar("T")


class LedgerTransaction(SQLModel, table=True):
    """`amount_micros` is what it did to the account: a debit is negative."""

    __tablename__ = "ledger_transaction"
    __table_args__ = (Index("ix_ledger_transaction_page", "account_id", "created_at", "id"),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    reference: str = Field(unique=True)
    resource_id: str | None = Field(default=None, index=True)
    description: str
    amount_micros: int = Field(sa_type=BigInteger)
    created_at: datetime = Field(sa_type=Timestamp)


class Posting(SQLModel, table=True):
    """One side of a transaction. Books: `customer:{account}`, `revenue`, `funding`."""

    transaction_id: str = Field(primary_key=True, foreign_key="ledger_transaction.id")
    book: str = Field(primary_key=True)
    amount_micros: int = Field(sa_type=BigInteger)


class Hold(SQLModel, table=True):
    """Credit set aside for running work, released at its end."""

    __table_args__ = (CheckConstraint("amount_micros >= 0", name="amount_not_negative"),)

    resource_id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    amount_micros: int = Field(sa_type=BigInteger)


class Meter(SQLModel, table=True):
    """What one attempt of a resource has used: whole seconds from `started_at` to `billed_through` have been posted, in
    `periods` postings, at the rate of the hardware that it names.
    """

    resource_id: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    rate_micros_per_hour: int = Field(sa_type=BigInteger)
    started_at: datetime = Field(sa_type=Timestamp)
    billed_through: datetime = Field(sa_type=Timestamp)
    periods: int = 0
    posted_micros: int = Field(default=0, sa_type=BigInteger)
    closed: bool = False
    provider: str | None = None
    gpu_type: str | None = None
    gpu_count: int | None = None


async def fund(
    session: Session, account_id: str, amount_micros: int, *, reference: str, description: str
) -> LedgerTransaction | None:
    """Add credit; None where this reference was booked before."""
    return await _book(session, account_id, amount_micros, FUNDING, reference=reference, description=description)


async def hold(session: Session, account_id: str, resource_id: str, amount_micros: int) -> None:
    """Set credit aside for a resource; InsufficientCredit where a prepaid account has less than that free."""
    account = await _reserve(session, account_id, amount_micros)
    if account is None:
        found = await session.get_one(Account, account_id)
        raise InsufficientCredit(
            f"This needs {usd(amount_micros):.6f} USD set aside, and {usd(found.free_micros):.6f} USD are free.",
            balance_micros=found.balance_micros,
            needed_micros=amount_micros,
        )
    session.add(Hold(resource_id=resource_id, account_id=account_id, amount_micros=amount_micros))
    await session.flush()


async def start_meter(
    session: Session, account_id: str, resource_id: str, attempt: int, rate_micros_per_hour: int, at: datetime
) -> Meter:
    """Begin to bill an attempt from the moment `at`. An earlier attempt's meter that is still open ends where it was last billed:
    no second is billed twice.
    """
    stale = update(Meter).where(col(Meter.resource_id) == resource_id, col(Meter.closed).is_(False)).values(closed=True)
    await session.exec(stale)
    meter = Meter(
        resource_id=resource_id,
        attempt=attempt,
        account_id=account_id,
        rate_micros_per_hour=rate_micros_per_hour,
        started_at=at,
        billed_through=at,
    )
    session.add(meter)
    await session.flush()
    return meter


async def accrue(
    session: Session, resource_id: str, until: datetime, *, description: str, close: bool = False
) -> tuple[int, bool]:
    """Post what the open meters of a resource have used up to `until`.

    Returns the micro-dollars posted and whether the credit still covers another billing hour's start: False means that a prepaid
    account could not renew its hold and less than a minute of it is left. The caller holds the resource's row lock.
    """
    statement = _locked(select(Meter).where(Meter.resource_id == resource_id, col(Meter.closed).is_(False)))
    posted, covered = 0, True
    for meter in (await session.exec(statement)).all():
        amount = await _post_period(session, meter, until, description)
        posted += amount
        meter.closed = close
        session.add(meter)
        if not close:
            covered = await _renew_hold(session, meter) and covered
    await session.flush()
    return posted, covered


async def release(session: Session, resource_id: str) -> None:
    """Give back what is still held for a resource; nothing happens where nothing is."""
    found = await _hold_of(session, resource_id)
    if found is None:
        return
    await _change(session, found.account_id, held=-found.amount_micros)
    await session.delete(found)
    await session.flush()


async def charged(session: Session, resource_id: str) -> int:
    """Return what a resource has been charged, less what was given back, in micro-dollars."""
    total = func.coalesce(func.sum(col(LedgerTransaction.amount_micros)), 0)
    return -int((await session.exec(select(total).where(LedgerTransaction.resource_id == resource_id))).one())


async def refund(session: Session, account_id: str, resource_id: str, *, description: str) -> int:
    """Give back all that a resource has been charged, once; return the micro-dollars given back."""
    await _account(session, account_id)
    amount = await charged(session, resource_id)
    if amount <= 0:
        return 0
    reference = f"refund:{resource_id}"
    booked = await _book(
        session, account_id, amount, REVENUE, reference=reference, description=description, resource_id=resource_id
    )
    return amount if booked else 0


async def _post_period(session: Session, meter: Meter, until: datetime, description: str) -> int:
    """Post the cost of the whole seconds up to `until` that earlier periods have not; at most what a prepaid account has."""
    seconds = int(clock.seconds_between(meter.started_at, max(until, meter.billed_through)))
    due = cost_micros(meter.rate_micros_per_hour, seconds) - meter.posted_micros
    amount = await _spend(session, meter, due)
    meter.billed_through = max(until, meter.billed_through)
    if amount <= 0:
        return 0
    meter.periods += 1
    meter.posted_micros += amount
    reference = f"{meter.resource_id}:{meter.attempt}:{meter.periods}"
    await _enter(
        session, meter.account_id, -amount, REVENUE, reference=reference, description=description, resource_id=meter.resource_id
    )
    return amount


async def _spend(session: Session, meter: Meter, due: int) -> int:
    """Take `due` from the hold first, then from free credit, never below zero of a prepaid account; return what was taken."""
    if due <= 0:
        return 0
    found = await _hold_of(session, meter.resource_id)
    account = await _account(session, meter.account_id)
    held = min(due, found.amount_micros) if found else 0
    rest = due - held
    if account.billing_mode != METERED:
        rest = min(rest, max(0, account.free_micros))
    if found:
        found.amount_micros -= held
        session.add(found)
    account.held_micros -= held
    account.balance_micros -= held + rest
    session.add(account)
    await session.flush()
    return held + rest


async def _renew_hold(session: Session, meter: Meter) -> bool:
    """Bring the hold back to an hour, or as near as the credit allows."""
    found = await _hold_of(session, meter.resource_id)
    if found is None:
        return True
    account = await _account(session, meter.account_id)
    missing = cost_micros(meter.rate_micros_per_hour, HOUR_S) - found.amount_micros
    if account.billing_mode != METERED:
        missing = min(missing, account.free_micros)
    if missing > 0:
        found.amount_micros += missing
        account.held_micros += missing
        session.add_all([found, account])
    return found.amount_micros >= cost_micros(meter.rate_micros_per_hour, 60)


def _locked(statement: SelectOfScalar[T]) -> SelectOfScalar[T]:
    """Lock the selected rows and read them afresh, whatever the session holds of them.

    The lock is Postgres's weaker one, which lets others insert rows that refer to these: such an insert in a transaction that
    holds another of our locks would otherwise be a deadlock.
    """
    return statement.with_for_update(key_share=True).execution_options(populate_existing=True)


async def _hold_of(session: Session, resource_id: str) -> Hold | None:
    return (await session.exec(_locked(select(Hold).where(Hold.resource_id == resource_id)))).first()


async def _account(session: Session, account_id: str) -> Account:
    return (await session.exec(_locked(select(Account).where(Account.id == account_id)))).one()


async def _reserve(session: Session, account_id: str, amount: int) -> str | None:
    covered = (col(Account.billing_mode) == METERED) | (col(Account.balance_micros) - col(Account.held_micros) >= amount)
    statement = (
        update(Account)
        .where(col(Account.id) == account_id, covered)
        .values(held_micros=col(Account.held_micros) + amount)
        .returning(col(Account.id))
        .execution_options(synchronize_session="fetch")
    )
    return (await session.exec(statement)).scalar_one_or_none()


async def _change(session: Session, account_id: str, *, balance: int = 0, held: int = 0) -> None:
    await session.exec(
        update(Account)
        .where(col(Account.id) == account_id)
        .values(balance_micros=col(Account.balance_micros) + balance, held_micros=col(Account.held_micros) + held)
    )


async def _book(
    session: Session,
    account_id: str,
    amount: int,
    against: str,
    *,
    reference: str,
    description: str,
    resource_id: str | None = None,
) -> LedgerTransaction | None:
    """Enter a transaction and change the balance; None where the reference exists."""
    # Under the account's lock, so that of two who book one reference the second finds the first's.
    await _account(session, account_id)
    known = await session.exec(select(LedgerTransaction.id).where(LedgerTransaction.reference == reference))
    if known.first() is not None:
        return None
    await _change(session, account_id, balance=amount)
    return await _enter(
        session, account_id, amount, against, reference=reference, description=description, resource_id=resource_id
    )


async def _enter(
    session: Session, account_id: str, amount: int, against: str, *, reference: str, description: str, resource_id: str | None
) -> LedgerTransaction:
    transaction = LedgerTransaction(
        id=ids.new("txn"),
        account_id=account_id,
        reference=reference,
        resource_id=resource_id,
        description=description,
        amount_micros=amount,
        created_at=clock.now(),
    )
    session.add(transaction)
    await session.flush()
    session.add_all(
        [
            Posting(transaction_id=transaction.id, book=f"customer:{account_id}", amount_micros=amount),
            Posting(transaction_id=transaction.id, book=against, amount_micros=-amount),
        ]
    )
    await session.flush()
    return transaction
