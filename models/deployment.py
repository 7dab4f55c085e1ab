"""Deployments, their replicas, and the log of inference requests."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

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
SOURCES = ("training_job", "huggingface")
REPLICA_RUNNING = "running"
# `requests` has a row for each call as its gateway logs it; those of the last moment may come after the stream's end.
STREAMS = ("events", "logs", "requests", "stats")


class Deployment(Leased, table=True):
    """A model kept ready to answer. `model` is what the caller wrote; `checkpoint_id` pins a job's checkpoint, `revision` a
    repository's commit.
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
    gpu_requested: dict[str, Any] = Field(sa_type=JSON)
    gpu: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    provider_requested: str | None = None
    provider: str | None = None
    rate_micros_per_hour: int | None = Field(default=None, sa_type=BigInteger)
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


class Replica(SQLModel, table=True):
    """One engine process of a deployment. `url` is on loopback or a private network, never given to callers."""

    __table_args__ = (Index("ix_replica_deployment", "deployment_id", "status"),)

    id: str = Field(primary_key=True)
    deployment_id: str = Field(foreign_key="deployment.id")
    host_id: str
    status: str
    url: str
    pid: int | None = None
    fail_reason: str | None = None
    last_health_at: datetime | None = Field(default=None, sa_type=Timestamp)
    created_at: datetime = Field(sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)


class InferenceRequest(SQLModel, table=True):
    """One call of a deployment: counts and times, never what was said. Latencies in milliseconds."""

    __tablename__ = "inference_request"
    __table_args__ = (Index("ix_inference_request_page", "deployment_id", "created_at", "id"),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    deployment_id: str = Field(foreign_key="deployment.id")
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

    def as_row(self) -> dict[str, Any]:
        """Return the call as a row of its deployment's stream `requests`; `at` is when it arrived."""
        return {
            "id": self.id,
            "at": self.created_at.isoformat(),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "latency_ms": self.latency_ms,
            "ttft_ms": self.ttft_ms,
            "status_code": self.status_code,
            "streamed": self.streamed,
            "finish_reason": self.finish_reason,
            "client_cancelled": self.client_cancelled,
            "error_message": self.error_message,
        }
