"""The plumbing tables: sequenced streams, the outbox and idempotency keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp


class StreamHead(SQLModel, table=True):
    """Where the stream (resource, kind) stands: rows `first_seq` to `last_seq` are kept, what came before is not any more.
    `end_reason` is set once nothing more will come.
    """

    __tablename__ = "stream_head"

    resource_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    last_seq: int = Field(default=0, sa_type=BigInteger)
    first_seq: int = Field(default=1, sa_type=BigInteger)
    end_reason: str | None = None


class StreamChunk(SQLModel, table=True):
    """Rows `first_seq` to `last_seq` of a stream, encoded together."""

    __tablename__ = "stream_chunk"

    resource_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    first_seq: int = Field(primary_key=True, sa_type=BigInteger)
    last_seq: int = Field(sa_type=BigInteger)
    attempt: int
    payload: bytes


class MetricBlock(SQLModel, table=True):
    """Packed rows `first_seq` to `last_seq` of a resource's stream `metrics`, all of one attempt: their steps, with the smallest
    and the largest. `is_ordered` where the steps never go back. See `burnish.kit.series` for the encodings.
    """

    __tablename__ = "metric_block"

    resource_id: str = Field(primary_key=True)
    first_seq: int = Field(primary_key=True, sa_type=BigInteger)
    last_seq: int = Field(sa_type=BigInteger)
    attempt: int
    first_step: int = Field(sa_type=BigInteger)
    last_step: int = Field(sa_type=BigInteger)
    is_ordered: bool
    keys: list[str] = Field(sa_type=JSON)
    steps: bytes


class MetricColumn(SQLModel, table=True):
    """One key of the block at `first_seq`. The summary stands before the values, so that reading it alone touches no page of
    theirs.
    """

    __tablename__ = "metric_column"

    resource_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    first_seq: int = Field(primary_key=True, sa_type=BigInteger)
    summary: bytes
    data: bytes


class Outbox(SQLModel, table=True):
    """A message to a host, written with the change that it tells of and deleted once the broker has it."""

    id: str = Field(primary_key=True)
    actor: str
    resource_id: str
    created_at: datetime = Field(sa_type=Timestamp)


class IdempotencyKey(SQLModel, table=True):
    """What a caller's idempotency key was used for; kept 24 hours."""

    __tablename__ = "idempotency_key"
    __table_args__ = (Index("ix_idempotency_key_created_at", "created_at"),)

    account_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    operation: str
    fingerprint: str
    answer: dict[str, Any] = Field(sa_type=JSON)
    created_at: datetime = Field(sa_type=Timestamp)
