"""Deployments: made, adopted, scaled, updated, paused, stopped and deleted."""

from typing import Annotated, Any

import strawberry

from resolvers import adopting, deployment_changes, deployments
from resolvers.adopting import AdoptInput
from resolvers.context import Context
from resolvers.deployment_inputs import DeploymentInput as DeploymentSpec
from resolvers.deployment_inputs import ScalingInput, VersionInput
from resolvers.inputs import parse
from schema.context import Info
from schema.deployments import Deployment
from schema.errors import Payload, settle
from schema.hardware import HardwareInput
from schema.nodes import Input
from schema.versions import ModelSource

# What the resolvers call what GraphQL gives with its unit.
SCALING_NAMES = {"stabilisation_window": "stabilisationWindowSeconds"}


@strawberry.input(description="A deployment to make.")
class DeploymentInput:
    model: str = strawberry.field(description="The id of a completed job, or the name of a model, as `source` says.")
    name: str = strawberry.field(description="What to call it: the `model` of a chat call. Unique among the active ones.")
    hardware: HardwareInput = strawberry.field(description="What to run on.")
    source: ModelSource = strawberry.field(default=ModelSource.TRAINING_JOB, description="What `model` names.")
    revision: str | None = strawberry.field(default=None, description="With `HUGGINGFACE`: the commit, branch or tag.")
    hf_token: str | None = strawberry.field(
        default=None, description="With `HUGGINGFACE`: a token that may read the model. It is kept encrypted and never shown."
    )
    min_replicas: int = strawberry.field(default=1, description="The fewest replicas; 0 lets it scale to none while nobody asks.")
    max_replicas: int = strawberry.field(default=1, description="The most replicas, at most 64.")
    target_rps: float = strawberry.field(default=10.0, description="The requests a second that a replica is to get.")
    target_latency_p95_ms: float = strawberry.field(
        default=5000.0,
        description="The time to the whole answer that 95 % of the requests are to keep within.",
    )
    stabilisation_window_seconds: int = strawberry.field(
        default=300, description="How long the load has to be lower before there are fewer replicas: up to a day."
    )
    max_batch_size: int | None = strawberry.field(
        default=None, description="How many requests a replica works on at once; the engine's own choice by default."
    )
    extra_args: list[str] = strawberry.field(
        default_factory=list, description="Flags for the engine, such as `--max-model-len=4096`, of those that are allowed."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="A deployment to act on.")
class DeploymentActionInput:
    id: strawberry.ID = strawberry.field(description="The id of the deployment.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.input(description="How a deployment scales from now on. What is not given stays as it is.")
class ScaleDeploymentInput:
    id: strawberry.ID = strawberry.field(description="The id of the deployment.")
    min_replicas: int | None = strawberry.field(default=None, description="The fewest replicas.")
    max_replicas: int | None = strawberry.field(default=None, description="The most replicas.")
    target_rps: float | None = strawberry.field(default=None, description="The requests a second that a replica is to get.")
    target_latency_p95_ms: float | None = strawberry.field(
        default=None,
        description="The time to the whole answer that 95 % of the requests are to keep within.",
    )
    stabilisation_window_seconds: int | None = strawberry.field(
        default=None, description="How long the load has to be lower before there are fewer replicas."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.input(description="What a deployment is to serve instead.")
class UpdateDeploymentInput:
    id: strawberry.ID = strawberry.field(description="The id of the deployment.")
    model: str = strawberry.field(description="The id of a completed job or of its final checkpoint, or the name of a model.")
    source: ModelSource = strawberry.field(default=ModelSource.TRAINING_JOB, description="What `model` names.")
    revision: str | None = strawberry.field(default=None, description="With `HUGGINGFACE`: the commit, branch or tag.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="A server that runs already, to put a deployment in front of.")
class AdoptDeploymentInput:
    url: str = strawberry.field(description="Where it answers as OpenAI does, such as `http://10.0.0.7:8000`; `/v1` may follow.")
    name: str = strawberry.field(description="What to call the deployment: the `model` of a chat call.")
    model: str | None = strawberry.field(
        default=None, description="What the server calls the model; found out where it serves only one."
    )
    api_key: str | None = strawberry.field(
        default=None, description="What the server wants as a bearer token. It is kept encrypted and never shown."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.type(description="The deployment.")
class DeploymentPayload(Payload):
    deployment: Deployment | None = strawberry.field(default=None, description="The deployment.")


@strawberry.type(description="The deployment that is gone.")
class DeleteDeploymentPayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="Its id.")


@strawberry.type
class DeploymentMutations:
    @strawberry.mutation(description="Queue a deployment, with an hour of its hardware's price set aside.")
    async def create_deployment(self, info: Info, input: Annotated[DeploymentInput, Input]) -> DeploymentPayload:
        async def act(ctx: Context) -> DeploymentPayload:
            return DeploymentPayload(deployment=Deployment.of(await deployments.create(ctx, _spec(input))))

        return await settle(info, input, DeploymentPayload, act, SCALING_NAMES)

    @strawberry.mutation(
        description="Make a deployment of a server that runs already, with keys, metering and logs in front. It costs nothing, "
        "and is for accounts of the operator alone."
    )
    async def adopt_deployment(self, info: Info, input: Annotated[AdoptDeploymentInput, Input]) -> DeploymentPayload:
        async def act(ctx: Context) -> DeploymentPayload:
            given = {"url": input.url, "name": input.name, "model": input.model, "api_key": input.api_key}
            return DeploymentPayload(deployment=Deployment.of(await adopting.adopt(ctx, parse(AdoptInput, given))))

        return await settle(info, input, DeploymentPayload, act)

    @strawberry.mutation(description="Change how a deployment scales: at once, without an interruption.")
    async def scale_deployment(self, info: Info, input: Annotated[ScaleDeploymentInput, Input]) -> DeploymentPayload:
        async def act(ctx: Context) -> DeploymentPayload:
            return DeploymentPayload(deployment=Deployment.of(await deployment_changes.scale(ctx, input.id, _scaling(input))))

        return await settle(info, input, DeploymentPayload, act, SCALING_NAMES)

    @strawberry.mutation(
        description="Serve another model under the same name. Replicas of the new version take over as they get ready, and no "
        "request fails; where they do not get ready, the version before goes on."
    )
    async def update_deployment(self, info: Info, input: Annotated[UpdateDeploymentInput, Input]) -> DeploymentPayload:
        async def act(ctx: Context) -> DeploymentPayload:
            spec = parse(VersionInput, {"model": input.model, "source": input.source.value, "revision": input.revision})
            return DeploymentPayload(deployment=Deployment.of(await deployment_changes.update(ctx, input.id, spec)))

        return await settle(info, input, DeploymentPayload, act)

    @strawberry.mutation(description="Let a deployment end what it has begun and then cost nothing, until it is resumed.")
    async def pause_deployment(self, info: Info, input: Annotated[DeploymentActionInput, Input]) -> DeploymentPayload:
        async def act(ctx: Context) -> DeploymentPayload:
            return DeploymentPayload(deployment=Deployment.of(await deployment_changes.pause(ctx, input.id)))

        return await settle(info, input, DeploymentPayload, act)

    @strawberry.mutation(description="Start a paused deployment again, with an hour of its hardware's price set aside.")
    async def resume_deployment(self, info: Info, input: Annotated[DeploymentActionInput, Input]) -> DeploymentPayload:
        async def act(ctx: Context) -> DeploymentPayload:
            return DeploymentPayload(deployment=Deployment.of(await deployment_changes.resume(ctx, input.id)))

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
        "revision": input.revision,
        "hf_token": input.hf_token,
        "max_batch_size": input.max_batch_size,
        "extra_args": input.extra_args,
        **_given(input),
    }
    return parse(DeploymentSpec, given)


def _scaling(input: ScaleDeploymentInput) -> ScalingInput:
    return parse(ScalingInput, _given(input))


def _given(input: DeploymentInput | ScaleDeploymentInput) -> dict[str, Any]:
    return {
        "min_replicas": input.min_replicas,
        "max_replicas": input.max_replicas,
        "target_rps": input.target_rps,
        "target_latency_p95_ms": input.target_latency_p95_ms,
        "stabilisation_window": input.stabilisation_window_seconds,
    }
