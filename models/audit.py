"""The audit log: every change that somebody made, with who and what. Append-only, but for entries past their time."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, delete
from sqlmodel import Field, SQLModel, col, select

from burnish.kit import clock, ids
from burnish.kit.db import Session, Timestamp

OPERATOR = "operator"
# What rows are called, where they are called anything; each is a plain word that callers see elsewhere too.
NAMES = ("name", "slug", "output_name", "provider", "scopes")


class AuditEntry(SQLModel, table=True):
    """One change. `actor` is the API key's or session's id, or `operator` for a command on the machine itself; `action` is a
    resolver's name such as `api_keys.revoke`. `details` hold names and ids, never a secret. `account_id` is None for what
    concerns the whole installation.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_page", "account_id", "created_at", "id"),
        Index("ix_audit_entry_resource", "account_id", "resource_id", "created_at"),
    )

    id: str = Field(primary_key=True)
    account_id: str | None = Field(default=None, foreign_key="account.id")
    actor: str
    actor_name: str
    action: str
    resource_id: str | None = None
    request_id: str | None = None
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(sa_type=Timestamp)


def note(
    session: Session,
    action: str,
    *,
    account_id: str | None,
    resource_id: str | None,
    actor: str = OPERATOR,
    actor_name: str = OPERATOR,
    request_id: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Record a change in the transaction that makes it. The operator's own where no actor is named."""
    session.add(
        AuditEntry(
            id=ids.new("aud"),
            account_id=account_id,
            actor=actor,
            actor_name=actor_name,
            action=action,
            resource_id=resource_id,
            request_id=request_id,
            details=dict(details or {}),
            created_at=clock.now(),
        )
    )


def named(row: object) -> dict[str, Any]:
    """Return what a row is called: the only things of it that the log repeats."""
    found = {name: getattr(row, name, None) for name in NAMES}
    return {name: value for name, value in found.items() if value is not None}


async def trim(session: Session, before: datetime, most: int) -> int:
    """Delete at most so many of the entries that are older than `before`; return how many."""
    old = select(AuditEntry.id).where(col(AuditEntry.created_at) < before).limit(most)
    gone = await session.exec(delete(AuditEntry).where(col(AuditEntry.id).in_(old)))
    return gone.rowcount
