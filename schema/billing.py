"""Billing: what has changed the balance, how long it lasts, and the budget."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Self

import strawberry

from models import budget
from models.ledger import LedgerTransaction
from resolvers import billing, cursors
from resolvers.billing import BudgetInput as BudgetSpec
from resolvers.billing import CheckInput
from resolvers.context import Context
from resolvers.inputs import parse
from schema.context import Info
from schema.errors import Payload, settle
from schema.nodes import After, Connection, First, Input, Money, Node, connect_page, within

NOUN = "transactions"
OF_RESOURCE = strawberry.argument(description="Only those of this job or deployment; it may be deleted by now.")


@strawberry.enum(description="What a budget counts.")
class BudgetPeriod(Enum):
    MONTH = strawberry.enum_value("month", description="A month of the calendar, in UTC.")
    TOTAL = strawberry.enum_value("total", description="Everything since the budget was set first.")


@strawberry.type(description="What an account lets itself spend.")
class Budget:
    limit: Money = strawberry.field(description="The most that may be spent in a period.")
    period: BudgetPeriod = strawberry.field(description="What it counts.")
    spent: Money = strawberry.field(description="What was spent in this period, up to the last postings.")
    remaining: Money = strawberry.field(description="What is left of it.")
    period_began_at: datetime = strawberry.field(description="When this period began.")
    updated_at: datetime = strawberry.field(description="When the budget was set last.")

    @classmethod
    def of(cls, row: budget.Budget) -> Self:
        return cls(
            limit=Money.of(row.limit_micros),
            period=BudgetPeriod(row.period),
            spent=Money.of(row.spent_micros),
            remaining=Money.of(row.left_micros),
            period_began_at=row.period_began_at,
            updated_at=row.updated_at,
        )


@strawberry.type(description="Something about the account's money that its owner should know before running work is stopped.")
class SpendWarning:
    code: str = strawberry.field(description="A fixed word: `credit_low`, `budget_low` or `budget_exceeded`.")
    message: str = strawberry.field(description="The same for a person.")


@strawberry.type(description="What running work costs.")
class BurnRate:
    balance: Money = strawberry.field(description="The balance, before what is held.")
    hourly: Money = strawberry.field(description="What an hour of all that runs costs.")
    hours_remaining: float | None = strawberry.field(
        description="How long the balance lasts at that; null where nothing runs, or the account owes what it uses."
    )
    budget_hours_remaining: float | None = strawberry.field(
        description="How long the budget lasts at that; null where nothing runs, or there is none."
    )
    active_jobs: int = strawberry.field(description="The training jobs that have not ended.")
    active_deployments: int = strawberry.field(description="The deployments that have not ended.")


@strawberry.type(description="Something that changed the balance.")
class Transaction(Node):
    amount: Money = strawberry.field(description="How much it added; what it took is negative.")
    description: str = strawberry.field(description="What it was for.")
    resource_id: strawberry.ID | None = strawberry.field(description="The job or deployment that it is about.")
    created_at: datetime = strawberry.field(description="When it was booked.")

    @classmethod
    def of(cls, row: LedgerTransaction) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            amount=Money.of(row.amount_micros),
            description=row.description,
            resource_id=None if row.resource_id is None else strawberry.ID(row.resource_id),
            created_at=row.created_at,
        )


@strawberry.type(description="A page of transactions.")
class TransactionConnection(Connection[Transaction]): ...


@strawberry.type(description="Whether the free credit covers a cost.")
class BalanceCheck:
    sufficient: bool = strawberry.field(description="Whether it does; a metered account's always does.")
    balance: Money = strawberry.field(description="The balance, before what is held.")
    available: Money = strawberry.field(description="The balance less what is held.")
    estimated_cost: Money = strawberry.field(description="The cost.")


@strawberry.input(description="A budget to set.")
class SetBudgetInput:
    limit_usd: Decimal | None = strawberry.field(description="The most to spend in a period, in dollars; null for no limit.")
    period: BudgetPeriod = strawberry.field(default=BudgetPeriod.MONTH, description="What it counts.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key does nothing twice.")


@strawberry.type(description="The budget.")
class BudgetPayload(Payload):
    budget: Budget | None = strawberry.field(default=None, description="The budget; null where there is none any more.")


@strawberry.type
class BillingQueries:
    @strawberry.field(description="What has changed the balance, newest first.")
    async def transactions(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        resource_id: Annotated[strawberry.ID | None, OF_RESOURCE] = None,
    ) -> TransactionConnection:
        page = await billing.transactions(
            info.context.known, limit=within(first), after=cursors.read_item(after, NOUN), resource_id=resource_id
        )
        return connect_page(TransactionConnection, NOUN, page, Transaction.of, after)

    @strawberry.field(description="What running work costs an hour, and how long the money lasts.")
    async def burn_rate(self, info: Info) -> BurnRate:
        found = await billing.burn_rate(info.context.known)
        return BurnRate(
            balance=Money.of(found.account.balance_micros),
            hourly=Money.of(found.hourly_micros),
            hours_remaining=found.hours_remaining,
            budget_hours_remaining=found.budget_hours,
            active_jobs=found.active_jobs,
            active_deployments=found.active_deployments,
        )

    @strawberry.field(description="Whether the free credit covers a cost.")
    async def check_balance(
        self,
        info: Info,
        estimated_cost_usd: Annotated[Decimal, strawberry.argument(description="The cost, in dollars.")],
    ) -> BalanceCheck:
        info.context.known.require("read")
        spec = parse(CheckInput, {"estimated_cost_usd": estimated_cost_usd})
        account = await billing.balance(info.context.known)
        return BalanceCheck(
            sufficient=billing.covers(account, spec),
            balance=Money.of(account.balance_micros),
            available=Money.of(account.free_micros),
            estimated_cost=Money(amount=spec.estimated_cost_usd, currency="USD"),
        )


@strawberry.type
class BillingMutations:
    @strawberry.mutation(
        description="Set the account's budget. What would go beyond it does not start, and running work saves what it has and "
        "stops before it does."
    )
    async def set_budget(self, info: Info, input: Annotated[SetBudgetInput, Input]) -> BudgetPayload:
        async def act(ctx: Context) -> BudgetPayload:
            spec = parse(BudgetSpec, {"limit_usd": input.limit_usd, "period": input.period.value})
            row = await billing.set_budget(ctx, spec)
            return BudgetPayload(budget=None if row is None else Budget.of(row))

        return await settle(info, input, BudgetPayload, act)
