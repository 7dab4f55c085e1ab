"""Training jobs: made, listed, read and cancelled."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import strawberry
from strawberry.dataloader import DataLoader

from burnish.kit.paging import Page
from models import job
from resolvers import cursors, downloads, exports, jobs, metrics, progress
from resolvers.cursors import Cursor
from schema import streams
from schema.checkpoints import Checkpoint, CheckpointWeights
from schema.context import Info
from schema.datasets import Dataset
from schema.hardware import Hardware
from schema.loaders import LAST_LINES, need
from schema.logs import Logged, LogLine
from schema.memory import MemoryEstimate
from schema.methods import Method
from schema.nodes import After, Connection, FirstRows, Money, Node, connect_page, within
from schema.reward_functions import RewardFunction
from schema.rollouts import RolledOut
from schema.scalars import JSON, BigInt
from schema.streams import ExportFormat, JobEvent, JobEventConnection, MetricSeries

if TYPE_CHECKING:
    from schema.deployments import Deployment

NOUN = "jobs"
T = TypeVar("T")
# What a job refers to, by id, where it was fetched with the list that the job is in.
Near = Mapping[str, Node]
NOTHING: Near = {}


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


@strawberry.enum(description="Where a trained model goes besides the platform's own storage, where it is kept in any case.")
class DestinationType(Enum):
    VERI = strawberry.enum_value("veri", description="Nowhere else.")
    S3 = strawberry.enum_value("s3", description="To a folder of an S3 bucket that the operator has opened.")
    HF = strawberry.enum_value("hf", description="To a repository of Hugging Face, with the account's integration.")


@strawberry.type(description="Where a trained model goes.")
class CheckpointDestination:
    type: DestinationType = strawberry.field(description="The kind of place.")
    uri: str | None = strawberry.field(description="With `S3`: the folder, `s3://bucket/folder`.")
    repo: str | None = strawberry.field(description="With `HF`: the repository, `owner/name`.")
    private: bool | None = strawberry.field(description="With `HF`: whether a repository that has to be made is private.")
    weights: CheckpointWeights | None = strawberry.field(
        description="Which weights of a model that was trained as an adapter; null for all that there are."
    )
    archive: bool | None = strawberry.field(description="With `S3`: whether the files go as one `.tar.gz`.")

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        kind, weights = DestinationType(stored["type"]), stored.get("weights")
        return cls(
            type=kind,
            uri=stored.get("uri"),
            repo=stored.get("repo"),
            private=stored.get("private", True) if kind is DestinationType.HF else None,
            weights=None if weights is None else CheckpointWeights(weights),
            archive=stored.get("archive", False) if kind is DestinationType.S3 else None,
        )


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

    @strawberry.field(description=f"The last {LAST_LINES} lines of the job's log.")
    async def last_logs(self, info: Info) -> list[LogLine]:
        return [LogLine.of(self.job_id, row) for row in await info.context.loaders.lines_of_job.load(self.job_id)]


@strawberry.type(description="The newest value of a metric.")
class LatestMetric:
    key: str = strawberry.field(description="The metric, by the name that the trainer gives it.")
    value: float = strawberry.field(description="The value that was reported last.")


@strawberry.type(description="A training run: a base model that learns from a reward function over a dataset.")
class TrainingJob(Node, Logged, RolledOut):
    log = jobs.streams

    row: strawberry.Private[job.Job]
    near: strawberry.Private[Near]
    output_name: str = strawberry.field(description="What the trained model is called.")
    status: JobStatus = strawberry.field(description="Where it stands.")
    phase: JobPhase | None = strawberry.field(description="What it is doing, while it runs.")
    method: Method = strawberry.field(description="How it trains.")
    base_model: str = strawberry.field(description="The model it starts from: a registered name or a Hugging Face id.")
    base_revision: str | None = strawberry.field(description="The commit of that model, pinned at the start.")
    hyperparameters: JSON = strawberry.field(description="All hyperparameters, the defaults too.")
    hyperparameters_defaulted: list[str] = strawberry.field(description="Those that were not given.")
    environments: JSON | None = strawberry.field(description="The environments it learns in, where it has no reward function.")
    dropped_prompts: int | None = strawberry.field(
        description="How many prompts are longer than `max_prompt_length` and were left out, once that is known."
    )
    checkpoint_destination: CheckpointDestination = strawberry.field(description="Where its trained model goes.")
    destination_url: str | None = strawberry.field(description="Where its trained model was delivered, once it was.")
    best_step: int | None = strawberry.field(
        description="The step with the best score on the rows held out of the training, so far; null where there are none."
    )
    requires_heartbeat: bool = strawberry.field(
        description="Whether it is ended when its client has sent no heartbeat for too long."
    )
    heartbeat_at: datetime | None = strawberry.field(description="When its client last sent one.")
    hardware_requested: Hardware = strawberry.field(description="What was asked for.")
    hardware: Hardware | None = strawberry.field(description="What it really runs on, once it is placed.")
    attempt: int = strawberry.field(
        description="How many times a host has taken it up; a later attempt resumes from a checkpoint."
    )
    metric_keys: list[str] = strawberry.field(description="The metrics it has reported.")
    memory_estimate: MemoryEstimate | None = strawberry.field(
        description="The memory that it was expected to take when it was made; null where that could not be told."
    )
    peak_memory_bytes: BigInt | None = strawberry.field(
        description="The most memory that its trainer has taken so far, of one GPU or of the machine; null until it was measured."
    )
    cost: JobCost = strawberry.field(description="What it costs.")
    max_cost: Money | None = strawberry.field(description="Before it costs more, it saves a checkpoint and stops.")
    error: JobFailure | None = strawberry.field(description="Why it failed.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    started_at: datetime | None = strawberry.field(description="When it first ran.")
    completed_at: datetime | None = strawberry.field(description="When it ended, in whatever way.")

    @classmethod
    def of(cls, row: job.Job, near: Near = NOTHING) -> Self:
        return cls(
            row=row,
            near=near,
            id=strawberry.ID(row.id),
            output_name=row.output_name,
            status=JobStatus(row.status),
            phase=None if row.phase is None else JobPhase(row.phase),
            method=Method(row.method),
            base_model=row.base_model,
            base_revision=row.base_revision,
            hyperparameters=JSON(row.hyperparameters),
            hyperparameters_defaulted=row.hyperparameters_defaulted,
            environments=None if row.environments is None else JSON(row.environments),
            dropped_prompts=row.dropped_prompts,
            checkpoint_destination=CheckpointDestination.of(row.checkpoint_destination),
            destination_url=row.destination_url,
            best_step=row.best_step,
            requires_heartbeat=row.requires_heartbeat,
            heartbeat_at=row.heartbeat_at,
            hardware_requested=Hardware.of(row.gpu_requested, row.provider_requested),
            hardware=None if row.gpu is None else Hardware.of(row.gpu, row.provider),
            attempt=row.attempt,
            metric_keys=sorted(row.metric_keys),
            memory_estimate=None if row.memory_estimate is None else MemoryEstimate.of(row.memory_estimate),
            peak_memory_bytes=None if row.peak_memory_bytes is None else BigInt(row.peak_memory_bytes),
            cost=JobCost(total=Money.of(row.cost_micros)),
            max_cost=None if row.max_cost_micros is None else Money.of(row.max_cost_micros),
            error=None if row.error is None else JobFailure(job_id=row.id, **row.error),
            created_at=row.created_at,
            updated_at=row.updated_at,
            started_at=row.started_at,
            completed_at=row.completed_at,
        )

    @strawberry.field(description="A URL of the trained model as a `.tar.gz`, which needs no key and works for a limited time.")
    def model_url(self, info: Info) -> str | None:
        return downloads.job_url(info.context.known.core, self.row)

    @strawberry.field(description="What the key in use may do to it as it stands: `cancel`, `delete`, `deploy`, `download`.")
    def viewer_can(self, info: Info) -> list[str]:
        return jobs.allowed(info.context.known, self.row)

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

    @strawberry.field(description="What it learns on.", graphql_type=Dataset)
    def dataset(self, info: Info) -> Node | Awaitable[Node]:
        wanted = self.row.dataset_id
        return self.near.get(wanted) or _load(info.context.loaders.dataset_of_job, wanted, Dataset.of)

    @strawberry.field(description="What scores its completions.", graphql_type=RewardFunction | None)
    def reward_function(self, info: Info) -> Node | Awaitable[Node] | None:
        wanted = self.row.reward_function_id
        if wanted is None:
            return None
        return self.near.get(wanted) or _load(info.context.loaders.reward_function_of_job, wanted, RewardFunction.of)

    @strawberry.field(description="The checkpoint of another job that it goes on from; null also where that was deleted.")
    async def resumed_from(self, info: Info) -> Checkpoint | None:
        wanted = self.row.resume_checkpoint_id
        row = None if wanted is None else await info.context.loaders.checkpoint.load(wanted)
        return None if row is None else Checkpoint.of(row)

    @strawberry.field(description="What it has saved, oldest first.")
    async def checkpoints(self, info: Info) -> list[Checkpoint]:
        return [Checkpoint.of(row) for row in await info.context.loaders.checkpoints_of_job.load(self.row.id)]

    @strawberry.field(description="The deployments of its model, newest first.")
    async def deployments(self, info: Info) -> list[Annotated["Deployment", strawberry.lazy("schema.deployments")]]:
        from schema.deployments import Deployment

        return [Deployment.of(row) for row in await info.context.loaders.deployments_of_job.load(self.row.id)]

    @strawberry.field(description="The newest value of each metric, by key.")
    def latest_metrics(
        self, keys: Annotated[list[str] | None, strawberry.argument(description="Only these metrics.")] = None
    ) -> list[LatestMetric]:
        values = self.row.latest_metrics
        wanted = sorted(values) if keys is None else [key for key in keys if key in values]
        return [LatestMetric(key=key, value=values[key]) for key in wanted]

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

    @strawberry.field(
        description="The place after the metrics that are stored by now. Ask for it before `metrics`, then follow `jobMetrics` "
        "after it: steps may come twice, and none is missed."
    )
    async def metrics_cursor(self, info: Info) -> Cursor:
        last = await jobs.streams.last(info.context.known, self.row.id, "metrics")
        return cursors.position(self.row.id, "metrics", last)

    @strawberry.field(description="A URL of all its metrics as one file, which needs no key and works for a limited time.")
    def metrics_export_url(
        self, info: Info, format: Annotated[ExportFormat, strawberry.argument(description="The kind of file.")]
    ) -> str:
        kind: exports.Format = "csv" if format is ExportFormat.CSV else "parquet"
        return exports.metrics_url(info.context.known.core, self.row, kind)

    @strawberry.field(description="What happened to it, oldest first.")
    async def events(self, info: Info, first: FirstRows = 50, after: After = None) -> JobEventConnection:
        return await streams.page_of(info, JobEventConnection, JobEvent.of, jobs.rows, self.row.id, "events", first, after)


@strawberry.type(description="A page of training jobs.")
class JobConnection(Connection[TrainingJob]): ...


async def newest_of(
    info: Info, loader: DataLoader[tuple[str, int], list[job.Job]], owner: dict[str, str], first: int, after: Cursor | None
) -> JobConnection:
    """Return a page of the jobs of one thing, named as `resolvers.jobs.page` does: first pages of many things come together."""
    ((_, owner_id),) = owner.items()
    noun = f"{owner_id}/{NOUN}"
    if after is None:
        rows = await loader.load((owner_id, within(first) + 1))
        page = Page(rows[:first], len(rows) > first)
    else:
        terms: dict[str, Any] = {**owner}
        page = await jobs.page(info.context.known, limit=within(first), after=cursors.read_item(after, noun), **terms)
    # Nothing is fetched ahead: this list is one of many, and their loaders meet.
    return connect_page(JobConnection, noun, page, TrainingJob.of, after)


async def _load(loader: DataLoader[str, T | None], row_id: str, of: Callable[[T], Node]) -> Node:
    return of(await need(loader, row_id))
