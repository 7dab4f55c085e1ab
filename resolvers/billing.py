"""Money as its owner sees it: balance, transactions, what runs and how long that lasts, and the budget."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import partial
from typing import Any, Literal

from pydantic import Field
from sqlmodel import col, select

from burnish.kit import clock, paging
from burnish.kit.db import Session
from burnish.kit.errors import InsufficientCredit, NotFound
from burnish.kit.money import MAX_MICROS, MICROS, parse_usd, usd
from models import events, limits, outlook
from models.account import METERED, Account
from models.books import lock
from models.budget import Budget
from models.deployment import ACTIVE, Deployment
from models.job import TERMINAL, Job
from models.ledger import LedgerTransaction
from models.outlook import Outlook
from resolvers.context import Context
from resolvers.creating import once
from resolvers.inputs import Input

MAX_USD = Decimal(MAX_MICROS) / MICROS
LOW_CREDIT_HOURS = 1.0
LOW_BUDGET_PERCENT = 80


class CheckInput(Input):
    """What something is expected to cost."""

    estimated_cost_usd: Decimal = Field(ge=0, le=MAX_USD, description="The cost, in dollars.")
    stripe_customer_id: str | None = Field(
        None, max_length=255, description="Your own customer id at Stripe, where you have one."
    )


class BudgetInput(Input):
    """A budget; null takes it away."""

    limit_usd: Decimal | None = Field(
        ge=0, le=MAX_USD, decimal_places=6, description="Dollars in each period; null for no limit."
    )
    period: Literal["month", "total"] = Field("month", description="`month` (of the calendar, in UTC) or `total`.")


@dataclass(frozen=True)
class BurnRate:
    """What runs now. `hours_remaining` is None where nothing burns, or nothing ends."""

    account: Account
    hourly_micros: int
    hours_remaining: float | None
    budget_hours: float | None
    active_jobs: int
    active_deployments: int


@dataclass(frozen=True)
class Warned:
    """Something about an account's money that its owner should look at. `code` is a fixed word."""

    code: str
    message: str


async def balance(ctx: Context, customer: str | None = None) -> Account:
    """Return the account as it stands; NotFound for a customer id that is not its own."""
    ctx.require("read")
    async with ctx.db.read() as session:
        account = await session.get_one(Account, ctx.account.id)
    _check_customer(account, customer)
    return account


async def transactions(
    ctx: Context,
    *,
    limit: int = 20,
    after: str | None = None,
    customer: str | None = None,
    resource_id: str | None = None,
) -> paging.Page[LedgerTransaction]:
    """Return what has changed the balance, newest first; with `resource_id`, only for that job or deployment."""
    await balance(ctx, customer)
    async with ctx.db.read() as session:
        mine = LedgerTransaction.account_id == ctx.account.id
        where = [] if resource_id is None else [LedgerTransaction.resource_id == resource_id]
        return await paging.page(session, LedgerTransaction, mine, where=where, limit=limit, after=after)


async def check(ctx: Context, spec: CheckInput) -> Account:
    """Return the account where its free credit covers a cost; InsufficientCredit where it does not. A metered one's does."""
    account = await balance(ctx, spec.stripe_customer_id)
    needed = _micros(spec.estimated_cost_usd)
    if not covers(account, spec):
        raise InsufficientCredit(
            f"This needs {usd(needed):.6f} USD, and {usd(account.free_micros):.6f} USD are free.",
            balance_micros=account.balance_micros,
            needed_micros=needed,
        )
    return account


def covers(account: Account, spec: CheckInput) -> bool:
    """Say whether an account's free credit covers a cost."""
    return account.billing_mode == METERED or account.free_micros >= _micros(spec.estimated_cost_usd)


async def burn_rate(ctx: Context, customer: str | None = None) -> BurnRate:
    """Return what the account's running work costs an hour, and how long the balance lasts at that."""
    account = await balance(ctx, customer)
    mine = {Job: col(Job.status).not_in(TERMINAL), Deployment: col(Deployment.status).in_(ACTIVE)}
    async with ctx.db.read() as session:
        found = await outlook.read(session, account.id)
        counts = []
        for table, active in mine.items():
            noun: Any = table
            counts.append(len((await session.exec(select(noun.id).where(noun.account_id == account.id, active))).all()))
    return BurnRate(account, found.hourly_micros, _hours(account, found), found.budget_hours, *counts)


async def warnings(ctx: Context) -> list[Warned]:
    """Return what the owner of the account should know before work is stopped."""
    ctx.require("read")
    async with ctx.db.read() as session:
        found = await outlook.read(session, ctx.account.id)
    said = []
    if found.credit_hours is not None and found.credit_hours < LOW_CREDIT_HOURS:
        said.append(
            Warned("credit_low", f"The credit lasts {found.credit_hours * 60:.0f} more minutes; then running work is stopped.")
        )
    budget = found.budget
    if budget is not None and found.budget_micros is not None:
        spent = budget.limit_micros - found.budget_micros
        if spent * 100 >= budget.limit_micros * LOW_BUDGET_PERCENT:
            word = "budget_exceeded" if found.budget_micros == 0 else "budget_low"
            said.append(Warned(word, f"{usd(spent):.2f} of {usd(budget.limit_micros):.2f} USD of the budget are spent."))
    return said


async def budget(ctx: Context) -> Budget | None:
    """Return the account's budget in its present period."""
    ctx.require("read")
    async with ctx.db.read() as session:
        found = await session.get(Budget, ctx.account.id)
    if found is not None:
        found.roll(clock.now())
    return found


async def set_budget(ctx: Context, spec: BudgetInput) -> Budget | None:
    """Set the account's budget, or take it away; what has been spent in the period counts from the start."""
    ctx.require("write")
    request = spec.model_dump(mode="json")
    make = partial(_set_budget, ctx=ctx, spec=spec)
    await once(ctx, "billing.set_budget", request, Account, make, details=request)
    return await budget(ctx)


async def _set_budget(session: Session, *, ctx: Context, spec: BudgetInput) -> Account:
    account = await lock(session, ctx.account.id)
    found = await limits.budget_of(session, account.id)
    if spec.limit_usd is None:
        if found is not None:
            await session.delete(found)
    else:
        now = clock.now()
        micros = parse_usd(spec.limit_usd)
        if found is None:
            found = Budget(account_id=account.id, limit_micros=micros, period_began_at=now, created_at=now, updated_at=now)
        found.limit_micros, found.period, found.updated_at = micros, spec.period, now
        found.period_began_at = found.began(now)
        found.spent_micros = await limits.used(session, account.id, found.period_began_at)
        found.warned_percent = 0
        session.add(found)
    await session.flush()
    limit = None if spec.limit_usd is None else f"{spec.limit_usd:f}"
    await events.note(session, account.id, account.id, "budget_set", {"limit_usd": limit, "period": spec.period})
    return account


def _hours(account: Account, found: Outlook) -> float | None:
    if account.billing_mode == METERED or not found.hourly_micros:
        return None
    return max(0, account.balance_micros) / found.hourly_micros


def _check_customer(account: Account, customer: str | None) -> None:
    if customer is not None and customer != account.stripe_customer_id:
        raise NotFound(f"No such customer: {customer}", param="stripe_customer_id")


def _micros(amount: Decimal) -> int:
    """Return micro-dollars, rounded up: an estimate may have more places than money has."""
    return int((amount * MICROS).to_integral_value(ROUND_CEILING))
