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

    `spent_micros` is what the ledger took for work in the period that began at `period_began_at`, less what it gave back of that;
    `warned_percent` is the highest share of the limit that was warned of in it, so that each warning is given once a period.
    """

    __table_args__ = (
        CheckConstraint(f"period IN {PERIODS}", name="period"),
        CheckConstraint("limit_micros >= 0", name="limit_not_negative"),
    )

    account_id: str = Field(primary_key=True, foreign_key="account.id")
    limit_micros: int = Field(sa_type=BigInteger)
    period: str = MONTH
    period_began_at: datetime = Field(sa_type=Timestamp)
    spent_micros: int = Field(default=0, sa_type=BigInteger)
    warned_percent: int = 0
    created_at: datetime = Field(sa_type=Timestamp)
    updated_at: datetime = Field(sa_type=Timestamp)

    def roll(self, now: datetime) -> None:
        """Begin a new period where the one that was counted is over."""
        began = self.began(now)
        if began > self.period_began_at:
            self.period_began_at, self.spent_micros, self.warned_percent = began, 0, 0

    def began(self, now: datetime) -> datetime:
        """Return when the period of a moment began."""
        return self.created_at if self.period == TOTAL else month_of(now)

    @property
    def left_micros(self) -> int:
        return max(0, self.limit_micros - self.spent_micros)


def month_of(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
