"""Deployments: listed and read, with their replicas, their load and what they were asked."""

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry

from burnish.kit.paging import Span
from models import deployment
from resolvers import cursors, decisions, deployments, loads
from resolvers.deployments import Totals
from schema import streams
from schema.checkpoints import Checkpoint
from schema.context import Info
from schema.decisions import ScalingDecision
from schema.hardware import Hardware
from schema.inference_requests import InferenceRequest, InferenceRequestConnection
from schema.logs import Logged
from schema.nodes import After, Connection, First, FirstRows, Money, Node, connect_page, within
from schema.replicas import Replica, hourly
from schema.scalars import BigInt
from schema.serving import ServingSample
from schema.streams import DeploymentEvent, DeploymentEventConnection
from schema.versions import DeploymentVersion, ModelSource

if TYPE_CHECKING:
    from schema.jobs import TrainingJob

NOUN = "deployments"
TRAINING_JOB = "training_job"


@strawberry.enum(description="Where a deployment stands.")
class DeploymentStatus(Enum):
    QUEUED = strawberry.enum_value("queued", description="It waits for free hardware.")
    PROVISIONING = strawberry.enum_value("provisioning", description="Its first replica starts.")
    SERVING = strawberry.enum_value("serving", description="It answers.")
    UNHEALTHY = strawberry.enum_value("unhealthy", description="No replica answers; they are being replaced.")
    STOPPED = strawberry.enum_value("stopped", description="It was stopped.")
    FAILED = strawberry.enum_value("failed", description="It ended with an error.")


@strawberry.type(description="What a deployment has served since it was made.")
class ServingStats:
    request_count: BigInt = strawberry.field(description="The requests it was asked.")
    prompt_tokens: BigInt = strawberry.field(description="The tokens of their prompts.")
    completion_tokens: BigInt = strawberry.field(description="The tokens of its answers.")
    latency_mean_ms: float = strawberry.field(description="The mean time to a whole answer.")
    error_rate: float = strawberry.field(description="The share answered with a status of 400 or more, 0 to 1.")
    uptime_seconds: float = strawberry.field(description="Since when it first served, until it ended.")

    @classmethod
    def of(cls, totals: Totals) -> Self:
        return cls(
            request_count=BigInt(totals.total_requests),
            prompt_tokens=BigInt(totals.total_prompt_tokens),
            completion_tokens=BigInt(totals.total_completion_tokens),
            latency_mean_ms=totals.avg_latency_ms,
            error_rate=totals.error_rate,
            uptime_seconds=totals.uptime_seconds,
        )


@strawberry.type(description="A model kept ready to answer, over the OpenAI routes.")
class Deployment(Node, Logged):
    log = deployments.streams

    row: strawberry.Private[deployment.Deployment]
    name: str = strawberry.field(description="Its name, unique among the active ones: the `model` of a chat call.")
    status: DeploymentStatus = strawberry.field(description="Where it stands.")
    source: ModelSource = strawberry.field(description="What it is made of.")
    model: str = strawberry.field(description="The job or checkpoint, or the name of the model.")
    revision: str | None = strawberry.field(description="The commit of the model, where it came from Hugging Face.")
    version: int = strawberry.field(description="The number of the version that is wanted: the newest that has not failed.")
    endpoint_url: str | None = strawberry.field(description="The path of its chat route, once it has served.")
    hardware_requested: Hardware = strawberry.field(description="What was asked for.")
    hardware: Hardware | None = strawberry.field(description="What it really runs on, once it is placed.")
    min_replicas: int = strawberry.field(description="The fewest replicas; 0 where it may scale to none while nobody asks.")
    max_replicas: int = strawberry.field(description="The most replicas.")
    desired_replicas: int = strawberry.field(description="The replicas that the autoscaler wants now, unless it is paused.")
    target_rps: float = strawberry.field(description="The requests a second that a replica is to get.")
    target_latency_p95_ms: float = strawberry.field(
        description="The time to the whole answer that 95 % of the requests are to keep within."
    )
    stabilisation_window_seconds: int = strawberry.field(
        description="How long the load has to be lower before there are fewer replicas."
    )
    max_batch_size: int | None = strawberry.field(
        description="How many requests a replica works on at once; null leaves it to the engine."
    )
    extra_args: list[str] = strawberry.field(description="Flags for the engine, such as `--max-model-len=4096`.")
    engine: str | None = strawberry.field(description="What runs the model, such as `vllm`, once that is known.")
    engine_reason: str | None = strawberry.field(description="Why this engine.")
    upstream_url: str | None = strawberry.field(description="The server that answers, where this deployment adopted one.")
    paused_at: datetime | None = strawberry.field(description="Since when it is paused: it has no replicas and costs nothing.")
    wake_requested_at: datetime | None = strawberry.field(description="When a request last found no replica.")
    error: str | None = strawberry.field(description="Why it failed.")
    total_cost: Money = strawberry.field(description="What has been charged so far.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    serving_since: datetime | None = strawberry.field(description="When it first served.")
    stopped_at: datetime | None = strawberry.field(description="When it ended.")

    @classmethod
    def of(cls, row: deployment.Deployment) -> Self:
        return cls(
            row=row,
            id=strawberry.ID(row.id),
            name=row.name,
            status=DeploymentStatus(row.status),
            source=ModelSource(row.source),
            model=row.model,
            revision=row.revision,
            version=row.version,
            endpoint_url=row.endpoint_url,
            hardware_requested=Hardware.of(row.gpu_requested, row.provider_requested),
            hardware=None if row.gpu is None else Hardware.of(row.gpu, row.provider),
            min_replicas=row.min_replicas,
            max_replicas=row.max_replicas,
            desired_replicas=row.desired_replicas,
            target_rps=row.target_rps,
            target_latency_p95_ms=row.target_latency_p95_ms,
            stabilisation_window_seconds=row.stabilisation_window_s,
            max_batch_size=row.max_batch_size,
            extra_args=row.extra_args,
            engine=row.engine,
            engine_reason=row.engine_reason,
            upstream_url=row.upstream_url,
            paused_at=row.paused_at,
            wake_requested_at=row.wake_requested_at,
            error=row.error,
            total_cost=Money.of(row.cost_micros),
            created_at=row.created_at,
            updated_at=row.updated_at,
            serving_since=row.serving_since,
            stopped_at=row.stopped_at,
        )

    @strawberry.field(
        description="What the key in use may do with it now: `chat`, `delete`, `pause`, `resume`, `scale`, `stop`, `update`."
    )
    def viewer_can(self, info: Info) -> list[str]:
        return deployments.allowed(info.context.known, self.row)

    @strawberry.field(description="The job whose model it serves; null where it has a model by name, or the job was deleted.")
    async def job(self, info: Info) -> Annotated["TrainingJob", strawberry.lazy("schema.jobs")] | None:
        from schema.jobs import TrainingJob

        if self.row.source != TRAINING_JOB:
            return None
        loaders, wanted = info.context.loaders, self.row.model
        if wanted.startswith("ckpt_"):
            checkpoint = await loaders.checkpoint.load(wanted)
            if checkpoint is None:
                return None
            wanted = checkpoint.job_id
        row = await loaders.job_of_deployment.load(wanted)
        return None if row is None else TrainingJob.of(row)

    @strawberry.field(description="The checkpoint it serves, where it is made of a job that was not deleted.")
    async def checkpoint(self, info: Info) -> Checkpoint | None:
        wanted = self.row.checkpoint_id
        row = None if wanted is None else await info.context.loaders.checkpoint.load(wanted)
        return None if row is None else Checkpoint.of(row)

    @strawberry.field(description="Its engine processes, newest first.")
    async def replicas(self, info: Info) -> list[Replica]:
        return [Replica.of(row) for row in await info.context.loaders.replicas_of_deployment.load(self.row.id)]

    @strawberry.field(description="What an hour of the replicas that it has now costs.")
    async def hourly_cost(self, info: Info) -> Money:
        return hourly(await info.context.loaders.replicas_of_deployment.load(self.row.id))

    @strawberry.field(description="What it serves and has served, newest first.")
    async def versions(self, info: Info) -> list[DeploymentVersion]:
        return [DeploymentVersion.of(row) for row in await info.context.loaders.versions_of_deployment.load(self.row.id)]

    @strawberry.field(description="What the autoscaler decided about it, newest first.")
    async def decisions(
        self, info: Info, last: Annotated[int, strawberry.argument(description="How many to give: 1 to 100.")] = 50
    ) -> list[ScalingDecision]:
        found = await decisions.page(info.context.known, self.row.id, limit=within(last, name="last"))
        return [ScalingDecision.of(each) for each in found.items]

    @strawberry.field(
        description="Its load over time, oldest first. Where there are more samples than `points`, each stands for a bucket "
        "of time, at its end: counts are sums, a median the mean of medians weighted by their requests, a 95th percentile the "
        "highest, which that of the bucket does not exceed, and what engines do is shown at its highest. A bucket in which "
        "nothing was sampled is left out."
    )
    async def loads(
        self,
        info: Info,
        since: Annotated[
            datetime | None,
            strawberry.argument(name="from", description="Only samples after this; by default all."),
        ] = None,
        until: Annotated[
            datetime | None, strawberry.argument(name="to", description="Only samples until then; until now by default.")
        ] = None,
        points: Annotated[int, strawberry.argument(description="How many to give at most: 1 to 1,000.")] = 200,
    ) -> list[ServingSample]:
        found = await loads.read(info.context.known, self.row.id, since=since, until=until, points=points)
        return [ServingSample.of(row) for row in found]

    @strawberry.field(description="What it has served since it was made.")
    async def stats(self, info: Info) -> ServingStats:
        return ServingStats.of(await info.context.loaders.totals_of_deployment.load(self.row.id))

    @strawberry.field(description="What it was asked, newest first.")
    async def requests(self, info: Info, first: First = 50, after: After = None) -> InferenceRequestConnection:
        noun = f"{self.row.id}/requests"
        page = await deployments.requests(
            info.context.known, self.row.id, limit=within(first), after=cursors.read_item(after, noun)
        )
        return connect_page(InferenceRequestConnection, noun, page, InferenceRequest.of, after)

    @strawberry.field(description="What happened to it, oldest first.")
    async def events(self, info: Info, first: FirstRows = 50, after: After = None) -> DeploymentEventConnection:
        made, of = DeploymentEventConnection, DeploymentEvent.of
        return await streams.page_of(info, made, of, deployments.rows, self.row.id, "events", first, after)


@strawberry.type(description="A page of deployments.")
class DeploymentConnection(Connection[Deployment]): ...


@strawberry.input(description="Which deployments to list.")
class DeploymentFilter:
    source: ModelSource | None = strawberry.field(default=None, description="Only those made of this.")
    model: str | None = strawberry.field(
        default=None, description="Only those of this job, by its id, or of this model, by name."
    )
    search: str | None = strawberry.field(
        default=None, description="Only those whose name contains this, whatever its case, and the one with this id."
    )
    created_after: datetime | None = strawberry.field(default=None, description="Only those made at this moment or later.")
    created_before: datetime | None = strawberry.field(default=None, description="Only those made before this moment.")

    @property
    def terms(self) -> dict[str, Any]:
        """What `resolvers.deployments.page` calls it."""
        return {
            "source": None if self.source is None else self.source.value,
            "model": self.model,
            "search": self.search,
            "created": Span(self.created_after, self.created_before),
        }


@strawberry.type
class DeploymentQueries:
    @strawberry.field(description="A deployment; null where the account has no such deployment.")
    async def deployment(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `dep_…`.")]
    ) -> Deployment | None:
        row = await info.context.loaders.deployment.load(id)
        return None if row is None else Deployment.of(row)

    @strawberry.field(description="The account's deployments, newest first.")
    async def deployments(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        status: Annotated[list[DeploymentStatus] | None, strawberry.argument(description="Only those in one of these.")] = None,
        filter: Annotated[
            DeploymentFilter | None, strawberry.argument(description="Which of these to list; all by default.")
        ] = None,
    ) -> DeploymentConnection:
        ctx = info.context.known
        terms: dict[str, Any] = {} if filter is None else filter.terms
        terms |= {} if status is None else {"status": [str(item.value) for item in status]}
        page = await deployments.page(ctx, limit=within(first), after=cursors.read_item(after, NOUN), **terms)
        return connect_page(DeploymentConnection, NOUN, page, Deployment.of, after)
