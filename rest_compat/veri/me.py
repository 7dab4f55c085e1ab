"""Who the key belongs to."""

from typing import Literal

from starlette.requests import Request

from resolvers import account_users
from resolvers.context import Context
from rest_compat.operation import Operation
from rest_compat.wire import Wire


class UserObject(Wire):
    """The account of an API key."""

    object: Literal["user"] = "user"
    user_id: str
    email: str | None
    plan: str
    org: str


async def get(ctx: Context, request: Request) -> UserObject:
    """Get the account that the API key belongs to."""
    user = await account_users.get(ctx)
    email = None if user is None else user.email
    return UserObject(user_id=ctx.account.id, email=email, plan=ctx.account.billing_mode, org=ctx.account.slug)


OPERATIONS = [Operation(method="GET", path="/v1/me", handler=get, tag="Account", answers=UserObject, scope=None)]
