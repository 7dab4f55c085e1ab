"""What a training job leaves behind: its checkpoints, and the trained model among them."""

from datetime import datetime
from typing import Literal

from pydantic import Field
from starlette.requests import Request

from models.job import Checkpoint
from resolvers import downloads, jobs
from resolvers.context import Context
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.veri.jobs import JOB, TAG
from rest_compat.wire import Listing, PageQuery, Wire, listing, window


class FileObject(Wire):
    """One file."""

    path: str
    url: str


class DownloadObject(Wire):
    """Where to fetch a checkpoint. The URLs work without an API key for a limited time."""

    download_url: str = Field(description="All files as one `.tar.gz`.")
    files: list[FileObject]


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
    created_at: datetime


def shape(row: Checkpoint) -> CheckpointObject:
    return CheckpointObject.model_validate(row, from_attributes=True)


async def model(ctx: Context, request: Request) -> DownloadObject:
    """Get the URLs of the trained model.

    A job that is not completed has none: 400 `job_not_completed`.
    """
    return await _download(ctx, request.path_params["job_id"], None)


async def checkpoints(ctx: Context, request: Request) -> Listing[CheckpointObject]:
    """List the checkpoints of a training job."""
    query = http.query(request, PageQuery)
    rows = await jobs.checkpoints(ctx, request.path_params["job_id"])
    return listing(window(rows[::-1], query), shape)


async def checkpoint(ctx: Context, request: Request) -> DownloadObject:
    """Get the URLs of a checkpoint."""
    return await _download(ctx, request.path_params["job_id"], request.path_params["checkpoint_id"])


async def _download(ctx: Context, job_id: str, checkpoint_id: str | None) -> DownloadObject:
    archive = await downloads.url(ctx, job_id, checkpoint_id)
    files = await downloads.files(ctx, job_id, checkpoint_id)
    return DownloadObject(download_url=archive, files=[FileObject(path=path, url=url) for path, url in files])


OPERATIONS = [
    Operation(method="GET", path=f"{JOB}/model", handler=model, tag=TAG, answers=DownloadObject, errors=(400, 404)),
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
        errors=(404,),
    ),
]
