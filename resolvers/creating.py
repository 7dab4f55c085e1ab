"""The one way in which resolvers change things: one transaction, under the caller's idempotency key, with an entry in the audit
log.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError

from burnish.kit import idempotency
from burnish.kit.db import Session
from burnish.kit.errors import Conflict
from models import audit
from resolvers.context import Context

T = TypeVar("T")
UNCHANGED = "unchanged"


async def once(
    ctx: Context,
    operation: str,
    request: Mapping[str, Any],
    table: type[T],
    make: Callable[[Session], Awaitable[T]],
    *,
    details: Mapping[str, Any] | None = None,
) -> T:
    """Run `make` in a transaction and return its row, or the row that the same idempotency key made before.

    The audit log says who did it, with what the row is called and with `details`, which never hold a secret; a replay and a
    failure say nothing there. Conflict where the key was used for another request, or where what `make` inserts meets a unique
    constraint.
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
                if not session.info.get(UNCHANGED):
                    _note(session, ctx, operation, made, details)
                await idempotency.store(session, ctx.account.id, ctx.idempotency_key, operation, print_, {"id": made.id})
                return row
        except IntegrityError as error:
            # A twin may have made it in between: its answer is ours, on the second look.
            if last_try or ctx.idempotency_key is None:
                raise Conflict("Something with this name exists already.", param="name") from error
    raise AssertionError("unreachable")


def unchanged(session: Session) -> None:
    """Say, from within `make`, that there was nothing to change: the audit log then has no entry of it."""
    session.info[UNCHANGED] = True


def _note(session: Session, ctx: Context, operation: str, row: Any, details: Mapping[str, Any] | None) -> None:
    audit.note(
        session,
        operation,
        account_id=ctx.account.id,
        resource_id=row.id,
        actor=ctx.key.id,
        actor_name=ctx.key.name,
        request_id=ctx.request_id,
        details={**audit.named(row), **(details or {})},
    )
