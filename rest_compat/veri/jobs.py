"""Training jobs: made, listed, shown and cancelled."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.money import usd_float
from models import job
from models.job import Job
from resolvers import downloads, jobs
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.jobs import JobInput
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Listing, PageQuery, Wire, listing

TAG = "Training jobs"
JOB = "/v1/training_jobs/{job_id}"
# The one hyperparameter that is answered as null where it was not given; of the others, those that are off stay out.
ALWAYS_SHOWN = "max_steps"


class Gpu(Wire):
    """Hardware."""

    type: str
    count: int


class JobError(Wire):
    """Why a job failed. A failure of the platform is not billed."""

    code: str
    message: str
    attribution: Literal["user", "platform"]


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
    dashboard_url: str
    download_url: str | None = Field(description="The trained model as a `.tar.gz` once completed; works for a limited time.")
    error: JobError | None
    gpu: Gpu | None = Field(description="What it really runs on.")
    gpu_requested: Gpu
    provider: str | None
    current_step: int
    total_steps: int | None
    duration_seconds: float | None
    cost_usd: float | None
    max_cost_usd: float | None = Field(description="Before it costs more, it saves a checkpoint and stops.")
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


class JobQuery(PageQuery):
    """Which jobs to return."""

    status: str | None = Field(None, description=f"One of {', '.join(job.STATUSES)}.")
    method: str | None = Field(None, description=f"One of {', '.join(jobs.METHODS)}.")


def shape(core: Core, row: Job) -> JobObject:
    """Return a job as its callers see it."""
    return JobObject.model_validate(
        {
            **row.model_dump(),
            "hyperparameters": {
                key: value for key, value in row.hyperparameters.items() if value is not None or key == ALWAYS_SHOWN
            },
            "dashboard_url": f"{core.settings.base_url}/jobs/{row.id}",
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
        errors=(400, 402, 404, 409, 413),
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
]
