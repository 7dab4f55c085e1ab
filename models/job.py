"""Training jobs and their checkpoints."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index
from sqlmodel import Field, SQLModel

from burnish.kit import series
from burnish.kit.db import Timestamp
from models.leases import Leased

QUEUED = "queued"
PROVISIONING = "provisioning"
RUNNING = "running"
COMPLETED = "completed"
FAILED = "failed"
CANCELLED = "cancelled"
STATUSES = (QUEUED, PROVISIONING, RUNNING, COMPLETED, FAILED, CANCELLED)
LIVE = (QUEUED, PROVISIONING, RUNNING)
TERMINAL = (COMPLETED, FAILED, CANCELLED)
PHASES = ("validating", "pulling_model", "starting", "generating", "scoring", "updating", "saving", "uploading")
STREAMS = ("events", "logs", "metrics", "rollouts")


class Job(Leased, table=True):
    """A training job. Its status moves only through `models.transitions`.

    `gpu_requested` is what the caller wrote, `gpu` what it really runs on (null until placed). `attempt` counts the hosts that
    have taken it; a later attempt resumes from the newest checkpoint. `metric_keys` and `latest_metrics` hold every
    key that was reported and its last value. `error` is `{code, message, attribution, user_code_line}`.

    `destination_url` is where the trained model was sent besides our own storage. `resume_checkpoint_id` is another job's
    checkpoint that this one starts from; it may be gone by now; `first_step` is its step. A job that `requires_heartbeat` is
    ended when its client has been silent for too long since `heartbeat_at`. `dropped_prompts` counts those longer than
    `max_prompt_length`, once known. `memory_estimate` is what the training was expected to take, `peak_memory_bytes` the most
    that it took. `best_step` has the best score on the held-out rows, where there are some. `deleted_at` hides a row that the
    ledger still refers to.
    """

    __table_args__ = (
        Index("ix_job_page", "account_id", "created_at", "id"),
        # Filtered pages walk the rows that meet the filter, not all of the account's.
        Index("ix_job_page_status", "account_id", "status", "created_at", "id"),
        Index("ix_job_page_base_model", "account_id", "base_model", "created_at", "id"),
        Index("ix_job_page_dataset", "dataset_id", "created_at", "id"),
        Index("ix_job_page_reward_function", "reward_function_id", "created_at", "id"),
        Index("ix_job_status", "status", "lease_expires_at"),
        CheckConstraint(f"status IN {STATUSES}", name="status"),
    )

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    status: str = QUEUED
    phase: str | None = None
    method: str = "grpo"
    base_model: str
    base_revision: str | None = None
    dataset_id: str = Field(foreign_key="dataset.id")
    reward_function_id: str | None = Field(default=None, foreign_key="reward_function.id")
    output_name: str
    hyperparameters: dict[str, Any] = Field(sa_type=JSON)
    hyperparameters_defaulted: list[str] = Field(sa_type=JSON)
    gpu_requested: dict[str, Any] = Field(sa_type=JSON)
    gpu: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    provider_requested: str | None = None
    provider: str | None = None
    checkpoint_destination: dict[str, Any] = Field(sa_type=JSON)
    destination_url: str | None = None
    environments: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    resume_checkpoint_id: str | None = None
    max_cost_micros: int | None = Field(default=None, sa_type=BigInteger)
    requires_heartbeat: bool = False
    heartbeat_at: datetime | None = Field(default=None, sa_type=Timestamp)
    dropped_prompts: int | None = None
    memory_estimate: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    peak_memory_bytes: int | None = Field(default=None, sa_type=BigInteger)
    best_step: int | None = None
    attempt: int = 0
    first_step: int = 0
    current_step: int = 0
    total_steps: int | None = None
    metric_keys: list[str] = Field(default_factory=list, sa_type=JSON)
    latest_metrics: dict[str, float] = Field(default_factory=dict, sa_type=JSON)
    cost_micros: int = Field(default=0, sa_type=BigInteger)
    error: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    created_at: datetime = Field(sa_type=Timestamp)
    updated_at: datetime = Field(sa_type=Timestamp)
    started_at: datetime | None = Field(default=None, sa_type=Timestamp)
    completed_at: datetime | None = Field(default=None, sa_type=Timestamp)
    deleted_at: datetime | None = Field(default=None, sa_type=Timestamp)

    def take_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Bring what the row tells of the job's metrics up to date with rows that are about to be appended to them."""
        found = series.plain(rows)
        self.current_step = max(row["step"] for row in found)
        keys = set[str]().union(*(row["values"] for row in rows))
        self.metric_keys = sorted({*self.metric_keys, *map(series.name, keys)})
        self.latest_metrics = series.latest(self.latest_metrics, found)


class Checkpoint(SQLModel, table=True):
    """A folder in storage, whole before the row exists. Only a `final` one holds a model that can be served. Deployments may
    still refer to one whose files were deleted, at `deleted_at`. `score` is that of the held-out rows; `checksums` has the
    sha256 of each file by its path.
    """

    __table_args__ = (
        Index("ix_checkpoint_job", "job_id", "step"),
        Index("ix_checkpoint_page", "account_id", "created_at", "id"),
    )

    id: str = Field(primary_key=True)
    job_id: str = Field(foreign_key="job.id")
    account_id: str = Field(foreign_key="account.id")
    attempt: int
    step: int
    final: bool = False
    storage_prefix: str
    file_count: int
    size_bytes: int = Field(sa_type=BigInteger)
    adapter_rank: int | None = None
    score: float | None = None
    checksums: dict[str, str] | None = Field(default=None, sa_type=JSON)
    created_at: datetime = Field(sa_type=Timestamp)
    deleted_at: datetime | None = Field(default=None, sa_type=Timestamp)
