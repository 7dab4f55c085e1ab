"""What deployments and their replicas are called here. `created` is a deployment that serves."""

from collections.abc import Sequence
from typing import Literal

from models import deployment as dep
from models import replica
from models.deployment import Deployment
from models.replica import Replica

DeploymentStatus = Literal["pending", "created", "paused", "stopped", "failed"]
ReplicaStatus = Literal[
    "pending", "pulling_docker_image", "initing_docker_container", "running", "restarting", "stopped", "failed"
]
DEPLOYMENTS: dict[str, DeploymentStatus] = {
    dep.QUEUED: "pending",
    dep.PROVISIONING: "pending",
    dep.SERVING: "created",
    dep.UNHEALTHY: "created",
    dep.STOPPED: "stopped",
    dep.FAILED: "failed",
}
REPLICAS: dict[str, ReplicaStatus] = {
    replica.PENDING: "pending",
    replica.PULLING: "pulling_docker_image",
    replica.LOADING: "initing_docker_container",
    replica.WARMING: "initing_docker_container",
    replica.RUNNING: "running",
    # It answers until it has ended what it has begun.
    replica.DRAINING: "running",
    replica.STOPPED: "stopped",
    replica.FAILED: "failed",
}
ANSWERING = (replica.RUNNING, replica.DRAINING)


def of_deployment(row: Deployment) -> DeploymentStatus:
    is_paused = row.paused_at is not None and row.status not in dep.TERMINAL
    return "paused" if is_paused else DEPLOYMENTS[row.status]


def of_replica(row: Replica, siblings: Sequence[Replica]) -> ReplicaStatus:
    """Return the word for a replica, given all of its deployment: one that waits in the place of another that failed is
    `restarting`.
    """
    if row.status == replica.PENDING and any(_gave_way(other, row) for other in siblings):
        return "restarting"
    return REPLICAS[row.status]


def health_of(row: Replica) -> bool | None:
    """Return whether a replica answers; None while that is not known yet."""
    return None if row.status in replica.STARTING else row.status in ANSWERING


def _gave_way(other: Replica, to: Replica) -> bool:
    return other.status == replica.FAILED and other.version == to.version and other.created_at < to.created_at
