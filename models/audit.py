"""The audit log: every change that somebody made, with who and what. Append-only."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp


class AuditEntry(SQLModel, table=True):
    """One change. `actor` is the API key's id, or `operator` for a command on the machine itself; `action` is a resolver's name
    such as `api_keys.revoke`. `details` hold names and ids, never a secret.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_page", "account_id", "created_at", "id"),
        Index("ix_audit_entry_resource", "account_id", "resource_id", "created_at"),
    )

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    actor: str
    actor_name: str
    action: str
    resource_id: str | None = None
    request_id: str | None = None
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(sa_type=Timestamp)
