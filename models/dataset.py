"""Datasets: JSONL files of prompts."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp


class Dataset(SQLModel, table=True):
    """An uploaded file, checked line by line before the row exists. `columns` are the names found in its rows, in order of
    appearance.
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
    size_bytes: int = Field(sa_type=BigInteger)
    sha256: str
    storage_key: str
    created_at: datetime = Field(sa_type=Timestamp)
