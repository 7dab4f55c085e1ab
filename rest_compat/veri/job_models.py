"""What a training job leaves behind: its checkpoints, and the trained model among them."""

from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Literal

from pydantic import Field
from starlette.requests import Request

from engines.delivery.parts import Weights
from models.job import Checkpoint, Job
from resolvers import checkpoints as stored
from resolvers import downloads, jobs
from resolvers.context import Context
from resolvers.inputs import Input
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.veri.jobs import JOB, TAG
from rest_compat.wire import Listing, PageQuery, Wire, listing, window


class FileObject(Wire):
    """One file. Its URL also answers with parts of it (`Range`)."""

    path: str
    url: str
    size_bytes: int
    sha256: str | None = Field(description="Its checksum in hexadecimal digits; null where it was saved before they were kept.")


class DownloadObject(Wire):
    """Where to fetch a checkpoint. The URLs work without an API key for a limited time."""

    download_url: str = Field(description="All files as one `.tar.gz`, with their checksums in `SHA256SUMS`.")
    files: list[FileObject]


class WeightsQuery(Input):
    """What of a trained model to fetch."""

    weights: Weights | None = Field(
        None,
        description="Which weights of a model that was trained as an adapter: `merged` into its base, the `adapter` by itself "
        "or `both`; by default those that the job asked for, else all that there are.",
    )


class CheckpointObject(Wire):
    """A stored state of the model. `final` is the trained model of a completed job."""

    id: str
    object: Literal["checkpoint"] = "checkpoint"
    job_id: str
    step: int
    final: bool
    status: Literal["available"] = "available"
    size_bytes: int
    file_count: int
    score: float | None = Field(description="Its score on the rows held out of the training; null where there were none.")
    best: bool = Field(description="Whether that is the best score of its job.")
    created_at: datetime


def shape(row: Job, checkpoint: Checkpoint) -> CheckpointObject:
    return CheckpointObject.model_validate({**checkpoint.model_dump(), "best": stored.is_best(row, checkpoint)})


async def model(ctx: Context, request: Request) -> DownloadObject:
    """Get the URLs of the trained model.

    A job that is not completed has none: 400 `job_not_completed`. Weights that the model has not are 400 too.
    """
    return await _download(ctx, request, None)


async def checkpoints(ctx: Context, request: Request) -> Listing[CheckpointObject]:
    """List the checkpoints of a training job."""
    query = http.query(request, PageQuery)
    row = await jobs.get(ctx, request.path_params["job_id"])
    found = await jobs.checkpoints(ctx, row.id)
    return listing(window(found[::-1], query), partial(shape, row))


async def checkpoint(ctx: Context, request: Request) -> DownloadObject:
    """Get the URLs of a checkpoint.

    Only a trained model has weights to choose from: for any other they are 400.
    """
    return await _download(ctx, request, request.path_params["checkpoint_id"])


async def _download(ctx: Context, request: Request, checkpoint_id: str | None) -> DownloadObject:
    job_id, weights = request.path_params["job_id"], http.query(request, WeightsQuery).weights
    archive = await downloads.url(ctx, job_id, checkpoint_id, weights)
    files = await downloads.files(ctx, job_id, checkpoint_id, weights)
    return DownloadObject(download_url=archive, files=[FileObject.model_validate(asdict(file)) for file in files])


OPERATIONS = [
    Operation(
        method="GET",
        path=f"{JOB}/model",
        handler=model,
        tag=TAG,
        answers=DownloadObject,
        query=WeightsQuery,
        errors=(400, 404),
    ),
    Operation(
        method="GET",
        path=f"{JOB}/checkpoints",
        handler=checkpoints,
        tag=TAG,
        answers=Listing[CheckpointObject],
        query=PageQuery,
        errors=(400, 404),
    ),
    Operation(
        method="GET",
        path=f"{JOB}/checkpoints/{{checkpoint_id}}/download",
        handler=checkpoint,
        tag=TAG,
        answers=DownloadObject,
        query=WeightsQuery,
        errors=(400, 404),
    ),
]
