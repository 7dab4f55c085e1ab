"""The tables of the ledger, and the locks under which they change. Only `models.ledger` writes them."""

from datetime import datetime
from typing import TypeVar

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlmodel import Field, SQLModel, select
from sqlmodel.sql.expression import SelectOfScalar

from burnish.kit.db import Session, Timestamp
from models.account import Account

T = TypeVar("T")


class LedgerTransaction(SQLModel, table=True):
    """`amount_micros` is what it did to the account: a debit is negative."""

    __tablename__ = "ledger_transaction"
    __table_args__ = (Index("ix_ledger_transaction_page", "account_id", "created_at", "id"),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    reference: str = Field(unique=True)
    resource_id: str | None = Field(default=None, index=True)
    description: str
    amount_micros: int = Field(sa_type=BigInteger)
    created_at: datetime = Field(sa_type=Timestamp)


class Posting(SQLModel, table=True):
    """One side of a transaction. Books: `customer:{account}`, `revenue`, `funding`."""

    transaction_id: str = Field(primary_key=True, foreign_key="ledger_transaction.id")
    book: str = Field(primary_key=True)
    amount_micros: int = Field(sa_type=BigInteger)


class Hold(SQLModel, table=True):
    """Credit set aside for running work, released at its end."""

    __table_args__ = (CheckConstraint("amount_micros >= 0", name="amount_not_negative"),)

    resource_id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    amount_micros: int = Field(sa_type=BigInteger)


class Meter(SQLModel, table=True):
    """What one attempt of a resource has used: whole seconds from `started_at` to `billed_through` have been posted, in
    `periods` postings, at the rate of the hardware that it names. `stopping_at` is when a limit told it to end.
    """

    resource_id: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    rate_micros_per_hour: int = Field(sa_type=BigInteger)
    started_at: datetime = Field(sa_type=Timestamp)
    billed_through: datetime = Field(sa_type=Timestamp)
    periods: int = 0
    posted_micros: int = Field(default=0, sa_type=BigInteger)
    closed: bool = False
    provider: str | None = None
    gpu_type: str | None = None
    gpu_count: int | None = None
    stopping_at: datetime | None = Field(default=None, sa_type=Timestamp)


def locked(statement: SelectOfScalar[T]) -> SelectOfScalar[T]:
    """Lock the selected rows and read them afresh, whatever the session holds of them.

    The lock is Postgres's weaker one, which lets others insert rows that refer to these: such an insert in a transaction that
    holds another of our locks would otherwise be a deadlock.
    """
    return statement.with_for_update(key_share=True).execution_options(populate_existing=True)


async def lock(session: Session, account_id: str) -> Account:
    """Lock an account's row, before anything else of its money, and read it afresh."""
    return (await session.exec(locked(select(Account).where(Account.id == account_id)))).one()
