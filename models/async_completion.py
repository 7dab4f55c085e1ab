"""Completions that a caller asks for now and fetches later."""

from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, Index, Text, delete
from sqlmodel import Field, SQLModel, col, select

from burnish.kit.db import Session, Timestamp

PENDING, COMPLETED, FAILED = "pending", "completed", "failed"
STATUSES = (PENDING, COMPLETED, FAILED)
KEPT = timedelta(hours=24)


class AsyncCompletion(SQLModel, table=True):
    """`result` is the answer as the engine gave it, JSON; `error` why there is none. One whose API process died while it was
    pending is failed once `deadline_at` is over. What was asked is not kept, and what was answered for a day.
    """

    __tablename__ = "async_completion"
    __table_args__ = (
        Index("ix_async_completion_created", "created_at"),
        CheckConstraint(f"status IN {STATUSES}", name="status"),
    )

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    deployment_id: str = Field(foreign_key="deployment.id")
    status: str = PENDING
    result: str | None = Field(default=None, sa_type=Text)
    error: str | None = None
    created_at: datetime = Field(sa_type=Timestamp)
    deadline_at: datetime = Field(sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)


async def trim(session: Session, before: datetime, most: int) -> int:
    """Delete at most so many of those that were asked for before; return how many."""
    old = select(AsyncCompletion.id).where(col(AsyncCompletion.created_at) < before).limit(most)
    gone = await session.exec(delete(AsyncCompletion).where(col(AsyncCompletion.id).in_(old)))
    return gone.rowcount
