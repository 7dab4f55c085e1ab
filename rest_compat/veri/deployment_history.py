"""What a deployment has served and what came of it: requests, figures, replicas, versions and decisions."""

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field
from starlette.requests import Request

from burnish.kit import clock
from burnish.kit.money import usd_float
from models.replica import Replica
from resolvers import decisions, deployment_changes, deployments, loads
from resolvers.context import Context
from resolvers.decisions import Decision
from resolvers.inputs import Input, Moment
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.veri.deployments import DEPLOYMENT, TAG, DeploymentPage
from rest_compat.veri.jobs import Gpu
from rest_compat.wire import Listing, PageQuery, Wire, listing, window


class RequestObject(Wire):
    """One inference request: counts and times, never what was said."""

    id: str
    object: Literal["deployment_request"] = "deployment_request"
    deployment_id: str
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float
    ttft_ms: float | None = Field(description="Time to the first token of a streamed answer.")
    status_code: int
    streamed: bool
    finish_reason: str | None
    client_cancelled: bool
    error_message: str | None
    created_at: datetime
    replica_id: str | None = Field(description="The replica that answered; null where none did.")


class TotalsObject(Wire):
    """What a deployment has served since it was made."""

    total_requests: int
    total_prompt_tokens: int
    total_completion_tokens: int
    total_cost_usd: float
    avg_latency_ms: float
    error_rate: float = Field(description="The share of requests answered with 400 or more, from 0 to 1.")
    uptime_seconds: float


class ParityObject(Wire):
    """How a replica answered a few prompts before it took traffic, beside what the training side had recorded."""

    prompts: int = Field(description="How many prompts were compared.")
    template_matches: bool = Field(description="Whether the chat template made the same tokens of them.")
    max_difference: float | None = Field(None, description="The greatest difference of a log-probability.")
    tolerance: float = Field(description="The greatest difference that is accepted.")
    checked_at: datetime | None = Field(None, description="When they were compared.")


class ReplicaObject(Wire):
    """One engine process of a deployment."""

    id: str
    object: Literal["replica"] = "replica"
    deployment_id: str
    version: int = Field(description="The number of the deployment's version that it serves.")
    status: Literal["pending", "pulling", "loading", "warming", "running", "draining", "stopped", "failed"]
    gpu: Gpu = Field(description="What it really runs on; what was asked for until that is known.")
    cost_per_hour_usd: float | None
    engine: str | None = Field(description="What runs the model, such as `vllm`; null until that is known.")
    parity: ParityObject | None = Field(description="How it proved that it answers as the trained model did.")
    stop_requested_at: datetime | None = Field(description="When it was told to end what it had begun, and to stop.")
    stop_reason: str | None = Field(description="Why it was told so.")
    error: str | None
    last_health_at: datetime | None = Field(description="When it last answered a health check.")
    created_at: datetime
    ready_at: datetime | None = Field(description="When it first took traffic.")
    ended_at: datetime | None = Field(description="When it ended.")


class VersionObject(Wire):
    """A model that a deployment serves or has served."""

    id: str
    object: Literal["deployment_version"] = "deployment_version"
    deployment_id: str
    number: int = Field(description="Its number among the deployment's, from 1.")
    status: Literal["pending", "serving", "replaced", "failed"]
    model: str = Field(description="The id of a job or a checkpoint, or a repository of the Hugging Face hub.")
    source: Literal["training_job", "huggingface", "adopted"] = Field(description="What it is made of.")
    checkpoint_id: str | None
    revision: str | None = Field(description="The commit of the model, where it came from Hugging Face.")
    error: str | None
    created_at: datetime
    serving_at: datetime | None = Field(description="When it first answered.")
    ended_at: datetime | None = Field(description="When another took its place, or it failed.")


class DecisionObject(Wire):
    """A change of how many replicas a deployment wants, and the load that it was decided on."""

    model_config = ConfigDict(serialize_by_alias=True)

    id: str = Field(description="Its place among what happened to the deployment.")
    object: Literal["scaling_decision"] = "scaling_decision"
    at: datetime = Field(description="When it was decided.")
    before: int = Field(serialization_alias="from", description="How many replicas were wanted before.")
    after: int = Field(serialization_alias="to", description="How many replicas are wanted since.")
    reason: str = Field(description="Why, in words, such as `2→3: p95 6.1 s > 5 s`.")
    rps: float | None = Field(description="Requests a second, all replicas together.")
    p95_ms: float | None = Field(description="The time to the whole answer that 95 % of the requests kept within.")
    requests: int | None = Field(description="The requests of the sample that this was measured on.")
    by_rps: int | None = Field(description="How many replicas the target of requests a second asked for.")
    by_latency: int | None = Field(description="How many the target of latency asked for; null for nothing.")


class TimeseriesQuery(Input):
    """Which time to look at, and how closely."""

    since: Moment | None = Field(None, alias="from", description="The beginning; an hour before the end by default.")
    until: Moment | None = Field(None, alias="to", description="The end; now by default.")
    interval: int = Field(60, ge=1, le=86_400, description="Seconds that a row stands for; at most 1,000 rows are given.")


class IntervalObject(Wire):
    """An interval of a deployment's life. Of what nothing was measured there is null."""

    at: datetime = Field(description="The end of the interval.")
    window_s: float = Field(description="Its length in seconds.")
    requests: int = Field(description="The requests that ended and were logged in it, each in exactly one interval.")
    errors: int = Field(description="Those of them that were answered with 400 or more.")
    error_rate: float | None = Field(description="Their share, from 0 to 1.")
    prompt_tokens: int
    completion_tokens: int
    requests_per_second: float = Field(description="Requests by the length of the interval.")
    tokens_per_second: float = Field(description="Generated tokens by the length of the interval.")
    ttft_p50_ms: float | None = Field(description="Time to the first token: the mean of the samples' medians, by their requests.")
    ttft_p95_ms: float | None = Field(description="The highest 95th percentile of its samples; that of all does not exceed it.")
    latency_p50_ms: float | None = Field(description="Time to the whole answer, as `ttft_p50_ms`.")
    latency_p95_ms: float | None = Field(description="Time to the whole answer, as `ttft_p95_ms`.")
    running: int | None = Field(description="The most sequences that the engines worked on.")
    waiting: int | None = Field(description="The most sequences that waited for room in an engine.")
    kv_cache_usage: float | None = Field(description="How full the fullest KV cache was, from 0 to 1.")
    replicas_ready: int | None = Field(description="The replicas that answered at its end.")
    replicas_total: int | None = Field(description="Those and the ones that were starting.")


class TimeseriesObject(Wire):
    """A deployment's load over time, oldest first."""

    object: Literal["deployment_timeseries"] = "deployment_timeseries"
    deployment_id: str
    interval: int = Field(description="Seconds that a row stands for; the last one may stand for less.")
    data: list[IntervalObject] = Field(description="A row for each interval.")


def replica_shape(row: Replica) -> ReplicaObject:
    """Return a replica as its callers see it."""
    rate = row.rate_micros_per_hour
    return ReplicaObject.model_validate(
        {
            **row.model_dump(),
            "gpu": row.gpu or row.gpu_requested,
            "cost_per_hour_usd": None if rate is None else usd_float(rate),
            "error": row.fail_reason,
        }
    )


async def requests(ctx: Context, request: Request) -> Listing[RequestObject]:
    """List the inference requests of a deployment."""
    query = http.query(request, DeploymentPage)
    found = await deployments.requests(ctx, request.path_params["deployment_id"], limit=query.limit, after=query.after)
    return listing(found, lambda row: RequestObject.model_validate(row, from_attributes=True))


async def totals(ctx: Context, request: Request) -> TotalsObject:
    """Get the aggregate figures of a deployment."""
    found = await deployments.totals(ctx, request.path_params["deployment_id"])
    return TotalsObject.model_validate({**vars(found), "total_cost_usd": usd_float(found.total_cost_micros)})


async def timeseries(ctx: Context, request: Request) -> TimeseriesObject:
    """Get the load of a deployment over time.

    Made of samples of some seconds, which the deployment's host takes while it is up.
    """
    query, deployment_id = http.query(request, TimeseriesQuery), request.path_params["deployment_id"]
    until = query.until or clock.now()
    rows = await loads.series(ctx, deployment_id, since=query.since, until=until, interval_s=query.interval)
    data = [IntervalObject.model_validate(row) for row in rows]
    return TimeseriesObject(deployment_id=deployment_id, interval=query.interval, data=data)


async def replicas(ctx: Context, request: Request) -> Listing[ReplicaObject]:
    """List the replicas of a deployment, those that have ended too."""
    query = http.query(request, PageQuery)
    found = await deployments.replicas(ctx, request.path_params["deployment_id"])
    return listing(window(found, query), replica_shape)


async def versions(ctx: Context, request: Request) -> Listing[VersionObject]:
    """List what a deployment serves and has served."""
    query = http.query(request, PageQuery)
    found = await deployment_changes.versions(ctx, request.path_params["deployment_id"])
    return listing(window(found, query), lambda row: VersionObject.model_validate(row, from_attributes=True))


async def decided(ctx: Context, request: Request) -> Listing[DecisionObject]:
    """List what the autoscaler decided about a deployment."""
    query = http.query(request, PageQuery)
    found = await decisions.page(ctx, request.path_params["deployment_id"], limit=query.limit, after=query.after)
    return listing(found, _decision)


def _decision(found: Decision) -> DecisionObject:
    return DecisionObject.model_validate(found, from_attributes=True)


def _listed(name: str, handler: Any, answers: Any, query: type[PageQuery] = PageQuery) -> Operation:
    path = f"{DEPLOYMENT}/{name}"
    return Operation(method="GET", path=path, handler=handler, tag=TAG, answers=answers, query=query, errors=(400, 404))


OPERATIONS = [
    _listed("requests", requests, Listing[RequestObject], DeploymentPage),
    _listed("replicas", replicas, Listing[ReplicaObject]),
    _listed("versions", versions, Listing[VersionObject]),
    _listed("decisions", decided, Listing[DecisionObject]),
    Operation(method="GET", path=f"{DEPLOYMENT}/metrics", handler=totals, tag=TAG, answers=TotalsObject, errors=(404,)),
    Operation(
        method="GET",
        path=f"{DEPLOYMENT}/metrics/timeseries",
        handler=timeseries,
        tag=TAG,
        answers=TimeseriesObject,
        query=TimeseriesQuery,
        errors=(400, 404),
    ),
]
