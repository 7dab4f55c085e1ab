"""SSH keys: pairs for machines at providers, the private half encrypted."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp


class SshKey(SQLModel, table=True):
    """`sealed_private_key` is encrypted for this row's id, given to no caller, and empty once the key is deleted."""

    __tablename__ = "ssh_key"
    __table_args__ = (Index("ix_ssh_key_page", "account_id", "created_at", "id"),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    name: str
    provider: str | None = None
    public_key: str
    public_key_fingerprint: str
    sealed_private_key: str
    created_at: datetime = Field(sa_type=Timestamp)
    deleted_at: datetime | None = Field(default=None, sa_type=Timestamp)
