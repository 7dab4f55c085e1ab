"""Reward functions: a user's Python file, run only in a jail."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp


class RewardFunction(SQLModel, table=True):
    """`source` is the file as it was uploaded, `file_name` what it was called then; it is run in a jail and nowhere else.

    `weights` are the factors of its named components, 1 where one is not named. `trial` is what the contract test at the upload
    found. `deleted_at` hides a row that jobs still refer to.
    """

    __tablename__ = "reward_function"
    __table_args__ = (Index("ix_reward_function_page", "account_id", "created_at", "id"),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    name: str
    file_name: str = "reward.py"
    format: str = "trl"
    source: str
    sha256: str
    weights: dict[str, float] | None = Field(default=None, sa_type=JSON)
    trial: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    created_at: datetime = Field(sa_type=Timestamp)
    deleted_at: datetime | None = Field(default=None, sa_type=Timestamp)
