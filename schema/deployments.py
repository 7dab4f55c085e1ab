"""Deployments: made, listed, read and stopped; their replicas and what they were asked."""

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry

from burnish.kit.paging import Span
from models import deployment, replica
from resolvers import cursors, deployments
from resolvers.context import Context
from resolvers.deployment_inputs import DeploymentInput as DeploymentSpec
from resolvers.deployments import Totals
from resolvers.inputs import parse
from schema import streams
from schema.checkpoints import Checkpoint
from schema.context import Info
from schema.errors import Payload, settle
from schema.hardware import Hardware, HardwareInput
from schema.logs import Logged
from schema.nodes import After, Connection, First, FirstRows, Input, Money, Node, connect_page, within
from schema.scalars import BigInt
from schema.streams import DeploymentEvent, DeploymentEventConnection

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


@strawberry.enum(description="What a deployment is made of.")
class ModelSource(Enum):
    TRAINING_JOB = strawberry.enum_value("training_job", description="The model of a completed training job, named by its id.")
    HUGGINGFACE = strawberry.enum_value("huggingface", description="A registered model or one of Hugging Face, by name.")


@strawberry.type(description="One engine process of a deployment.")
class Replica:
    id: strawberry.ID = strawberry.field(description="The id of the replica.")
    status: str = strawberry.field(
        description="Where it stands: `pending`, `pulling`, `loading`, `warming`, `running`, `draining`, `stopped` or `failed`."
    )
    host_id: strawberry.ID = strawberry.field(description="The host it runs on; empty until one has taken it.")
    failure: str | None = strawberry.field(description="Why it ended, where that was not asked for.")
    last_health_at: datetime | None = strawberry.field(description="When it last answered a health check.")
    created_at: datetime = strawberry.field(description="When it was started.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")

    @classmethod
    def of(cls, row: replica.Replica) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            status=row.status,
            host_id=strawberry.ID(row.host_id or ""),
            failure=row.fail_reason,
            last_health_at=row.last_health_at,
            created_at=row.created_at,
            ended_at=row.ended_at,
        )


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


@strawberry.type(description="One call of a deployment: counts and times, never what was said.")
class InferenceRequest(Node):
    prompt_tokens: int = strawberry.field(description="The tokens of the prompt.")
    completion_tokens: int = strawberry.field(description="The tokens of the answer.")
    latency_ms: float = strawberry.field(description="The time to the whole answer.")
    ttft_ms: float | None = strawberry.field(description="The time to the first token, where the answer was streamed.")
    status_code: int = strawberry.field(description="The HTTP status of the answer.")
    streamed: bool = strawberry.field(description="Whether the answer was streamed.")
    finish_reason: str | None = strawberry.field(description="Why the answer ended, such as `stop` or `length`.")
    client_cancelled: bool = strawberry.field(description="Whether the caller left before the end.")
    error_message: str | None = strawberry.field(description="What went wrong.")
    created_at: datetime = strawberry.field(description="When it arrived.")

    @classmethod
    def of(cls, row: deployment.InferenceRequest) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            latency_ms=row.latency_ms,
            ttft_ms=row.ttft_ms,
            status_code=row.status_code,
            streamed=row.streamed,
            finish_reason=row.finish_reason,
            client_cancelled=row.client_cancelled,
            error_message=row.error_message,
            created_at=row.created_at,
        )


@strawberry.type(description="A page of inference requests, newest first.")
class InferenceRequestConnection(Connection[InferenceRequest]): ...


@strawberry.type(description="A model kept ready to answer, over the OpenAI routes.")
class Deployment(Node, Logged):
    log = deployments.streams

    row: strawberry.Private[deployment.Deployment]
    name: str = strawberry.field(description="Its name, unique among the active ones: the `model` of a chat call.")
    status: DeploymentStatus = strawberry.field(description="Where it stands.")
    source: ModelSource = strawberry.field(description="What it is made of.")
    model: str = strawberry.field(description="The job, or the name of the model.")
    revision: str | None = strawberry.field(description="The commit of the model, where it came from Hugging Face.")
    endpoint_url: str | None = strawberry.field(description="The path of its chat route, once it has served.")
    hardware_requested: Hardware = strawberry.field(description="What was asked for.")
    hardware: Hardware | None = strawberry.field(description="What it really runs on, once it is placed.")
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
            endpoint_url=row.endpoint_url,
            hardware_requested=Hardware.of(row.gpu_requested, row.provider_requested),
            hardware=None if row.gpu is None else Hardware.of(row.gpu, row.provider),
            error=row.error,
            total_cost=Money.of(row.cost_micros),
            created_at=row.created_at,
            updated_at=row.updated_at,
            serving_since=row.serving_since,
            stopped_at=row.stopped_at,
        )

    @strawberry.field(description="What the key in use may do with it as it stands: `chat`, `delete`, `stop`.")
    def viewer_can(self, info: Info) -> list[str]:
        return deployments.allowed(info.context.known, self.row)

    @strawberry.field(description="The job whose model it serves; null where it has a model by name, or the job was deleted.")
    async def job(self, info: Info) -> Annotated["TrainingJob", strawberry.lazy("schema.jobs")] | None:
        from schema.jobs import TrainingJob

        if self.row.source != TRAINING_JOB:
            return None
        row = await info.context.loaders.job_of_deployment.load(self.row.model)
        return None if row is None else TrainingJob.of(row)

    @strawberry.field(description="The checkpoint it serves, where it is made of a job that was not deleted.")
    async def checkpoint(self, info: Info) -> Checkpoint | None:
        wanted = self.row.checkpoint_id
        row = None if wanted is None else await info.context.loaders.checkpoint.load(wanted)
        return None if row is None else Checkpoint.of(row)

    @strawberry.field(description="Its engine processes, newest first.")
    async def replicas(self, info: Info) -> list[Replica]:
        return [Replica.of(row) for row in await info.context.loaders.replicas_of_deployment.load(self.row.id)]

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


@strawberry.input(description="A deployment to make.")
class DeploymentInput:
    model: str = strawberry.field(description="The id of a completed job, or the name of a model, as `source` says.")
    name: str = strawberry.field(description="What to call it: the `model` of a chat call. Unique among the active ones.")
    hardware: HardwareInput = strawberry.field(description="What to run on.")
    source: ModelSource = strawberry.field(default=ModelSource.TRAINING_JOB, description="What `model` names.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="A deployment to act on.")
class DeploymentActionInput:
    id: strawberry.ID = strawberry.field(description="The id of the deployment.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="The deployment.")
class DeploymentPayload(Payload):
    deployment: Deployment | None = strawberry.field(default=None, description="The deployment.")


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


@strawberry.type(description="The deployment that is gone.")
class DeleteDeploymentPayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="Its id.")


@strawberry.type
class DeploymentMutations:
    @strawberry.mutation(description="Queue a deployment, with an hour of its hardware's price set aside.")
    async def create_deployment(self, info: Info, input: Annotated[DeploymentInput, Input]) -> DeploymentPayload:
        async def act(ctx: Context) -> DeploymentPayload:
            return DeploymentPayload(deployment=Deployment.of(await deployments.create(ctx, _spec(input))))

        return await settle(info, input, DeploymentPayload, act)

    @strawberry.mutation(description="Stop a deployment; one that has ended is given back as it is.")
    async def stop_deployment(self, info: Info, input: Annotated[DeploymentActionInput, Input]) -> DeploymentPayload:
        async def act(ctx: Context) -> DeploymentPayload:
            return DeploymentPayload(deployment=Deployment.of(await deployments.stop(ctx, input.id)))

        return await settle(info, input, DeploymentPayload, act)

    @strawberry.mutation(description="Delete a deployment that has ended, with its log. What it cost stays.")
    async def delete_deployment(self, info: Info, input: Annotated[DeploymentActionInput, Input]) -> DeleteDeploymentPayload:
        async def act(ctx: Context) -> DeleteDeploymentPayload:
            return DeleteDeploymentPayload(deleted_id=strawberry.ID((await deployments.delete(ctx, input.id)).id))

        return await settle(info, input, DeleteDeploymentPayload, act)


def _spec(input: DeploymentInput) -> DeploymentSpec:
    given = {
        "model": input.model,
        "name": input.name,
        "source": input.source.value,
        "gpu": input.hardware.as_gpu,
        "provider": input.hardware.provider,
    }
    return parse(DeploymentSpec, given)
