"""Who calls: the account and the key in use."""

from datetime import datetime
from typing import Self

import strawberry

from models import account
from models.api_key import SESSION
from resolvers import account_users, accounts, billing
from schema.api_keys import ApiKey
from schema.billing import Budget, SpendWarning
from schema.context import Info
from schema.nodes import Money
from schema.sessions import Session


@strawberry.type(description="An account: everything else belongs to one.")
class Account:
    id: strawberry.ID = strawberry.field(description="The id, `acct_…`.")
    slug: str = strawberry.field(description="Its name, unique on this installation; it never changes.")
    is_operator: bool = strawberry.field(description="Whether this is the account of who runs the installation.")
    billing_mode: str = strawberry.field(description="`prepaid`: work is refused where credit is short. `metered`: it never is.")
    balance: Money = strawberry.field(description="The sum of all transactions, before what is held.")
    held: Money = strawberry.field(description="What running work has set aside.")
    available: Money = strawberry.field(description="The balance less what is held.")
    stripe_customer_id: str | None = strawberry.field(description="Its customer id at Stripe, where it has paid by that.")
    created_at: datetime = strawberry.field(description="When the account was made.")

    @strawberry.field(description="Whether a password was set to sign in with.")
    async def has_password(self, info: Info) -> bool:
        user = await account_users.get(info.context.known)
        return user is not None and user.password_hash is not None

    @strawberry.field(description="The email address that it signs in with beside its name, where it has one.")
    async def email(self, info: Info) -> str | None:
        user = await account_users.get(info.context.known)
        return None if user is None else user.email

    @strawberry.field(description="How many hours the balance lasts at what runs now; null where it has no end.")
    async def hours_remaining(self, info: Info) -> float | None:
        return (await billing.burn_rate(info.context.known)).hours_remaining

    @strawberry.field(description="What should be known before running work is stopped for want of money.")
    async def warnings(self, info: Info) -> list[SpendWarning]:
        return [SpendWarning(code=each.code, message=each.message) for each in await billing.warnings(info.context.known)]

    @strawberry.field(description="What the account lets itself spend; null where it has no budget.")
    async def budget(self, info: Info) -> Budget | None:
        row = await billing.budget(info.context.known)
        return None if row is None else Budget.of(row)

    @classmethod
    def of(cls, row: account.Account) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            slug=row.slug,
            is_operator=row.is_operator,
            billing_mode=row.billing_mode,
            balance=Money.of(row.balance_micros),
            held=Money.of(row.held_micros),
            available=Money.of(row.free_micros),
            stripe_customer_id=row.stripe_customer_id,
            created_at=row.created_at,
        )


@strawberry.type(description="Who calls.")
class Viewer:
    account: Account = strawberry.field(description="The account that the key or session belongs to.")
    api_key: ApiKey = strawberry.field(
        description="The key in use. Of a session it tells the same: what it may do, and until when; its id is the session's."
    )
    session: Session | None = strawberry.field(description="The session of the browser; null where a key is in use.")


@strawberry.type
class AccountQueries:
    @strawberry.field(description="Who calls.")
    async def viewer(self, info: Info) -> Viewer:
        ctx = info.context.known
        session = Session.of(ctx, ctx.key) if ctx.key.kind == SESSION else None
        return Viewer(account=Account.of(await accounts.get(ctx)), api_key=ApiKey.of(ctx.key), session=session)
