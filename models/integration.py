"""Integrations: an account's credentials at other services, encrypted."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel, select

from burnish.kit.crypto import Secrets
from burnish.kit.db import Session, Timestamp

COMPUTE = ("prime_intellect", "lambda", "runpod")
PROVIDERS = ("openreward", "huggingface", "wandb", *COMPUTE)


class Integration(SQLModel, table=True):
    """One service that an account has a credential for. `sealed_secret` is encrypted for this row's id, given to no caller, and
    empty once the credential is removed; the row stays for the next one.
    """

    __table_args__ = (Index("uq_integration_provider", "account_id", "provider", unique=True),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    provider: str
    key_prefix: str
    sealed_secret: str
    created_at: datetime = Field(sa_type=Timestamp)
    updated_at: datetime = Field(sa_type=Timestamp)
    deleted_at: datetime | None = Field(default=None, sa_type=Timestamp)


async def secret(session: Session, secrets: Secrets, account_id: str, provider: str) -> str | None:
    """Return an account's credential at a service, None where it has none."""
    row = await find(session, account_id, provider)
    return None if row is None or row.deleted_at is not None else secrets.decrypt(row.sealed_secret, row.id)


async def find(session: Session, account_id: str, provider: str, *, lock: bool = False) -> Integration | None:
    """Return an account's row for a service, also one whose credential was removed."""
    statement = select(Integration).where(Integration.account_id == account_id, Integration.provider == provider)
    return (await session.exec(statement.with_for_update() if lock else statement)).first()
