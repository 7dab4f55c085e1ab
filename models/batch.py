"""Batches: a file of requests that is worked through, each line to exactly one outcome."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp
from models.leases import Leased

PREFIX = "batch"
VALIDATING = "validating"
IN_PROGRESS = "in_progress"
FINALIZING = "finalizing"
CANCELLING = "cancelling"
COMPLETED = "completed"
FAILED = "failed"
EXPIRED = "expired"
CANCELLED = "cancelled"
STATUSES = (VALIDATING, FAILED, IN_PROGRESS, FINALIZING, COMPLETED, EXPIRED, CANCELLING, CANCELLED)
TERMINAL = (COMPLETED, FAILED, EXPIRED, CANCELLED)
# `progress` has a row whenever counts have changed, each with all of them.
STREAMS = ("events", "logs", "progress")
ENDPOINTS = ("/v1/chat/completions", "/v1/completions")
MOST_LINES = 50_000
# What becomes of lines that were not answered in time, or at all.
EXPIRED_LINE, CANCELLED_LINE = "batch_expired", "batch_cancelled"
# Has hosts look at a batch or an eval run.
RUN_MESSAGE = "bulk.run"


class Batch(Leased, table=True):
    """A file of requests for completions, at `endpoint`, worked on by whichever host has the lease.

    `errors` are the first problems that the validation found, each with `line` (from 1), `code`, `message` and `param`, and
    `problem_count` says how many there are; all of them are in the file `error_file_id`. `total` counts the lines, `completed`
    and `failed` their outcomes. `prompt_tokens`, `completion_tokens` and `cost_nanos` (billionths of a dollar) are the sums of
    the outcomes': the cost is their share of their replicas' time, which is charged to the deployments. `model` is what the
    lines name, null where they name several. Its output and error files are deleted `output_expires_after_s` after they are
    made, never where that is null. `retry_of` is the batch whose failed lines these are; `parent_id` is the eval run
    that this is a part of, which alone shows it.
    """

    __table_args__ = (
        Index("ix_batch_page", "account_id", "created_at", "id"),
        Index("ix_batch_status", "status", "lease_expires_at"),
        Index("ix_batch_parent_id", "parent_id"),
        CheckConstraint(f"status IN {STATUSES}", name="status"),
    )

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    status: str = VALIDATING
    input_file_id: str = Field(foreign_key="file.id")
    output_file_id: str | None = Field(default=None, foreign_key="file.id")
    error_file_id: str | None = Field(default=None, foreign_key="file.id")
    endpoint: str
    completion_window_s: int = 86_400
    output_expires_after_s: int | None = None
    labels: dict[str, str] | None = Field(default=None, sa_type=JSON)
    model: str | None = None
    errors: list[dict[str, Any]] | None = Field(default=None, sa_type=JSON)
    problem_count: int = 0
    total: int = 0
    completed: int = 0
    failed: int = 0
    prompt_tokens: int = Field(default=0, sa_type=BigInteger)
    completion_tokens: int = Field(default=0, sa_type=BigInteger)
    cost_nanos: int = Field(default=0, sa_type=BigInteger)
    retry_of: str | None = Field(default=None, foreign_key="batch.id")
    parent_id: str | None = None
    attempt: int = 0
    created_at: datetime = Field(sa_type=Timestamp)
    updated_at: datetime = Field(sa_type=Timestamp)
    expires_at: datetime = Field(sa_type=Timestamp)
    in_progress_at: datetime | None = Field(default=None, sa_type=Timestamp)
    finalizing_at: datetime | None = Field(default=None, sa_type=Timestamp)
    completed_at: datetime | None = Field(default=None, sa_type=Timestamp)
    failed_at: datetime | None = Field(default=None, sa_type=Timestamp)
    expired_at: datetime | None = Field(default=None, sa_type=Timestamp)
    cancelling_at: datetime | None = Field(default=None, sa_type=Timestamp)
    cancelled_at: datetime | None = Field(default=None, sa_type=Timestamp)


class BatchOutcome(SQLModel, table=True):
    """What became of one line of a batch's input; the key makes it the only one. `line` counts from 1.

    `ok` says which of the two files it is in. `code` is null where it is; else the cause, as errors are grouped by it. `payload`
    is the line of that file, with its end, until the file is stored. Latency is of the attempt that counted, in milliseconds.
    """

    __tablename__ = "batch_outcome"
    __table_args__ = (Index("ix_batch_outcome_code", "batch_id", "ok", "code"),)

    batch_id: str = Field(primary_key=True, foreign_key="batch.id")
    line: int = Field(primary_key=True)
    custom_id: str
    ok: bool
    status_code: int | None = None
    code: str | None = None
    message: str | None = None
    deployment_id: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: float | None = None
    cost_nanos: int = Field(default=0, sa_type=BigInteger)
    attempts: int = 0
    payload: bytes | None = None
    ended_at: datetime = Field(sa_type=Timestamp)
