"""Training jobs: planned, made, cancelled, kept alive and deleted."""

from decimal import Decimal
from typing import Annotated, Any

import strawberry

from engines.compute.hardware import as_json
from resolvers import jobs
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.jobs import JobInput
from schema.checkpoints import CheckpointWeights
from schema.context import Info
from schema.errors import NAMES, Payload, settle, user_errors
from schema.hardware import Hardware, HardwareInput, HardwareOffer
from schema.jobs import DestinationType, TrainingJob
from schema.memory import MemoryEstimate
from schema.methods import Method
from schema.nodes import Input, Money
from schema.scalars import JSON


@strawberry.input(description="Where a trained model goes, besides the platform's own storage.")
class CheckpointDestinationInput:
    type: DestinationType = strawberry.field(description="The kind of place.")
    uri: str | None = strawberry.field(default=None, description="With `S3`: the folder, `s3://bucket/folder`.")
    repo: str | None = strawberry.field(default=None, description="With `HF`: the repository, `owner/name`.")
    private: bool | None = strawberry.field(
        default=None, description="With `HF`: whether a repository that has to be made is private; true by default."
    )
    weights: CheckpointWeights | None = strawberry.field(
        default=None,
        description="Which weights of a model that is trained as an adapter, all that there are by default. With `VERI` it is "
        "what downloads hold where they are not asked for others.",
    )
    archive: bool | None = strawberry.field(
        default=None, description="With `S3`: whether the files go as one `.tar.gz`, called as the model is; false by default."
    )

    @property
    def given(self) -> dict[str, Any]:
        return {
            "type": self.type.value,
            "uri": self.uri,
            "repo": self.repo,
            "private": self.private,
            "weights": None if self.weights is None else self.weights.value,
            "archive": self.archive,
        }


@strawberry.input(description="A training job to make.")
class TrainingJobInput:
    base_model: str = strawberry.field(description="The model to start from: a registered name or a Hugging Face id.")
    dataset_id: strawberry.ID = strawberry.field(description="The dataset to learn on.")
    output_name: str = strawberry.field(description="What to call the trained model.")
    hardware: HardwareInput = strawberry.field(description="What to run on.")
    reward_function_id: strawberry.ID | None = strawberry.field(
        default=None, description="The reward function to learn from; `GRPO` needs one."
    )
    method: Method = strawberry.field(default=Method.GRPO, description="How to train.")
    hyperparameters: JSON | None = strawberry.field(
        default=None, description='An object of hyperparameters, such as `{"learning_rate": 1e-5, "max_steps": 100}`.'
    )
    environments: JSON | None = strawberry.field(
        default=None, description="An object of environments to learn in. They need an integration, which has to be configured."
    )
    max_cost_usd: Decimal | None = strawberry.field(
        default=None, description="The most it may cost, in dollars: before it costs more, it saves a checkpoint and stops."
    )
    checkpoint_destination: CheckpointDestinationInput | None = strawberry.field(
        default=None, description="Where the trained model goes; the platform's own storage by default, where it is kept anyway."
    )
    resume_from: str | None = strawberry.field(
        default=None, description="A checkpoint of another job to go on from: its id, or `job_…@step`. Its steps count."
    )
    requires_heartbeat: bool = strawberry.field(
        default=False,
        description="Whether to end the job when heartbeats of its client came and then none for too long (300 seconds).",
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="A training job to act on.")
class JobActionInput:
    id: strawberry.ID = strawberry.field(description="The id of the job.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="The training job.")
class TrainingJobPayload(Payload):
    job: TrainingJob | None = strawberry.field(default=None, description="The job.")


@strawberry.type(description="What would come of a training job. Nothing was made.")
class TrainingJobPlan:
    hyperparameters: JSON | None = strawberry.field(
        description="All hyperparameters, the defaults too; null where they are wrong."
    )
    offer: HardwareOffer | None = strawberry.field(description="What it would run on, for how much; null for unknown hardware.")
    needed: Money | None = strawberry.field(description="What its start would set aside.")
    balance: Money = strawberry.field(description="The account's credit.")
    free: Money = strawberry.field(description="What of it is not set aside.")
    covered: bool = strawberry.field(description="Whether the credit covers the start.")
    memory: MemoryEstimate | None = strawberry.field(
        description="The memory that it would take; null where that cannot be told, or the rest is wrong."
    )
    memory_unknown: str | None = strawberry.field(description="Why the memory cannot be told; null where it can.")

    @classmethod
    def of(cls, found: jobs.Plan) -> "TrainingJobPlan":
        offer = None
        if found.offer is not None:
            shown = Hardware.of(as_json(found.offer.shape), found.offer.provider)
            offer = HardwareOffer(hardware=shown, price_per_hour=Money.of(found.offer.hour_micros))
        return cls(
            hyperparameters=None if found.hyperparameters is None else JSON(found.hyperparameters),
            offer=offer,
            needed=None if found.needed_micros is None else Money.of(found.needed_micros),
            balance=Money.of(found.balance_micros),
            free=Money.of(found.free_micros),
            covered=found.covered,
            memory=None if found.memory is None else MemoryEstimate.of(vars(found.memory)),
            memory_unknown=found.memory_unknown,
        )


@strawberry.type(description="The plan of a training job; `errors` is everything that would keep it from being made.")
class PlanTrainingJobPayload(Payload):
    plan: TrainingJobPlan | None = strawberry.field(default=None, description="What would come of it.")


@strawberry.type(description="The training job that is gone.")
class DeleteTrainingJobPayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="Its id.")


@strawberry.type
class JobMutations:
    @strawberry.mutation(description="Check a training job without making it: everything that is wrong, its price, the credit.")
    async def plan_training_job(self, info: Info, input: Annotated[TrainingJobInput, Input]) -> PlanTrainingJobPayload:
        async def act(ctx: Context) -> PlanTrainingJobPayload:
            found = await jobs.plan(ctx, _given(input))
            wrong = [shown for problem in found.problems for shown in user_errors(problem, NAMES)]
            return PlanTrainingJobPayload(errors=wrong, plan=TrainingJobPlan.of(found))

        return await settle(info, input, PlanTrainingJobPayload, act, scope="read")

    @strawberry.mutation(description="Queue a training job, with an hour of its hardware's price set aside.")
    async def create_training_job(self, info: Info, input: Annotated[TrainingJobInput, Input]) -> TrainingJobPayload:
        async def act(ctx: Context) -> TrainingJobPayload:
            return TrainingJobPayload(job=TrainingJob.of(await jobs.create(ctx, parse(JobInput, _given(input)))))

        return await settle(info, input, TrainingJobPayload, act)

    @strawberry.mutation(description="Cancel a training job: at once for you, within its current step in fact.")
    async def cancel_training_job(self, info: Info, input: Annotated[JobActionInput, Input]) -> TrainingJobPayload:
        async def act(ctx: Context) -> TrainingJobPayload:
            return TrainingJobPayload(job=TrainingJob.of(await jobs.cancel(ctx, input.id)))

        return await settle(info, input, TrainingJobPayload, act)

    @strawberry.mutation(description="Tell a training job that its client is there; it asks for that with `requiresHeartbeat`.")
    async def heartbeat_training_job(self, info: Info, input: Annotated[JobActionInput, Input]) -> TrainingJobPayload:
        async def act(ctx: Context) -> TrainingJobPayload:
            return TrainingJobPayload(job=TrainingJob.of(await jobs.heartbeat(ctx, input.id)))

        return await settle(info, input, TrainingJobPayload, act)

    @strawberry.mutation(
        description="Delete a training job that has ended, with its checkpoints, its log and its metrics. What it cost stays."
    )
    async def delete_training_job(self, info: Info, input: Annotated[JobActionInput, Input]) -> DeleteTrainingJobPayload:
        async def act(ctx: Context) -> DeleteTrainingJobPayload:
            return DeleteTrainingJobPayload(deleted_id=strawberry.ID((await jobs.delete(ctx, input.id)).id))

        return await settle(info, input, DeleteTrainingJobPayload, act)


def _given(input: TrainingJobInput) -> dict[str, Any]:
    """Return the input as `resolvers.jobs.JobInput` reads it."""
    destination = input.checkpoint_destination
    return {
        "base_model": input.base_model,
        "dataset_id": input.dataset_id,
        "reward_function_id": input.reward_function_id,
        "method": input.method.value,
        "output_name": input.output_name,
        "hyperparameters": {} if input.hyperparameters is None else input.hyperparameters,
        "environments": input.environments,
        "max_cost_usd": input.max_cost_usd,
        "gpu": input.hardware.as_gpu,
        "provider": input.hardware.provider,
        "checkpoint_destination": {"type": "veri"} if destination is None else destination.given,
        "resume_from": input.resume_from,
        "requires_heartbeat": input.requires_heartbeat,
    }
