"""What bounds spending beside credit: a job's own cap and its account's budget. The ledger asks before it posts."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.db import Session
from burnish.kit.errors import BudgetExceeded
from burnish.kit.money import usd
from models.account import Account
from models.books import Hold, LedgerTransaction, Meter, lock, locked
from models.budget import Budget
from models.job import Job

HOUR_S = 3600
# A start that a budget would end sooner than this is refused.
LEAST_S = 300


async def budget_of(session: Session, account_id: str) -> Budget | None:
    """Return the account's budget in the period that runs now, locked for a change."""
    found = (await session.exec(locked(select(Budget).where(Budget.account_id == account_id)))).first()
    if found is not None:
        found.roll(clock.now())
    return found


async def used(session: Session, account_id: str, since: datetime) -> int:
    """Return what an account's work was charged since a moment, less what was given back of that, in micro-dollars."""
    total = func.coalesce(func.sum(col(LedgerTransaction.amount_micros)), 0)
    mine, lately = LedgerTransaction.account_id == account_id, col(LedgerTransaction.created_at) >= since
    # What was given back is all that was charged, so that of such work the earlier charges are part of the sum.
    back = select(LedgerTransaction.resource_id).where(mine, lately, col(LedgerTransaction.reference).startswith("refund:"))
    counted = lately | col(LedgerTransaction.resource_id).in_(back)
    work = select(total).where(mine, counted, col(LedgerTransaction.resource_id).is_not(None))
    return -int((await session.exec(work)).one())


async def within_budget(session: Session, account_id: str, amount: int, *, for_update: bool = True) -> int:
    """Return how much of `amount` the budget leaves for another start; BudgetExceeded where that is too little.

    Only `for_update` does the answer hold until the transaction ends.
    """
    account = await (lock(session, account_id) if for_update else session.get_one(Account, account_id))
    budget = await (budget_of(session, account_id) if for_update else session.get(Budget, account_id))
    if budget is None:
        return amount
    budget.roll(clock.now())
    left = max(0, budget.left_micros - account.held_micros)
    if left < amount and left <= amount * LEAST_S // HOUR_S:
        raise BudgetExceeded(
            f"The account's budget is {usd(budget.limit_micros):.6f} USD; {usd(budget.spent_micros):.6f} USD are spent and "
            f"{usd(account.held_micros):.6f} USD set aside for other work.",
            limit_micros=budget.limit_micros,
            spent_micros=budget.spent_micros,
            needed_micros=amount,
        )
    return min(amount, left)


async def left_of_cap(session: Session, resource_id: str, otherwise: int) -> int:
    """Return what a job's cap leaves, `otherwise` of what has none."""
    cap = (await session.exec(select(Job.max_cost_micros).where(Job.id == resource_id))).first()
    if cap is None:
        return otherwise
    posted = select(func.coalesce(func.sum(col(Meter.posted_micros)), 0)).where(Meter.resource_id == resource_id)
    return max(0, cap - int((await session.exec(posted)).one()))


async def holds_beside(session: Session, meter: Meter) -> Sequence[Hold]:
    """Return the holds of what else of the account is running."""
    running = select(Meter.resource_id).where(Meter.account_id == meter.account_id, col(Meter.closed).is_(False))
    others = (Hold.account_id == meter.account_id, Hold.resource_id != meter.resource_id, Hold.amount_micros > 0)
    statement = select(Hold).where(*others, col(Hold.resource_id).in_(running)).order_by(col(Hold.resource_id))
    return (await session.exec(locked(statement))).all()
