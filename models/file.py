"""Files of bulk inference: what callers upload, and what batches write."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp

PREFIX = "file"
BATCH, BATCH_OUTPUT, FINE_TUNE, USER_DATA, EVALS = "batch", "batch_output", "fine-tune", "user_data", "evals"
UPLOADED = (BATCH, FINE_TUNE, USER_DATA, EVALS)
PURPOSES = (*UPLOADED, BATCH_OUTPUT)


class File(SQLModel, table=True):
    """A stored file; its bytes are at `storage_key` before the row exists. Its id begins with `file-`.

    `expires_at` is when it is deleted by itself. `deleted_at` hides a row whose bytes are gone or about to go. `internal` hides a
    file that the platform made for a purpose of its own.
    """

    __table_args__ = (
        Index("ix_file_page", "account_id", "created_at", "id"),
        Index("ix_file_expires_at", "expires_at"),
        CheckConstraint(f"purpose IN {PURPOSES}", name="purpose"),
    )

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    filename: str
    purpose: str
    size_bytes: int = Field(sa_type=BigInteger)
    storage_key: str
    internal: bool = False
    created_at: datetime = Field(sa_type=Timestamp)
    expires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    deleted_at: datetime | None = Field(default=None, sa_type=Timestamp)
