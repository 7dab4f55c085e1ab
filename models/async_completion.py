"""Completions that a caller asks for now and fetches later."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Text
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp

PENDING, COMPLETED, FAILED = "pending", "completed", "failed"
STATUSES = (PENDING, COMPLETED, FAILED)


class AsyncCompletion(SQLModel, table=True):
    """`result` is the answer as the engine gave it, JSON; `error` why there is none. One whose API process died while it was
    pending is failed once `deadline_at` is over. What was asked is not kept.
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
