"""Accounts: the tenants, and what they own of the ledger."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp

PREPAID = "prepaid"
METERED = "metered"


class Account(SQLModel, table=True):
    """A tenant. `slug` is unique and never changes.

    `balance_micros` equals the sum of the account's ledger transactions, before holds; `held_micros` is the sum of its open
    holds. A prepaid account's balance never falls below zero; a metered account's does, and it is never blocked.
    `credit_warning` is the last warning of ending credit that was given and still holds, so that each is given once.
    """

    __table_args__ = (
        Index("uq_account_stripe_customer_id", "stripe_customer_id", unique=True),
        CheckConstraint("billing_mode IN ('prepaid', 'metered')", name="billing_mode"),
        CheckConstraint("billing_mode = 'metered' OR balance_micros >= 0", name="balance_not_negative"),
        CheckConstraint("held_micros >= 0", name="held_not_negative"),
    )

    id: str = Field(primary_key=True)
    slug: str = Field(unique=True)
    is_operator: bool = False
    billing_mode: str = PREPAID
    balance_micros: int = Field(default=0, sa_type=BigInteger)
    held_micros: int = Field(default=0, sa_type=BigInteger)
    stripe_customer_id: str | None = None
    credit_warning: str | None = None
    created_at: datetime = Field(sa_type=Timestamp)

    @property
    def free_micros(self) -> int:
        """What is not held."""
        return self.balance_micros - self.held_micros
