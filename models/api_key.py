"""API keys: a keyed hash of the secret, what the key may do, and until when."""

from datetime import datetime

from sqlalchemy import JSON, Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp

SCOPES = ("read", "write", "inference")


class ApiKey(SQLModel, table=True):
    """`key_hash` covers the secret without its prefix; the key itself is stored nowhere."""

    __tablename__ = "api_key"
    __table_args__ = (Index("ix_api_key_page", "account_id", "created_at", "id"),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    name: str
    key_prefix: str
    key_hash: str = Field(unique=True)
    scopes: list[str] = Field(sa_type=JSON)
    created_at: datetime = Field(sa_type=Timestamp)
    expires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    last_used_at: datetime | None = Field(default=None, sa_type=Timestamp)
    revoked_at: datetime | None = Field(default=None, sa_type=Timestamp)
