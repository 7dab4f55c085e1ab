"""Evals: a dataset and how to score answers to it; runs of models over it, and each answer."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index
from sqlmodel import Field, SQLModel

from burnish.kit.db import Timestamp
from models.leases import Leased

PREFIX, RUN_PREFIX = "eval", "run"
QUEUED = "queued"
RUNNING = "running"
SCORING = "scoring"
COMPLETED = "completed"
FAILED = "failed"
CANCELLED = "cancelled"
STATUSES = (QUEUED, RUNNING, SCORING, COMPLETED, FAILED, CANCELLED)
TERMINAL = (COMPLETED, FAILED, CANCELLED)
# `progress` has a row whenever the counts of items have changed.
STREAMS = ("events", "logs", "progress")


class Eval(SQLModel, table=True):
    """A dataset with its scorers, as they were given and checked. `generation` holds what every run asks its model with."""

    __table_args__ = (Index("ix_eval_page", "account_id", "created_at", "id"),)

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    name: str
    dataset_id: str = Field(foreign_key="dataset.id")
    scorers: list[dict[str, Any]] = Field(sa_type=JSON)
    generation: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    created_at: datetime = Field(sa_type=Timestamp)
    deleted_at: datetime | None = Field(default=None, sa_type=Timestamp)


class EvalRun(Leased, table=True):
    """A model that answers an eval's dataset. `model` is what the caller wrote; `deployment_id` answers for it, and was made for
    this run and ends with it where `owns_deployment`.

    It takes the first `rows` rows of the dataset (null: all), `samples` answers of each; `total` items in all, of which
    `processed` are scored. `results` holds the figures once it has completed.
    """

    __tablename__ = "eval_run"
    __table_args__ = (
        Index("ix_eval_run_page", "eval_id", "created_at", "id"),
        Index("ix_eval_run_status", "status", "lease_expires_at"),
        CheckConstraint(f"status IN {STATUSES}", name="status"),
    )

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    eval_id: str = Field(foreign_key="eval.id")
    status: str = QUEUED
    model: str
    deployment_id: str | None = Field(default=None, foreign_key="deployment.id")
    owns_deployment: bool = False
    rows: int | None = None
    samples: int = 1
    generation: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    total: int | None = None
    processed: int = 0
    results: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    prompt_tokens: int = Field(default=0, sa_type=BigInteger)
    completion_tokens: int = Field(default=0, sa_type=BigInteger)
    cost_nanos: int = Field(default=0, sa_type=BigInteger)
    error: str | None = None
    attempt: int = 0
    created_at: datetime = Field(sa_type=Timestamp)
    updated_at: datetime = Field(sa_type=Timestamp)
    started_at: datetime | None = Field(default=None, sa_type=Timestamp)
    completed_at: datetime | None = Field(default=None, sa_type=Timestamp)


class EvalItem(SQLModel, table=True):
    """One answer: sample `sample` (from 0) to the row `item_index` (from 0) of the dataset.

    `scores` maps each scorer's name to its score, null where it gave none, and `errors` to why; `score` is their weighted mean,
    null where none counts. `output` is null, and `error` says why, where the model gave no answer.
    """

    __tablename__ = "eval_item"

    run_id: str = Field(primary_key=True, foreign_key="eval_run.id")
    item_index: int = Field(primary_key=True)
    sample: int = Field(primary_key=True)
    input: str
    output: str | None = None
    label: str | None = None
    scores: dict[str, float | None] = Field(sa_type=JSON)
    errors: dict[str, str] | None = Field(default=None, sa_type=JSON)
    score: float | None = None
    latency_ms: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str | None = None
    error: str | None = None
