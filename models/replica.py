"""Replicas: the engine processes of deployments, each leased by the host that runs it."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index
from sqlmodel import Field

from burnish.kit.db import Timestamp
from models.leases import Leased

PENDING = "pending"
PULLING = "pulling"
LOADING = "loading"
WARMING = "warming"
RUNNING = "running"
DRAINING = "draining"
STOPPED = "stopped"
FAILED = "failed"
STATUSES = (PENDING, PULLING, LOADING, WARMING, RUNNING, DRAINING, STOPPED, FAILED)
STARTING = (PENDING, PULLING, LOADING, WARMING)
TERMINAL = (STOPPED, FAILED)
# Why a replica was told to stop, or is gone: what the words of its row are compared with.
SCALED_DOWN = "scaled down"
REPLACED = "replaced by a newer version"
PAUSED = "the deployment is paused"
DEPLOYMENT_ENDED = "the deployment has ended"
HOST_DRAINS = "its host is being drained"
HOST_STOPS = "its host is stopping"
HOST_GONE = "its host is gone"


class Replica(Leased, table=True):
    """One engine process of a deployment, wanted by the deployment's host and run by whichever host has room for it.

    It waits (`pending`), fetches the model's files (`pulling`), starts the engine (`loading`), proves that it answers and as the
    trained model did (`warming`), and takes traffic (`running`) until it is told to stop (`stop_requested_at`): then it ends what
    it has begun (`draining`). It runs once: what ends is replaced by another. `url` is on loopback or a private network, never
    given to callers. `attempt` is the number of its meter among those of its deployment. `parity` is what the proof found.
    `fail_code` is null where its engine died, and a code of the platform's errors where trying again would change nothing.

    `served_name` is what its engine calls the model now, null where that is the deployment's name. An engine that serves an
    adapter may be given another while it runs: `swap_version` is the version that it is asked to take over, until it serves that;
    `swap_refused` is one that it cannot, so that another replica must, or, with a `swap_error`, that nobody should.
    """

    __table_args__ = (
        Index("ix_replica_deployment", "deployment_id", "status"),
        Index("ix_replica_status", "status", "lease_expires_at"),
    )

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id")
    deployment_id: str = Field(foreign_key="deployment.id")
    version: int = 1
    status: str = PENDING
    gpu_requested: dict[str, Any] = Field(sa_type=JSON)
    gpu: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    provider_requested: str | None = None
    rate_micros_per_hour: int | None = Field(default=None, sa_type=BigInteger)
    attempt: int = 0
    host_id: str | None = None
    url: str | None = None
    pid: int | None = None
    engine: str | None = None
    served_name: str | None = None
    swap_version: int | None = None
    swap_refused: int | None = None
    swap_error: str | None = None
    parity: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    stop_requested_at: datetime | None = Field(default=None, sa_type=Timestamp)
    stop_reason: str | None = None
    fail_reason: str | None = None
    fail_code: str | None = None
    last_health_at: datetime | None = Field(default=None, sa_type=Timestamp)
    created_at: datetime = Field(sa_type=Timestamp)
    ready_at: datetime | None = Field(default=None, sa_type=Timestamp)
    ended_at: datetime | None = Field(default=None, sa_type=Timestamp)
