"""The one way in which resolvers make things: one transaction, under the caller's idempotency key."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError

from burnish.kit import idempotency
from burnish.kit.db import Session
from burnish.kit.errors import Conflict
from resolvers.context import Context

T = TypeVar("T")


async def once(
    ctx: Context, operation: str, request: Mapping[str, Any], table: type[T], make: Callable[[Session], Awaitable[T]]
) -> T:
    """Run `make` in a transaction and return its row, or the row that the same idempotency key made before.

    Conflict where the key was used for another request, or where what `make` inserts meets a unique constraint.
    """
    print_ = idempotency.fingerprint(request)
    for last_try in (False, True):
        try:
            async with ctx.db.transaction() as session:
                known = await idempotency.find(session, ctx.account.id, ctx.idempotency_key, operation, print_)
                if known is not None:
                    return await session.get_one(table, known["id"])
                row = await make(session)
                made: Any = row
                await idempotency.store(session, ctx.account.id, ctx.idempotency_key, operation, print_, {"id": made.id})
                return row
        except IntegrityError as error:
            # A twin may have made it in between: its answer is ours, on the second look.
            if last_try or ctx.idempotency_key is None:
                raise Conflict("Something with this name exists already.", param="name") from error
    raise AssertionError("unreachable")
