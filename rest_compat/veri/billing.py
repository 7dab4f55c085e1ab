"""Billing: the credit, what has changed it, how long it lasts, and the budget."""

from datetime import datetime
from typing import Literal

from pydantic import Field
from starlette.requests import Request

from burnish.kit.money import usd_float
from models.budget import Budget
from models.ledger import LedgerTransaction
from resolvers import billing
from resolvers.billing import BudgetInput, CheckInput
from resolvers.context import Context
from resolvers.inputs import Input, parse
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Items, PageQuery, Wire

TAG = "Billing"
CUSTOMER = Field(None, max_length=255, description="Your own customer id at Stripe; another's is not found.")


class CustomerQuery(Input):
    """Whose money it is about."""

    stripe_customer_id: str | None = CUSTOMER


class TransactionQuery(PageQuery):
    """Which transactions to return."""

    stripe_customer_id: str | None = CUSTOMER


class BalanceObject(Wire):
    """The account's credit. `balance_usd` is the sum of all transactions, before what is held for running work."""

    object: Literal["balance"] = "balance"
    stripe_customer_id: str | None
    balance_usd: float
    held_usd: float
    free_usd: float = Field(description="The balance less what is held.")
    plan: Literal["prepaid", "metered"]
    org_id: str


class TransactionObject(Wire):
    """Something that changed the balance; a debit is negative."""

    id: str
    object: Literal["transaction"] = "transaction"
    amount_usd: float
    description: str
    created_at: datetime
    resource_id: str | None = Field(description="The job or deployment that it is about.")


class Transactions(Items[TransactionObject]):
    """A page of transactions, newest first. Pass the id of the last one as `after` to get the next page."""

    object: Literal["list"] = "list"
    has_more: bool


class BalanceCheck(Wire):
    """The free credit covers the cost."""

    object: Literal["balance_check"] = "balance_check"
    sufficient: Literal[True] = True
    balance_usd: float
    estimated_cost_usd: float


class BurnRateObject(Wire):
    """What running work costs. `hours_remaining` is null where nothing burns, or the account owes what it uses."""

    object: Literal["burn_rate"] = "burn_rate"
    balance_usd: float
    hourly_burn_usd: float
    hours_remaining: float | None
    active_jobs: int
    active_deployments: int


class BudgetObject(Wire):
    """What the account lets itself spend. All but `limit_usd` is null where there is no budget."""

    object: Literal["budget"] = "budget"
    limit_usd: float | None
    period: Literal["month", "total"] | None
    spent_usd: float | None
    remaining_usd: float | None
    period_began_at: datetime | None


async def balance(ctx: Context, request: Request) -> BalanceObject:
    """Get the balance."""
    found = await billing.balance(ctx, http.query(request, CustomerQuery).stripe_customer_id)
    return BalanceObject.model_validate(
        {
            "stripe_customer_id": found.stripe_customer_id,
            "balance_usd": usd_float(found.balance_micros),
            "held_usd": usd_float(found.held_micros),
            "free_usd": usd_float(found.free_micros),
            "plan": found.billing_mode,
            "org_id": found.id,
        }
    )


async def transactions(ctx: Context, request: Request) -> Transactions:
    """List what has changed the balance."""
    query = http.query(request, TransactionQuery)
    page = await billing.transactions(ctx, limit=query.limit, after=query.after, customer=query.stripe_customer_id)
    return Transactions(items=[_transaction(row) for row in page.items], has_more=page.has_more)


async def check(ctx: Context, request: Request) -> BalanceCheck:
    """Check whether the free credit covers a cost.

    Where it does not, the answer is 402.
    """
    spec = parse(CheckInput, await http.json_object(request, ctx.core.settings))
    found = await billing.check(ctx, spec)
    return BalanceCheck(balance_usd=usd_float(found.balance_micros), estimated_cost_usd=float(spec.estimated_cost_usd))


async def burn_rate(ctx: Context, request: Request) -> BurnRateObject:
    """Get what running work costs an hour, and how long the balance lasts."""
    found = await billing.burn_rate(ctx, http.query(request, CustomerQuery).stripe_customer_id)
    return BurnRateObject(
        balance_usd=usd_float(found.account.balance_micros),
        hourly_burn_usd=usd_float(found.hourly_micros),
        hours_remaining=None if found.hours_remaining is None else round(found.hours_remaining, 4),
        active_jobs=found.active_jobs,
        active_deployments=found.active_deployments,
    )


async def budget(ctx: Context, request: Request) -> BudgetObject:
    """Get the account's budget."""
    return _budget(await billing.budget(ctx))


async def set_budget(ctx: Context, request: Request) -> BudgetObject:
    """Set the account's budget.

    What would go beyond it does not start (402), and running work saves what it has and stops before it does.
    """
    spec = parse(BudgetInput, await http.json_object(request, ctx.core.settings))
    return _budget(await billing.set_budget(ctx, spec))


def _transaction(row: LedgerTransaction) -> TransactionObject:
    return TransactionObject(
        id=row.id,
        amount_usd=usd_float(row.amount_micros),
        description=row.description,
        created_at=row.created_at,
        resource_id=row.resource_id,
    )


def _budget(row: Budget | None) -> BudgetObject:
    if row is None:
        return BudgetObject(limit_usd=None, period=None, spent_usd=None, remaining_usd=None, period_began_at=None)
    return BudgetObject.model_validate(
        {
            "limit_usd": usd_float(row.limit_micros),
            "period": row.period,
            "spent_usd": usd_float(row.spent_micros),
            "remaining_usd": usd_float(row.left_micros),
            "period_began_at": row.period_began_at,
        }
    )


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/billing/balance",
        handler=balance,
        tag=TAG,
        answers=BalanceObject,
        query=CustomerQuery,
        errors=(404,),
    ),
    Operation(
        method="GET",
        path="/v1/billing/transactions",
        handler=transactions,
        tag=TAG,
        answers=Transactions,
        query=TransactionQuery,
        errors=(400, 404),
    ),
    Operation(
        method="POST",
        path="/v1/billing/check_balance",
        handler=check,
        tag=TAG,
        answers=BalanceCheck,
        scope="read",
        body=CheckInput,
        errors=(402, 404, 413),
    ),
    Operation(
        method="GET",
        path="/v1/billing/burn_rate",
        handler=burn_rate,
        tag=TAG,
        answers=BurnRateObject,
        query=CustomerQuery,
        errors=(404,),
    ),
    Operation(method="GET", path="/v1/billing/budget", handler=budget, tag=TAG, answers=BudgetObject),
    Operation(
        method="PUT",
        path="/v1/billing/budget",
        handler=set_budget,
        tag=TAG,
        answers=BudgetObject,
        body=BudgetInput,
        idempotent=True,
        errors=(400, 409, 413),
    ),
]
