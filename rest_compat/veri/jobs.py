"""Training jobs: made, listed, shown and cancelled."""

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from starlette.requests import Request

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.money import usd_float
from engines.delivery.parts import Weights
from models import job
from models.job import Job
from resolvers import downloads, jobs
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.jobs import JobInput
from resolvers.methods import METHODS
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Deleted, Listing, PageQuery, Wire, listing

TAG = "Training jobs"
JOB = "/v1/training_jobs/{job_id}"


class Gpu(Wire):
    """Hardware."""

    type: str
    count: int


class JobError(Wire):
    """Why a job failed. A failure of the platform is not billed."""

    code: str
    message: str
    attribution: Literal["user", "platform"]


class MemoryPartObject(Wire):
    """Something that memory is taken for."""

    name: str = Field(description="What for, such as `weights` or `KV cache`.")
    bytes: int = Field(description="How much.")


class MemoryObject(Wire):
    """The most memory that a job is expected to take: of each of its GPUs, or of the machine where it runs on the CPU. It counts
    with rows as long as the job allows.
    """

    total_bytes: int = Field(description="The parts together.")
    parts: list[MemoryPartObject] = Field(description="What it is taken for, at the moment in which most is held.")
    available_bytes: int | None = Field(description="What one such GPU has, or the machine with the most; null where unknown.")
    fits: bool | None = Field(description="Whether there is enough; null where that is not known.")
    basis: str = Field(description="What is known of the model: its own files, or the size in its name.")
    advice: str | None = Field(description="What to change where it does not fit. It is not refused for that.")


class DestinationObject(Wire):
    """Where the trained model goes besides our own storage: nowhere, a folder of a bucket, or a repository."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: Literal["veri", "s3", "hf"]
    uri: str | None = None
    repo: str | None = None
    private: bool | None = None
    weights: Weights | None = None
    archive: bool | None = None

    @model_serializer(mode="wrap")
    def _without_nulls(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if value is not None}


class JobObject(Wire):
    """A training job. What is not known yet is null."""

    id: str
    object: Literal["training_job"] = "training_job"
    status: Literal["queued", "provisioning", "running", "completed", "failed", "cancelled"]
    base_model: str
    dataset_id: str
    reward_function_id: str | None
    method: str
    output_name: str
    hyperparameters: dict[str, Any] = Field(description="Those that were given, and the defaults of all others.")
    dashboard_url: str | None = Field(description="A page about it, for a browser; null while it is queued.")
    download_url: str | None = Field(description="The trained model as a `.tar.gz` once completed; works for a limited time.")
    error: JobError | None
    gpu: Gpu | None = Field(description="What it really runs on.")
    gpu_requested: Gpu
    provider: str | None
    duration_seconds: float | None
    cost_usd: float | None
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    current_step: int
    total_steps: int | None
    dropped_prompts: int | None = Field(
        description="Prompts that are longer than `max_prompt_length` and were left out, once that is known."
    )
    environments: dict[str, Any] | None
    checkpoint_destination: DestinationObject
    destination_url: str | None = Field(description="Where the trained model was delivered, besides our own storage.")
    best_step: int | None = Field(
        description="The step with the best score on the rows held out of the training, so far; null where there are none."
    )
    resumed_from: str | None = Field(description="The checkpoint of another job that it goes on from.")
    requires_heartbeat: bool
    heartbeat_at: datetime | None = Field(description="When its client last sent a heartbeat.")
    max_cost_usd: float | None = Field(description="Before it costs more, it saves a checkpoint and stops.")
    memory_estimate: MemoryObject | None = Field(
        description="The memory that it was expected to take when it was made; null where that could not be told."
    )
    peak_memory_bytes: int | None = Field(
        description="The most memory that its trainer has taken so far, of one GPU or of the machine; null until measured."
    )


class JobQuery(PageQuery):
    """Which jobs to return."""

    status: str | None = Field(None, description=f"One of {', '.join(job.STATUSES)}.")
    method: str | None = Field(None, description=f"One of {', '.join(METHODS)}.")


def shape(core: Core, row: Job) -> JobObject:
    """Return a job as its callers see it."""
    return JobObject.model_validate(
        {
            **row.model_dump(),
            "resumed_from": row.resume_checkpoint_id,
            "dashboard_url": None if row.status == job.QUEUED else f"{core.settings.base_url}/jobs/{row.id}",
            "download_url": downloads.job_url(core, row),
            "provider": row.provider or row.provider_requested,
            "duration_seconds": _duration_s(row),
            "max_cost_usd": None if row.max_cost_micros is None else usd_float(row.max_cost_micros),
            "cost_usd": usd_float(row.cost_micros) if row.cost_micros or row.status in job.TERMINAL else None,
        }
    )


async def create(ctx: Context, request: Request) -> JobObject:
    """Start a training job.

    It is queued at once, and an hour of what it will run on is set aside from the credit.
    """
    spec = parse(JobInput, await http.json_object(request, ctx.core.settings))
    return shape(ctx.core, await jobs.create(ctx, spec))


async def page(ctx: Context, request: Request) -> Listing[JobObject]:
    """List the training jobs."""
    query = http.query(request, JobQuery)
    status = None if query.status is None else [query.status]
    found = await jobs.page(ctx, status=status, method=query.method, limit=query.limit, after=query.after)
    return listing(found, lambda row: shape(ctx.core, row))


async def get(ctx: Context, request: Request) -> JobObject:
    """Get a training job."""
    return shape(ctx.core, await jobs.get(ctx, request.path_params["job_id"]))


async def cancel(ctx: Context, request: Request) -> JobObject:
    """Cancel a training job.

    Its status and its bill are final with the answer. A job that has ended already is 400.
    """
    return shape(ctx.core, await jobs.cancel(ctx, request.path_params["job_id"]))


async def heartbeat(ctx: Context, request: Request) -> JobObject:
    """Tell a training job that its client is there.

    A job that was created with `requires_heartbeat` fails with `timeout` once none has come for 300 seconds after the last one,
    which is a setting of the installation. A job that has ended is 400.
    """
    return shape(ctx.core, await jobs.heartbeat(ctx, request.path_params["job_id"]))


async def delete(ctx: Context, request: Request) -> Deleted:
    """Delete a training job that has ended.

    Its checkpoints, log, events and metrics go with it; what it cost stays in the account's books. A job that has not ended is
    400, one whose model an active deployment serves is 409.
    """
    return Deleted(id=(await jobs.delete(ctx, request.path_params["job_id"])).id, object="training_job")


def _duration_s(row: Job) -> float | None:
    if row.started_at is None or row.completed_at is None:
        return None
    return clock.seconds_between(row.started_at, row.completed_at)


OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/training_jobs",
        handler=create,
        tag=TAG,
        answers=JobObject,
        status=201,
        body=JobInput,
        idempotent=True,
        errors=(400, 402, 404, 409, 413, 429),
    ),
    Operation(
        method="GET",
        path="/v1/training_jobs",
        handler=page,
        tag=TAG,
        answers=Listing[JobObject],
        query=JobQuery,
        errors=(400,),
    ),
    Operation(method="GET", path=JOB, handler=get, tag=TAG, answers=JobObject, errors=(404,)),
    Operation(method="POST", path=f"{JOB}/cancel", handler=cancel, tag=TAG, answers=JobObject, errors=(400, 404)),
    Operation(method="POST", path=f"{JOB}/heartbeat", handler=heartbeat, tag=TAG, answers=JobObject, errors=(400, 404)),
    Operation(method="DELETE", path=JOB, handler=delete, tag=TAG, answers=Deleted, errors=(400, 404, 409)),
]
