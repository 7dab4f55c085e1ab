"""Budgets: what an account may spend in a period before its running work is stopped."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp

MONTH = "month"
TOTAL = "total"
PERIODS = (MONTH, TOTAL)


class Budget(SQLModel, table=True):
    """One account's limit. A `month` is a calendar month in UTC, `total` counts from `created_at`; a limit of 0 lets nothing
    start.

    `warned_percent` is the highest share of the limit that was warned of in the period that began at `warned_period_at`, so that
    each warning is given once a period.
    """

    __table_args__ = (
        CheckConstraint(f"period IN {PERIODS}", name="period"),
        CheckConstraint("limit_micros >= 0", name="limit_not_negative"),
    )

    account_id: str = Field(primary_key=True, foreign_key="account.id")
    limit_micros: int = Field(sa_type=BigInteger)
    period: str = MONTH
    warned_percent: int = 0
    warned_period_at: datetime | None = Field(default=None, sa_type=Timestamp)
    created_at: datetime = Field(sa_type=Timestamp)
    updated_at: datetime = Field(sa_type=Timestamp)
