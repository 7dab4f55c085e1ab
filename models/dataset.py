"""Datasets: JSONL files of prompts, uploaded or read from a connected source."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp


class Dataset(SQLModel, table=True):
    """Rows of prompts. An uploaded file is checked line by line before the row exists; a connected source is read when a job
    needs it, and `num_rows`, `sha256` and `storage_key` are null until then.

    `columns` are the names found in its rows, in order of appearance, mapped ones included. `connection` says where and how the
    source is read; it never holds a credential. `media_prefix` is where the other files of an uploaded archive are stored.
    `statistics` are counted while the rows are read. `deleted_at` hides a row that jobs still refer to.
    """

    __table_args__ = (Index("ix_dataset_page", "account_id", "created_at", "id"),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    name: str
    source_type: str = "upload"
    source_uri: str | None = None
    huggingface_dataset: str | None = None
    num_rows: int | None = Field(default=None, sa_type=BigInteger)
    columns: list[str] = Field(sa_type=JSON)
    connection: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    statistics: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    size_bytes: int | None = Field(default=None, sa_type=BigInteger)
    sha256: str | None = None
    storage_key: str | None = None
    media_prefix: str | None = None
    created_at: datetime = Field(sa_type=Timestamp)
    read_at: datetime | None = Field(default=None, sa_type=Timestamp)
    deleted_at: datetime | None = Field(default=None, sa_type=Timestamp)
