"""Money: a double-entry, append-only ledger in micro-dollars, holds, and the meters of running work.

Every transaction has a unique reference and postings that sum to zero, so that a replay bills nothing twice. An account's balance
is the sum of its postings; it changes only here, by single conditional statements, so that no race takes a prepaid account below
zero.

Nothing is posted beyond a limit: a job's own cap, its account's budget, a prepaid account's credit. The holds of an account's
running work are one purse: what runs out of its own hold and finds nothing free takes from that of its neighbours, and
`models.outlook` says who has to stop before the purse is empty. Locks are taken in one order: the account, its budget, its holds.
"""

from datetime import datetime

from sqlalchemy import func, update
from sqlmodel import col, select

from burnish.kit import clock, ids
from burnish.kit.db import Session
from burnish.kit.errors import InsufficientCredit
from burnish.kit.money import cost_micros, usd
from models import limits
from models.account import METERED, Account
from models.books import Hold, LedgerTransaction, Meter, Posting, lock, locked
from models.limits import HOUR_S

REVENUE = "revenue"
FUNDING = "funding"

__all__ = [
    "FUNDING", "HOUR_S", "REVENUE", "Hold", "LedgerTransaction", "Meter", "Posting",
    "accrue", "charged", "fund", "hold", "refund", "release", "start_meter", "withdraw",
]  # fmt: skip


async def fund(
    session: Session, account_id: str, amount_micros: int, *, reference: str, description: str
) -> LedgerTransaction | None:
    """Add credit; None where this reference was booked before. Warnings of ending credit begin anew."""
    booked = await _book(session, account_id, amount_micros, FUNDING, reference=reference, description=description)
    if booked is not None:
        await session.exec(update(Account).where(col(Account.id) == account_id).values(credit_warning=None))
    return booked


async def withdraw(
    session: Session, account_id: str, amount_micros: int, *, reference: str, description: str
) -> LedgerTransaction | None:
    """Take credit back, of a prepaid account no more than what is free; None where this reference was booked before."""
    account = await lock(session, account_id)
    amount = amount_micros if account.billing_mode == METERED else max(0, min(amount_micros, account.free_micros))
    return await _book(session, account_id, -amount, FUNDING, reference=reference, description=description)


async def hold(session: Session, account_id: str, resource_id: str, amount_micros: int) -> None:
    """Set credit aside for a resource; InsufficientCredit where a prepaid account has less than that free.

    Of a budget that has less than that left, what is left is set aside; BudgetExceeded where that would not last five minutes.
    """
    amount_micros = await limits.within_budget(session, account_id, amount_micros)
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
    session: Session,
    account_id: str,
    resource_id: str,
    attempt: int,
    rate_micros_per_hour: int,
    at: datetime,
    *,
    provider: str | None = None,
    gpu_type: str | None = None,
    gpu_count: int | None = None,
    beside: bool = False,
) -> Meter:
    """Begin to bill an attempt from the moment `at`. An earlier attempt's meter that is still open ends where it was last billed:
    no second is billed twice. Those of a deployment's replicas go `beside` each other.
    """
    if not beside:
        stale = update(Meter).where(col(Meter.resource_id) == resource_id, col(Meter.closed).is_(False)).values(closed=True)
        await session.exec(stale)
    meter = Meter(
        resource_id=resource_id,
        attempt=attempt,
        account_id=account_id,
        rate_micros_per_hour=rate_micros_per_hour,
        started_at=at,
        billed_through=at,
        provider=provider,
        gpu_type=gpu_type,
        gpu_count=gpu_count,
    )
    session.add(meter)
    await session.flush()
    if beside:
        await _renew_hold(session, account_id, resource_id)
    return meter


async def accrue(
    session: Session, resource_id: str, until: datetime, *, description: str, close: bool = False, attempt: int | None = None
) -> int:
    """Post what the open meters of a resource, or the one of an `attempt`, have used up to `until`; return the micro-dollars
    posted.

    The caller holds the row lock of the job, or of the replica whose attempt it is, or of the deployment.
    """
    open_ones = [col(Meter.resource_id) == resource_id, col(Meter.closed).is_(False)]
    open_ones += [] if attempt is None else [col(Meter.attempt) == attempt]
    owner = (await session.exec(select(Meter.account_id).where(*open_ones))).first()
    if owner is None:
        return 0
    # The account before its meters: the host of a replica and that of its deployment may post at once.
    await lock(session, owner)
    posted = 0
    for meter in (await session.exec(locked(select(Meter).where(*open_ones).order_by(col(Meter.attempt))))).all():
        posted += await _post_period(session, meter, until, description)
        meter.closed = close
        session.add(meter)
    await session.flush()
    if not close or attempt is not None:
        await _renew_hold(session, owner, resource_id)
    return posted


async def release(session: Session, resource_id: str) -> None:
    """Give back what is still held for a resource; nothing happens where nothing is."""
    owner = (await session.exec(select(Hold.account_id).where(Hold.resource_id == resource_id))).first()
    if owner is None:
        return
    await lock(session, owner)
    found = await _hold_of(session, resource_id)
    if found is None:
        return
    await _change(session, found.account_id, held=-found.amount_micros)
    await session.delete(found)
    await session.flush()


async def charged(session: Session, resource_id: str, *, before: datetime | None = None) -> int:
    """Return what a resource has been charged, less what was given back, in micro-dollars; until a moment, where one is given."""
    total = func.coalesce(func.sum(col(LedgerTransaction.amount_micros)), 0)
    conditions = [col(LedgerTransaction.resource_id) == resource_id]
    if before is not None:
        conditions.append(col(LedgerTransaction.created_at) < before)
    return -int((await session.exec(select(total).where(*conditions))).one())


async def refund(session: Session, account_id: str, resource_id: str, *, description: str) -> int:
    """Give back all that a resource has been charged, once; return the micro-dollars given back."""
    await lock(session, account_id)
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
    """Take `due`, as far as all limits allow, from the hold, then from free credit, then from the holds of what else runs; return
    what was taken.
    """
    if due <= 0:
        return 0
    account = await lock(session, meter.account_id)
    budget = await limits.budget_of(session, meter.account_id)
    due = min(due, await limits.left_of_cap(session, meter.resource_id, due), due if budget is None else budget.left_micros)
    taken = held = _take_from(await _hold_of(session, meter.resource_id), due)
    free = due - taken
    if account.billing_mode != METERED:
        free = min(free, max(0, account.free_micros))
    taken += free
    for other in await limits.holds_beside(session, meter) if taken < due else ():
        part = _take_from(other, due - taken)
        held, taken = held + part, taken + part
    account.held_micros -= held
    account.balance_micros -= taken
    if budget is not None:
        budget.spent_micros += taken
    await session.flush()
    return taken


def _take_from(found: Hold | None, amount: int) -> int:
    part = min(amount, found.amount_micros) if found else 0
    if found:
        found.amount_micros -= part
    return part


async def _renew_hold(session: Session, account_id: str, resource_id: str) -> None:
    """Bring the hold back to an hour of all that the resource runs, to what a lower limit leaves, or as near as the credit
    allows.
    """
    account = await lock(session, account_id)
    found = await _hold_of(session, resource_id)
    if found is None:
        return
    rates = select(func.coalesce(func.sum(col(Meter.rate_micros_per_hour)), 0))
    running = (col(Meter.resource_id) == resource_id, col(Meter.closed).is_(False))
    hour = cost_micros(int((await session.exec(rates.where(*running))).one()), HOUR_S)
    budget = await limits.budget_of(session, account_id)
    wanted = min(hour, await limits.left_of_cap(session, resource_id, hour), hour if budget is None else budget.left_micros)
    change = wanted - found.amount_micros
    if account.billing_mode != METERED:
        change = min(change, max(0, account.free_micros))
    found.amount_micros += change
    account.held_micros += change
    await session.flush()


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
    await lock(session, account_id)
    known = await session.exec(select(LedgerTransaction.id).where(LedgerTransaction.reference == reference))
    if known.first() is not None:
        return None
    await _change(session, account_id, balance=amount)
    budget = await limits.budget_of(session, account_id) if resource_id is not None else None
    if budget is not None and resource_id is not None:
        # What an earlier period spent adds nothing to this one's budget.
        budget.spent_micros -= amount - await charged(session, resource_id, before=budget.period_began_at)
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


async def _hold_of(session: Session, resource_id: str) -> Hold | None:
    return (await session.exec(locked(select(Hold).where(Hold.resource_id == resource_id)))).first()
