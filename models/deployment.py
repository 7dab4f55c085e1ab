"""Deployments, the versions of the model that each has served, and the log of inference requests."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ColumnElement, Index, or_, text
from sqlmodel import Field, SQLModel, col

from burnish.kit.db import Timestamp
from models.leases import Leased

QUEUED = "queued"
PROVISIONING = "provisioning"
SERVING = "serving"
UNHEALTHY = "unhealthy"
STOPPED = "stopped"
FAILED = "failed"
STATUSES = (QUEUED, PROVISIONING, SERVING, UNHEALTHY, STOPPED, FAILED)
TERMINAL = (STOPPED, FAILED)
ACTIVE = (QUEUED, PROVISIONING, SERVING, UNHEALTHY)
TRAINING_JOB, HUGGINGFACE, ADOPTED = "training_job", "huggingface", "adopted"
SOURCES = (TRAINING_JOB, HUGGINGFACE, ADOPTED)
VERSION_PENDING, VERSION_SERVING, VERSION_REPLACED, VERSION_FAILED = "pending", "serving", "replaced", "failed"
VERSION_STATUSES = (VERSION_PENDING, VERSION_SERVING, VERSION_REPLACED, VERSION_FAILED)
FAILED_FROM = 400
# `requests` has a row for each call as its gateway logs it; those of the last moment may come after the stream's end.
STREAMS = ("events", "logs", "requests", "stats")


class Deployment(Leased, table=True):
    """A model kept ready to answer. `model` is what the caller wrote; `checkpoint_id` pins a job's checkpoint, `revision` a
    repository's commit; all four are of the version that is wanted, the newest one that has not failed. `model_requested` and
    `revision_requested` are what it was made with.

    `min_replicas` to `max_replicas` bound `desired_replicas`, which the autoscaler sets; while `paused_at` is set there are none
    and nothing is billed. `wake_requested_at` is when a request last found no replica. `target_latency_p95_ms` is of whole
    answers. One that was adopted has no replicas of ours: `upstream_url` answers, under the name `upstream_model`.
    """

    __table_args__ = (
        Index("ix_deployment_page", "account_id", "created_at", "id"),
        Index("ix_deployment_page_status", "account_id", "status", "created_at", "id"),
        Index("ix_deployment_page_model", "account_id", "model", "created_at", "id"),
        Index("ix_deployment_status", "status", "lease_expires_at"),
        # One name among the active ones of an account: a chat call may name it.
        Index(
            "uq_deployment_active_name",
            "account_id",
            "name",
            unique=True,
            sqlite_where=text("status NOT IN ('stopped', 'failed')"),
            postgresql_where=text("status NOT IN ('stopped', 'failed')"),
        ),
        CheckConstraint(f"status IN {STATUSES}", name="status"),
    )

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    name: str
    status: str = QUEUED
    model: str
    source: str
    checkpoint_id: str | None = Field(default=None, foreign_key="checkpoint.id")
    revision: str | None = None
    model_requested: str | None = None
    revision_requested: str | None = None
    gpu_requested: dict[str, Any] = Field(sa_type=JSON)
    gpu: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    provider_requested: str | None = None
    provider: str | None = None
    rate_micros_per_hour: int | None = Field(default=None, sa_type=BigInteger)
    min_replicas: int = 1
    max_replicas: int = 1
    desired_replicas: int = 1
    target_rps: float = 10.0
    target_latency_p95_ms: float = 5000.0
    stabilisation_window_s: int = 300
    max_batch_size: int | None = None
    extra_args: list[str] = Field(default_factory=list, sa_type=JSON)
    sealed_hf_token: str | None = None
    engine: str | None = None
    engine_reason: str | None = None
    version: int = 1
    paused_at: datetime | None = Field(default=None, sa_type=Timestamp)
    wake_requested_at: datetime | None = Field(default=None, sa_type=Timestamp)
    upstream_url: str | None = None
    upstream_model: str | None = None
    sealed_upstream_key: str | None = None
    attempt: int = 0
    cost_micros: int = Field(default=0, sa_type=BigInteger)
    total_requests: int = Field(default=0, sa_type=BigInteger)
    total_prompt_tokens: int = Field(default=0, sa_type=BigInteger)
    total_completion_tokens: int = Field(default=0, sa_type=BigInteger)
    error: str | None = None
    created_at: datetime = Field(sa_type=Timestamp)
    updated_at: datetime = Field(sa_type=Timestamp)
    started_at: datetime | None = Field(default=None, sa_type=Timestamp)
    serving_since: datetime | None = Field(default=None, sa_type=Timestamp)
    stopped_at: datetime | None = Field(default=None, sa_type=Timestamp)
    deleted_at: datetime | None = Field(default=None, sa_type=Timestamp)

    @property
    def endpoint_url(self) -> str | None:
        """The path of the chat route, once the deployment has served."""
        return f"/v1/deployments/{self.id}/chat/completions" if self.serving_since else None


class DeploymentVersion(SQLModel, table=True):
    """A model that a deployment serves or has served. A new one takes over when its replicas are ready, and one that does not
    get ready is `failed`: the version before goes on. `number` counts from 1; replicas carry the one that they serve.
    """

    __tablename__ = "deployment_version"
    __table_args__ = (
        Index("uq_deployment_version_number", "deployment_id", "number", unique=True),
        CheckConstraint(f"status IN {VERSION_STATUSES}", name="status"),
    )

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    deployment_id: str = Field(foreign_key="deployment.id")
    number: int
    status: str = VERSION_PENDING
    model: str
    source: str
    checkpoint_id: str | None = Field(default=None, foreign_key="checkpoint.id")
    revision: str | None = None
    error: str | None = None
    created_at: datetime = Field(sa_type=Timestamp)
    serving_at: datetime | None = Field(default=None, sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)


class InferenceRequest(SQLModel, table=True):
    """One call of a deployment: counts and times, never what was said. Latencies in milliseconds since it arrived.

    `replica_id` is null where no replica took it: it was refused, or its caller left while it waited. It was asked for all the
    same, and counts as a request and as an error; its time is that of no answer. Answers of earlier releases have none either.
    """

    __tablename__ = "inference_request"
    __table_args__ = (Index("ix_inference_request_page", "deployment_id", "created_at", "id"),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    deployment_id: str = Field(foreign_key="deployment.id")
    replica_id: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: float
    ttft_ms: float | None = None
    status_code: int
    streamed: bool = False
    finish_reason: str | None = None
    client_cancelled: bool = False
    error_message: str | None = None
    created_at: datetime = Field(sa_type=Timestamp)

    @classmethod
    def was_taken(cls) -> ColumnElement[bool]:
        """Return the condition for a call whose time is that of an answer; `is_taken` is the same of a row of `requests`."""
        return or_(col(cls.replica_id).is_not(None), col(cls.status_code) < FAILED_FROM)


def is_taken(row: dict[str, Any]) -> bool:
    """Say of a row of `requests` whether its time is that of an answer."""
    return row.get("replica_id") is not None or row["status_code"] < FAILED_FROM
