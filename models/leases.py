"""Leases: which host works on a resource, guarded by a fencing token.

A host takes a lease on a job or deployment, renews it while it works and gives it back. Each taking raises the token; every write
that the holder makes for the resource names its token, so that a host that was thought dead can overwrite nothing when it wakes.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, or_, update
from sqlmodel import Field, SQLModel, col

from burnish.kit import clock
from burnish.kit.db import Session, Timestamp


class Leased(SQLModel):
    """Columns of a resource that a host works on. `lease_renewed_at` is when its holder was last heard of."""

    lease_holder: str | None = None
    lease_token: int = Field(default=0, sa_type=BigInteger)
    lease_expires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    lease_renewed_at: datetime | None = Field(default=None, sa_type=Timestamp)

    @property
    def is_leased(self) -> bool:
        return self.lease_expires_at is not None and self.lease_expires_at > clock.now()

    @property
    def at_work_until(self) -> datetime:
        """Until when its holder is known to have worked: now while the lease stands, else when it was last heard of."""
        now = clock.now()
        return now if self.is_leased else self.lease_renewed_at or now


class LeaseLost(Exception):
    """Another host has the resource now, or it has been taken from this one: stop, and write nothing more."""


async def take(session: Session, table: type[Any], resource_id: str, holder: str, seconds: float) -> int | None:
    """Take the lease where nobody holds it; return its token, or None."""
    now = clock.now()
    free = or_(col(table.lease_expires_at).is_(None), col(table.lease_expires_at) <= now)
    statement = (
        update(table)
        .where(col(table.id) == resource_id, free)
        .values(
            lease_holder=holder,
            lease_token=col(table.lease_token) + 1,
            lease_expires_at=now + timedelta(seconds=seconds),
            lease_renewed_at=now,
        )
        .returning(col(table.lease_token))
        .execution_options(synchronize_session="fetch")
    )
    token = (await session.exec(statement)).scalar_one_or_none()
    return None if token is None else int(token)


async def renew(session: Session, table: type[Any], resource_id: str, token: int, seconds: float) -> None:
    """Extend the lease; LeaseLost where the token is no longer the newest or the lease has lapsed."""
    now = clock.now()
    await _set(session, table, resource_id, token, lease_expires_at=now + timedelta(seconds=seconds), lease_renewed_at=now)


async def release(session: Session, table: type[Any], resource_id: str, token: int) -> None:
    """Give the lease back; nothing happens where it was lost already."""
    await session.exec(
        update(table)
        .where(col(table.id) == resource_id, col(table.lease_token) == token)
        .values(lease_holder=None, lease_expires_at=None)
    )


async def guard(session: Session, table: type[Any], resource_id: str, token: int) -> None:
    """Lock the row and prove that the lease still stands; every transaction of a holder begins with this."""
    await _set(session, table, resource_id, token, lease_token=token)


async def _set(session: Session, table: type[Any], resource_id: str, token: int, **values: Any) -> None:
    statement = (
        update(table)
        .where(col(table.id) == resource_id, col(table.lease_token) == token, col(table.lease_expires_at) > clock.now())
        .values(**values)
        .returning(col(table.id))
        .execution_options(synchronize_session="fetch")
    )
    if (await session.exec(statement)).scalar_one_or_none() is None:
        raise LeaseLost(resource_id)
