"""Datasets: uploaded as JSONL or connected to a source, listed, shown, counted and deleted."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request

from models.dataset import Dataset
from resolvers import datasets, source_rules, sources, statistics
from resolvers.context import Context
from resolvers.inputs import Input, parse
from resolvers.sources import ConnectInput, SourceInput
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Deleted, Listing, PageQuery, Wire, listing

TAG = "Datasets"


class DatasetObject(Wire):
    """Rows to learn from: a checked and stored file, or a source that its first job reads. Null is not known before that."""

    id: str
    object: Literal["dataset"] = "dataset"
    name: str
    source_type: str
    source_uri: str | None
    huggingface_dataset: str | None
    num_rows: int | None
    sha256: str | None
    created_at: datetime


class SourceErrorObject(Wire):
    """What is wrong with a source. `line` is the row it is about, counted from 1."""

    code: str
    message: str
    line: int | None


class LineProblemObject(Wire):
    """Why a row does not serve a method. `line` counts from 1."""

    line: int
    message: str


class MethodFitObject(Wire):
    """How many rows a method can learn from, and what is wrong with the first others."""

    name: str
    num_rows: int
    problems: list[LineProblemObject] = Field(description="The first rows that it cannot learn from; one where it can from none.")


class DatasetValidation(Wire):
    """The first rows of a source under their mapped names; `num_rows` where the source says it. `methods` says how many of the
    rows that were looked at, `looked_at`, serve each method.
    """

    object: Literal["dataset_validation"] = "dataset_validation"
    valid: bool
    num_rows: int | None
    columns: list[str]
    mapped_columns: list[str]
    sample: list[dict[str, Any]]
    looked_at: int = Field(description="How many of the first rows were looked at, and are rows.")
    methods: list[MethodFitObject] = Field(description="How these rows serve each method.")
    errors: list[SourceErrorObject]


class ColumnObject(Wire):
    """A column: in how many rows it has which type of value, and how many rows have none."""

    name: str
    types: dict[str, int]
    missing: int


class ClipShapeObject(Wire):
    """How many rows have a clip of this size and rate."""

    width: int = Field(description="Pixels from left to right, upright.")
    height: int = Field(description="Pixels from top to bottom.")
    fps: float | None = Field(description="Frames a second; null where the clip does not say.")
    num_rows: int


class ClipsObject(Wire):
    """The clips of an uploaded archive, by the rows that name them; `shapes` are the hundred most frequent ones."""

    num_rows: int
    total_frames: int = Field(description="The frames of all.")
    min_frames: int = Field(description="The frames of the shortest.")
    max_frames: int = Field(description="The frames of the longest.")
    shapes: list[ClipShapeObject] = Field(description="Their sizes and rates, the most frequent first.")


class TokenLengthsObject(Wire):
    """How long the rows are in tokens, chat template included, as `method` reads them: `grpo` prompts, `sft` whole rows, `dpo`
    the prompt with the longer answer, `sft_video_gen` captions. `over_limit` are longer than the limit that was given.
    """

    base_model: str
    base_revision: str | None
    method: str
    min: int
    mean: float
    p50: int
    p90: int
    p95: int
    p99: int
    max: int
    max_prompt_length: int | None
    max_length: int | None = Field(description="The limit of `sft` or `dpo` that was asked about.")
    over_limit: int | None


class DatasetStatistics(Wire):
    """What a dataset holds. `duplicate_prompts` are rows whose prompt occurred before; `methods` says for each whether all rows
    serve it; `clips` are those of an archive; `tokens` needs a `base_model`.
    """

    object: Literal["dataset_statistics"] = "dataset_statistics"
    dataset_id: str
    num_rows: int | None
    size_bytes: int | None
    columns: list[ColumnObject] | None
    duplicate_prompts: int | None
    video_rows: int | None
    methods: list[MethodFitObject] | None = Field(description="How the rows serve each method; null where it was not counted.")
    clips: ClipsObject | None = Field(description="The clips of an archive; null of any other dataset.")
    tokens: TokenLengthsObject | None


class StatisticsQuery(Input):
    """For which model and method the lengths of the rows are counted, if for any."""

    base_model: str | None = Field(None, max_length=200, description="Count tokens with its tokenizer and chat template.")
    method: str | None = Field(
        None, max_length=32, description="As this method reads the rows; by default the first that all of them serve."
    )
    max_prompt_length: int | None = Field(None, ge=1, le=2**31 - 1, description="`grpo`: count the prompts that are longer.")
    max_length: int | None = Field(None, ge=1, le=2**31 - 1, description="`sft`, `dpo`: count the rows that are longer.")


def shape(row: Dataset) -> DatasetObject:
    return DatasetObject.model_validate(row, from_attributes=True)


async def create(ctx: Context, request: Request) -> DatasetObject:
    """Upload a JSONL file.

    Each line is an object that serves a method: `grpo` wants a `prompt`, a text or a list of messages `{role, content}`, and
    every other column reaches the reward function; `sft` wants `messages`, or a `prompt` with a `completion`, or a `text`; `dpo`
    a `prompt`, a `chosen` and a `rejected` answer; `sft_video_gen` a `prompt` or `caption` and a `video`. A file with a problem
    is refused as a whole with 400 `invalid_dataset`, and `details` holds the first 20 problems with their lines. The file may be
    packed with gzip or zstd; clips come in a `.zip` or `.tar.gz` archive with `metadata.jsonl` in its root, and each is decoded.
    """
    settings = ctx.core.settings
    async with http.upload(request, settings, settings.max_dataset_bytes) as sent:
        return shape(await datasets.create(ctx, parse(datasets.DatasetInput, sent.fields), sent.path))


async def connect(ctx: Context, request: Request) -> DatasetObject:
    """Connect a source.

    Its rows are read when a job needs them; until then `num_rows` and `sha256` are null. Where credentials are given, as such
    or within a URL, everything is read before the answer, because credentials are never stored.
    """
    body = await http.json_object(request, ctx.core.settings)
    source_rules.check_type(body.get("source_type"))
    return shape(await sources.connect(ctx, parse(ConnectInput, body)))


async def validate(ctx: Context, request: Request) -> DatasetValidation:
    """Look into a source.

    Nothing is made. A source that cannot be reached, or whose first rows are no dataset, answers `valid: false` with `errors`.
    """
    body = await http.json_object(request, ctx.core.settings)
    source_rules.check_type(body.get("source_type"))
    return DatasetValidation.model_validate(asdict(await sources.validate(ctx, parse(SourceInput, body))))


async def read_statistics(ctx: Context, request: Request) -> DatasetStatistics:
    """Count what a dataset holds.

    Columns, types, repetitions, clips and the rows that serve each method were counted when it was read. With `base_model`, the
    lengths of its rows are counted as that model reads them; while that takes, the answer is 503 with `Retry-After`.
    """
    query = http.query(request, StatisticsQuery)
    dataset_id = request.path_params["dataset_id"]
    found = await statistics.read(ctx, dataset_id, **query.model_dump())
    return DatasetStatistics.model_validate(asdict(found))


async def delete(ctx: Context, request: Request) -> Deleted:
    """Delete a dataset.

    Its files are gone. 409 while a job that has not ended needs it.
    """
    row = await datasets.delete(ctx, request.path_params["dataset_id"])
    return Deleted(id=row.id, object="dataset")


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
    Operation(
        method="POST",
        path="/v1/datasets/connect",
        handler=connect,
        tag=TAG,
        answers=DatasetObject,
        status=201,
        body=ConnectInput,
        idempotent=True,
        errors=(400, 409, 413, 429),
    ),
    Operation(
        method="POST",
        path="/v1/datasets/connect/validate",
        handler=validate,
        tag=TAG,
        answers=DatasetValidation,
        body=SourceInput,
        errors=(400, 413, 429),
    ),
    Operation(method="GET", path="/v1/datasets/{dataset_id}", handler=get, tag=TAG, answers=DatasetObject, errors=(404,)),
    Operation(
        method="GET",
        path="/v1/datasets/{dataset_id}/statistics",
        handler=read_statistics,
        tag=TAG,
        answers=DatasetStatistics,
        query=StatisticsQuery,
        errors=(400, 404),
    ),
    Operation(method="DELETE", path="/v1/datasets/{dataset_id}", handler=delete, tag=TAG, answers=Deleted, errors=(404, 409)),
]
