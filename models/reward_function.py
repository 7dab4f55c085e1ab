"""Reward functions: a user's Python file, run only in a jail."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp


class RewardFunction(SQLModel, table=True):
    """`source` is the file as it was uploaded; it has been parsed, never run."""

    __tablename__ = "reward_function"
    __table_args__ = (Index("ix_reward_function_page", "account_id", "created_at", "id"),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    name: str
    format: str = "trl"
    source: str
    sha256: str
    created_at: datetime = Field(sa_type=Timestamp)
