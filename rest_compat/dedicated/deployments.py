"""Deployments: made, stopped, shown and listed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, PlainSerializer
from starlette.requests import Request

from burnish.kit.errors import NotFound
from engines.compute import hardware
from models import deployment as dep
from models import replica
from models.deployment import Deployment
from models.replica import Replica
from resolvers import deployments, related
from resolvers.context import Context
from resolvers.inputs import Input, parse
from rest_compat import http
from rest_compat.dedicated import inputs, words
from rest_compat.dedicated.errors import DEDICATED
from rest_compat.dedicated.inputs import DedicatedInput
from rest_compat.dedicated.words import DeploymentStatus, ReplicaStatus
from rest_compat.operation import Operation
from rest_compat.wire import Wire

TAG = "Dedicated inference"
BASE = "/api/v2/external/inference"
MOST = 1000
FAILED_SHOWN = 5
# With an offset in digits: older Pythons read no `Z`.
Time = Annotated[datetime, PlainSerializer(lambda at: at.isoformat(timespec="seconds"), return_type=str, when_used="unless-none")]


class StopInput(Input):
    """Which deployment to stop."""

    deployment_id: str = Field(min_length=1, max_length=200)


class ListQuery(Input):
    """Which deployments to return."""

    include_terminated: bool = Field(False, description="Those that were stopped, too.")


class GetQuery(ListQuery):
    """Which deployment to return."""

    deployment_id: str = Field(min_length=1, max_length=200, description="The id of a deployment: `dep_…`.")


class DeploymentState(Wire):
    """A deployment and where it is in its life."""

    deployment_id: str
    status: DeploymentStatus = Field(description="`created` is one that serves.")


class ReplicaState(Wire):
    """A copy of the model. `restarting` is one that takes the place of one that failed."""

    replica_id: str
    status: ReplicaStatus
    healthy: bool | None = Field(description="Whether it answers; null while it starts.")
    last_health_check: Time | None = Field(description="When it last proved that it answers.")
    fail_reason: str | None = Field(description="Why it failed; null where it did not.")


class DedicatedDeployment(Wire):
    """A model on a hardware profile, in replicas between two bounds. `current_replicas` are those that answer."""

    deployment_id: str
    hf_model_id: str
    hardware_profile: str
    status: DeploymentStatus = Field(description="`created` is one that serves.")
    current_replicas: int
    desired_replicas: int
    min_replicas: int
    max_replicas: int
    target_rps: float
    target_latency_p95_ms: float
    stabilisation_window: int
    created_at: Time
    replicas: list[ReplicaState] = Field(
        description="Those that live and the last that failed; with `include_terminated` all of them."
    )


class DeploymentList(Wire):
    """Deployments, newest first."""

    deployments: list[DedicatedDeployment]


def state(row: Deployment) -> DeploymentState:
    return DeploymentState(deployment_id=row.id, status=words.of_deployment(row))


def shape(row: Deployment, replicas: Sequence[Replica], *, whole: bool) -> DedicatedDeployment:
    """Return a deployment with its replicas, which are given newest first; with `whole` those too that have ended."""
    return DedicatedDeployment(
        deployment_id=row.id,
        hf_model_id=row.model,
        hardware_profile=profile(row.gpu_requested),
        status=words.of_deployment(row),
        current_replicas=sum(one.status in words.ANSWERING for one in replicas),
        desired_replicas=row.desired_replicas,
        min_replicas=row.min_replicas,
        max_replicas=row.max_replicas,
        target_rps=row.target_rps,
        target_latency_p95_ms=row.target_latency_p95_ms,
        stabilisation_window=row.stabilisation_window_s,
        created_at=row.created_at,
        replicas=[_replica(one, replicas) for one in (replicas if whole else _of_interest(replicas))],
    )


def profile(gpu: dict[str, Any]) -> str:
    """Return the profile of what was asked for, in the words of `DedicatedInput`."""
    name = hardware.profile_of(gpu["type"])
    return name if gpu["count"] == 1 else f"{name}:{gpu['count']}"


def _replica(row: Replica, siblings: Sequence[Replica]) -> ReplicaState:
    return ReplicaState(
        replica_id=row.id,
        status=words.of_replica(row, siblings),
        healthy=words.health_of(row),
        last_health_check=row.last_health_at,
        fail_reason=row.fail_reason,
    )


def _of_interest(rows: Sequence[Replica]) -> list[Replica]:
    failed = [row.id for row in rows if row.status == replica.FAILED][:FAILED_SHOWN]
    return [row for row in rows if row.status not in replica.TERMINAL or row.id in failed]


async def create(ctx: Context, request: Request) -> DeploymentState:
    """Deploy a model.

    It is queued at once, and an hour of what it will run on is set aside from the credit. `hf_model_id` may also be the id of a
    completed training job, or of its checkpoint.
    """
    spec = parse(DedicatedInput, await http.json_object(request, ctx.core.settings))
    return state(await inputs.create(ctx, spec))


async def stop(ctx: Context, request: Request) -> DeploymentState:
    """Stop a deployment and all its replicas.

    Its status and its bill are final with the answer. One that has ended already is returned as it is.
    """
    wanted = parse(StopInput, await http.json_object(request, ctx.core.settings))
    return state(await deployments.stop(ctx, wanted.deployment_id))


async def get(ctx: Context, request: Request) -> DedicatedDeployment:
    """Get a deployment with its replicas.

    One that was stopped is 404 without `include_terminated`.
    """
    query = http.query(request, GetQuery)
    row = await deployments.get(ctx, query.deployment_id)
    if row.status == dep.STOPPED and not query.include_terminated:
        raise NotFound(f"The deployment {row.id} was stopped.", hint="Ask with include_terminated=true.")
    return shape(row, await deployments.replicas(ctx, row.id), whole=query.include_terminated)


async def page(ctx: Context, request: Request) -> DeploymentList:
    """List the deployments with their replicas, the newest 1,000.

    Those that were stopped are left out without `include_terminated`.
    """
    whole = http.query(request, ListQuery).include_terminated
    wanted = [status for status in dep.STATUSES if whole or status != dep.STOPPED]
    rows = (await deployments.page(ctx, status=wanted, limit=MOST)).items
    its = await related.replicas(ctx, [row.id for row in rows])
    return DeploymentList(deployments=[shape(row, its.get(row.id, []), whole=whole) for row in rows])


OPERATIONS = [
    Operation(
        method="POST",
        path=f"{BASE}/create",
        handler=create,
        tag=TAG,
        answers=DeploymentState,
        body=DedicatedInput,
        idempotent=True,
        errors=(400, 402, 404, 409, 413, 429),
        dialect=DEDICATED,
    ),
    Operation(
        method="DELETE",
        path=f"{BASE}/stop",
        handler=stop,
        tag=TAG,
        answers=DeploymentState,
        body=StopInput,
        errors=(404, 413),
        dialect=DEDICATED,
    ),
    Operation(
        method="GET",
        path=f"{BASE}/get",
        handler=get,
        tag=TAG,
        answers=DedicatedDeployment,
        query=GetQuery,
        errors=(404,),
        dialect=DEDICATED,
    ),
    Operation(
        method="GET", path=f"{BASE}/list", handler=page, tag=TAG, answers=DeploymentList, query=ListQuery, dialect=DEDICATED
    ),
]
