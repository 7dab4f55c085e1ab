"""Training jobs: made, listed, read and cancelled."""

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from models import job
from resolvers import cursors, jobs, metrics, progress
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.jobs import JobInput
from schema import rollouts, streams
from schema.checkpoints import Checkpoint
from schema.context import Info
from schema.datasets import Dataset
from schema.errors import Payload, settle
from schema.hardware import Hardware, HardwareInput
from schema.loaders import need
from schema.nodes import After, Connection, First, FirstRows, Input, Money, Node, connect_page, within
from schema.reward_functions import RewardFunction
from schema.rollouts import RolloutGroupConnection
from schema.scalars import JSON
from schema.streams import JobEvent, JobEventConnection, LogConnection, LogLine, MetricSeries

if TYPE_CHECKING:
    from schema.deployments import Deployment

NOUN = "jobs"
LAST_LOGS = 20


@strawberry.enum(description="Where a training job stands.")
class JobStatus(Enum):
    QUEUED = strawberry.enum_value("queued", description="It waits for free hardware.")
    PROVISIONING = strawberry.enum_value("provisioning", description="A host has taken it and prepares it.")
    RUNNING = strawberry.enum_value("running", description="It trains.")
    COMPLETED = strawberry.enum_value("completed", description="It is done, and its model can be deployed.")
    FAILED = strawberry.enum_value("failed", description="It ended with an error.")
    CANCELLED = strawberry.enum_value("cancelled", description="It was cancelled.")


@strawberry.enum(description="What a job is doing at this moment.")
class JobPhase(Enum):
    VALIDATING = strawberry.enum_value("validating", description="It checks what it was given.")
    PULLING_MODEL = strawberry.enum_value("pulling_model", description="It fetches the base model.")
    STARTING = strawberry.enum_value("starting", description="It loads the model.")
    GENERATING = strawberry.enum_value("generating", description="It samples completions.")
    SCORING = strawberry.enum_value("scoring", description="The reward function scores them.")
    UPDATING = strawberry.enum_value("updating", description="The weights learn from them.")
    SAVING = strawberry.enum_value("saving", description="It writes a checkpoint.")
    UPLOADING = strawberry.enum_value("uploading", description="It stores a checkpoint.")


@strawberry.enum(description="How a model is trained.")
class Method(Enum):
    GRPO = strawberry.enum_value("grpo", description="Group relative policy optimisation, by TRL.")


@strawberry.type(description="How far a job is.")
class Progress:
    step: int = strawberry.field(description="The steps that are done.")
    total_steps: int | None = strawberry.field(description="The steps there are, once that is known.")
    fraction: float | None = strawberry.field(description="The share that is done, 0 to 1.")
    seconds_per_step: float | None = strawberry.field(description="The mean time of a step so far.")
    eta_seconds: int | None = strawberry.field(description="The time left, estimated from that; while it runs.")


@strawberry.type(description="What a job costs.")
class JobCost:
    total: Money = strawberry.field(description="What has been charged so far.")


@strawberry.type(description="Why a job failed.")
class JobFailure:
    job_id: strawberry.Private[str]
    code: str = strawberry.field(description="A fixed word, such as `reward_function_error` or `model_unavailable`.")
    message: str = strawberry.field(description="What went wrong, for a person.")
    attribution: str = strawberry.field(description="Who can put it right: `user` or `platform`.")
    user_code_line: int | None = strawberry.field(description="The line of the reward function, where it is to blame.")

    @strawberry.field(description="The last lines of the job's log.")
    async def last_logs(self, info: Info) -> list[LogLine]:
        rows = await jobs.last_rows(info.context.known, self.job_id, "logs", LAST_LOGS)
        return [LogLine.of(self.job_id, row) for row in rows]


@strawberry.type(description="A training run: a base model that learns from a reward function over a dataset.")
class TrainingJob(Node):
    row: strawberry.Private[job.Job]
    output_name: str = strawberry.field(description="What the trained model is called.")
    status: JobStatus = strawberry.field(description="Where it stands.")
    phase: JobPhase | None = strawberry.field(description="What it is doing, while it runs.")
    method: Method = strawberry.field(description="How it trains.")
    base_model: str = strawberry.field(description="The model it starts from: a registered name or a Hugging Face id.")
    base_revision: str | None = strawberry.field(description="The commit of that model, pinned at the start.")
    hyperparameters: JSON = strawberry.field(description="All hyperparameters, the defaults too.")
    hyperparameters_defaulted: list[str] = strawberry.field(description="Those that were not given.")
    hardware_requested: Hardware = strawberry.field(description="What was asked for.")
    hardware: Hardware | None = strawberry.field(description="What it really runs on, once it is placed.")
    attempt: int = strawberry.field(
        description="How many times a host has taken it up; a later attempt resumes from a checkpoint."
    )
    metric_keys: list[str] = strawberry.field(description="The metrics it has reported.")
    cost: JobCost = strawberry.field(description="What it costs.")
    error: JobFailure | None = strawberry.field(description="Why it failed.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    started_at: datetime | None = strawberry.field(description="When it first ran.")
    completed_at: datetime | None = strawberry.field(description="When it ended, in whatever way.")

    @classmethod
    def of(cls, row: job.Job) -> Self:
        return cls(
            row=row,
            id=strawberry.ID(row.id),
            output_name=row.output_name,
            status=JobStatus(row.status),
            phase=None if row.phase is None else JobPhase(row.phase),
            method=Method(row.method),
            base_model=row.base_model,
            base_revision=row.base_revision,
            hyperparameters=JSON(row.hyperparameters),
            hyperparameters_defaulted=row.hyperparameters_defaulted,
            hardware_requested=Hardware.of(row.gpu_requested, row.provider_requested),
            hardware=None if row.gpu is None else Hardware.of(row.gpu, row.provider),
            attempt=row.attempt,
            metric_keys=sorted(row.metric_keys),
            cost=JobCost(total=Money.of(row.cost_micros)),
            error=None if row.error is None else JobFailure(job_id=row.id, **row.error),
            created_at=row.created_at,
            updated_at=row.updated_at,
            started_at=row.started_at,
            completed_at=row.completed_at,
        )

    @strawberry.field(description="How far it is.")
    def progress(self) -> Progress:
        found = progress.of(self.row)
        return Progress(
            step=found.step,
            total_steps=found.total_steps,
            fraction=found.fraction,
            seconds_per_step=found.seconds_per_step,
            eta_seconds=found.eta_seconds,
        )

    @strawberry.field(description="What it learns on.")
    async def dataset(self, info: Info) -> Dataset:
        return Dataset.of(await need(info.context.loaders.dataset, self.row.dataset_id))

    @strawberry.field(description="What scores its completions.")
    async def reward_function(self, info: Info) -> RewardFunction | None:
        wanted = self.row.reward_function_id
        return None if wanted is None else RewardFunction.of(await need(info.context.loaders.reward_function, wanted))

    @strawberry.field(description="What it has saved, oldest first.")
    async def checkpoints(self, info: Info) -> list[Checkpoint]:
        return [Checkpoint.of(row) for row in await info.context.loaders.checkpoints_of_job.load(self.row.id)]

    @strawberry.field(description="The deployments of its model, newest first.")
    async def deployments(self, info: Info) -> list[Annotated["Deployment", strawberry.lazy("schema.deployments")]]:
        from schema.deployments import Deployment

        return [Deployment.of(row) for row in await info.context.loaders.deployments_of_job.load(self.row.id)]

    @strawberry.field(description="Its metrics as columns, each thinned to at most `maxPoints` with the extremes kept.")
    async def metrics(
        self,
        info: Info,
        keys: Annotated[list[str] | None, strawberry.argument(description="Only these metrics.")] = None,
        from_step: Annotated[int | None, strawberry.argument(description="From this step on.")] = None,
        to_step: Annotated[int | None, strawberry.argument(description="Up to this step, inclusive.")] = None,
        max_points: Annotated[int, strawberry.argument(description="The most points a metric may have: 3 to 10,000.")] = 500,
    ) -> list[MetricSeries]:
        found = await metrics.columns(
            info.context.known, self.row.id, keys=keys, from_step=from_step, to_step=to_step, max_points=max_points
        )
        return [MetricSeries.of(column) for column in found]

    @strawberry.field(description="Its log, oldest line first.")
    async def logs(self, info: Info, first: FirstRows = 200, after: After = None) -> LogConnection:
        return await streams.page_of(info, LogConnection, LogLine.of, jobs.rows, self.row.id, "logs", first, after)

    @strawberry.field(description="What happened to it, oldest first.")
    async def events(self, info: Info, first: FirstRows = 50, after: After = None) -> JobEventConnection:
        return await streams.page_of(info, JobEventConnection, JobEvent.of, jobs.rows, self.row.id, "events", first, after)

    @strawberry.field(description="What the model wrote while it trained, by prompt and step.")
    async def rollout_groups(
        self,
        info: Info,
        step: Annotated[int | None, strawberry.argument(description="Only those of this step.")] = None,
        first: First = 10,
        after: After = None,
    ) -> RolloutGroupConnection:
        return await rollouts.page_of(info, self.row.id, step, first, after)


@strawberry.type(description="A page of training jobs.")
class JobConnection(Connection[TrainingJob]): ...


@strawberry.input(description="Which jobs to list.")
class JobFilter:
    status: list[JobStatus] | None = strawberry.field(default=None, description="Only those in one of these.")
    method: Method | None = strawberry.field(default=None, description="Only those that train this way.")


@strawberry.input(description="A training job to make.")
class TrainingJobInput:
    base_model: str = strawberry.field(description="The model to start from: a registered name or a Hugging Face id.")
    dataset_id: strawberry.ID = strawberry.field(description="The dataset to learn on.")
    reward_function_id: strawberry.ID = strawberry.field(description="The reward function to learn from.")
    output_name: str = strawberry.field(description="What to call the trained model.")
    hardware: HardwareInput = strawberry.field(description="What to run on.")
    method: Method = strawberry.field(default=Method.GRPO, description="How to train.")
    hyperparameters: JSON | None = strawberry.field(
        default=None, description='An object of hyperparameters, such as `{"learning_rate": 1e-5, "max_steps": 100}`.'
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
class JobQueries:
    @strawberry.field(description="A training job; null where the account has no such job.")
    async def job(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `job_…`.")]
    ) -> TrainingJob | None:
        await info.context.caller()
        row = await info.context.loaders.job.load(id)
        return None if row is None else TrainingJob.of(row)

    @strawberry.field(description="The account's training jobs, newest first.")
    async def jobs(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        filter: Annotated[JobFilter | None, strawberry.argument(description="Which to list; all by default.")] = None,
    ) -> JobConnection:
        ctx = await info.context.caller()
        wanted = filter or JobFilter()
        page = await jobs.page(
            ctx,
            status=None if wanted.status is None else [str(status.value) for status in wanted.status],
            method=None if wanted.method is None else str(wanted.method.value),
            limit=within(first),
            after=cursors.read_item(after, NOUN),
        )
        return connect_page(JobConnection, NOUN, page, TrainingJob.of, after)


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
        "gpu": input.hardware.as_gpu,
        "provider": input.hardware.provider,
    }
    return parse(JobInput, given)
