"""Reading the audit log: every change in an account, with who and what."""

from sqlalchemy import ColumnElement
from sqlmodel import col, or_

from burnish.kit import paging
from burnish.kit.paging import ALWAYS, Span
from models.audit import AuditEntry
from resolvers.context import Context


async def page(
    ctx: Context,
    *,
    resource_id: str | None = None,
    action: str | None = None,
    actor: str | None = None,
    created: Span = ALWAYS,
    limit: int = 20,
    after: str | None = None,
) -> paging.Page[AuditEntry]:
    """Return the entries that meet all of what is given, newest first; the operator's also those of the whole installation.

    `action` is a whole one such as `jobs.cancel`, or the noun before its dot; `actor` an API key's id, or `operator`.
    """
    ctx.require("read")
    equal = {AuditEntry.resource_id: resource_id, AuditEntry.actor: actor}
    where = [col(column) == value for column, value in equal.items() if value is not None]
    if action is not None:
        where.append(or_(col(AuditEntry.action) == action, col(AuditEntry.action).startswith(f"{action}.", autoescape=True)))
    where += paging.within(AuditEntry.created_at, created)
    async with ctx.db.read() as session:
        return await paging.page(session, AuditEntry, _scope(ctx), where=where, limit=limit, after=after)


def _scope(ctx: Context) -> ColumnElement[bool]:
    own = col(AuditEntry.account_id) == ctx.account.id
    return or_(own, col(AuditEntry.account_id).is_(None)) if ctx.account.is_operator else own
