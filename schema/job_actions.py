"""Training jobs: made and cancelled."""

from decimal import Decimal
from typing import Annotated

import strawberry

from resolvers import jobs
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.jobs import JobInput
from schema.context import Info
from schema.errors import Payload, settle
from schema.hardware import HardwareInput
from schema.jobs import Method, TrainingJob
from schema.nodes import Input
from schema.scalars import JSON


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
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="A training job to act on.")
class JobActionInput:
    id: strawberry.ID = strawberry.field(description="The id of the job.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="The training job.")
class TrainingJobPayload(Payload):
    job: TrainingJob | None = strawberry.field(default=None, description="The job.")


@strawberry.type
class JobMutations:
    @strawberry.mutation(description="Queue a training job, with an hour of its hardware's price set aside.")
    async def create_training_job(self, info: Info, input: Annotated[TrainingJobInput, Input]) -> TrainingJobPayload:
        async def act(ctx: Context) -> TrainingJobPayload:
            return TrainingJobPayload(job=TrainingJob.of(await jobs.create(ctx, _spec(input))))

        return await settle(info, input, TrainingJobPayload, act)

    @strawberry.mutation(description="Cancel a training job: at once for you, within its current step in fact.")
    async def cancel_training_job(self, info: Info, input: Annotated[JobActionInput, Input]) -> TrainingJobPayload:
        async def act(ctx: Context) -> TrainingJobPayload:
            return TrainingJobPayload(job=TrainingJob.of(await jobs.cancel(ctx, input.id)))

        return await settle(info, input, TrainingJobPayload, act)


def _spec(input: TrainingJobInput) -> JobInput:
    given = {
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
    }
    return parse(JobInput, given)
