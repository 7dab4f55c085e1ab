"""Datasets: uploaded as JSONL, listed and shown."""

from datetime import datetime
from typing import Literal

from starlette.requests import Request

from models.dataset import Dataset
from resolvers import datasets
from resolvers.context import Context
from resolvers.inputs import parse
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Listing, PageQuery, Wire, listing

TAG = "Datasets"


class DatasetObject(Wire):
    """A checked and stored file of prompts."""

    id: str
    object: Literal["dataset"] = "dataset"
    name: str
    source_type: str
    source_uri: str | None
    huggingface_dataset: str | None
    num_rows: int | None
    sha256: str
    created_at: datetime


def shape(row: Dataset) -> DatasetObject:
    return DatasetObject.model_validate(row, from_attributes=True)


async def create(ctx: Context, request: Request) -> DatasetObject:
    """Upload a JSONL file.

    Each line is an object with a `prompt`: a text, or a list of messages `{role, content}`. Every other column reaches the
    reward function. A file with a problem is refused as a whole with 400 `invalid_dataset`, and `details` holds the first 20
    problems with their lines.
    """
    settings = ctx.core.settings
    async with http.upload(request, settings, settings.max_dataset_bytes) as sent:
        return shape(await datasets.create(ctx, parse(datasets.DatasetInput, sent.fields), sent.path))


async def page(ctx: Context, request: Request) -> Listing[DatasetObject]:
    """List the datasets."""
    query = http.query(request, PageQuery)
    return listing(await datasets.page(ctx, limit=query.limit, after=query.after), shape)


async def get(ctx: Context, request: Request) -> DatasetObject:
    """Get a dataset."""
    return shape(await datasets.get(ctx, request.path_params["dataset_id"]))


OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/datasets",
        handler=create,
        tag=TAG,
        answers=DatasetObject,
        status=201,
        body=datasets.DatasetInput,
        upload=True,
        idempotent=True,
        errors=(400, 409, 413),
    ),
    Operation(
        method="GET",
        path="/v1/datasets",
        handler=page,
        tag=TAG,
        answers=Listing[DatasetObject],
        query=PageQuery,
        errors=(400,),
    ),
    Operation(method="GET", path="/v1/datasets/{dataset_id}", handler=get, tag=TAG, answers=DatasetObject, errors=(404,)),
]
