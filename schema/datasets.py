"""Datasets: made of an upload, listed, read and counted."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry

from burnish.kit.paging import Span
from models import dataset
from resolvers import cursors, datasets, statistics, uploads
from resolvers.context import Context
from resolvers.datasets import DatasetInput
from resolvers.inputs import parse
from schema.context import Info
from schema.dataset_rows import Rows
from schema.errors import Payload, settle
from schema.nodes import (
    After,
    Connection,
    CreatedAfter,
    CreatedBefore,
    First,
    Input,
    Node,
    Search,
    connect_page,
    within,
)
from schema.scalars import JSON, BigInt

if TYPE_CHECKING:
    from schema.jobs import JobConnection

NOUN = "datasets"


@strawberry.type(description="A column of a dataset.")
class DatasetColumn:
    name: str = strawberry.field(description="Its name.")
    types: JSON = strawberry.field(description="How many rows have which type of value there: an object of type to count.")
    missing: BigInt = strawberry.field(description="How many rows do not have it.")


@strawberry.type(description="How long prompts are in tokens, chat template included.")
class TokenLengths:
    base_model: str = strawberry.field(description="The model whose tokenizer and template counted.")
    base_revision: str | None = strawberry.field(description="Its commit, where it is a model of the hub.")
    min: int = strawberry.field(description="The shortest prompt.")
    mean: float = strawberry.field(description="The mean.")
    p50: int = strawberry.field(description="Half of the prompts are no longer than this.")
    p90: int = strawberry.field(description="90 % are no longer than this.")
    p95: int = strawberry.field(description="95 % are no longer than this.")
    p99: int = strawberry.field(description="99 % are no longer than this.")
    max: int = strawberry.field(description="The longest prompt.")
    max_prompt_length: int | None = strawberry.field(description="The limit that was asked about.")
    over_limit: BigInt | None = strawberry.field(description="How many prompts are longer than that: a job leaves them out.")


@strawberry.type(description="What a dataset holds. All null until it has been read.")
class DatasetStatistics:
    row_count: BigInt | None = strawberry.field(description="How many rows it has.")
    size_bytes: BigInt | None = strawberry.field(description="The size of its rows as JSONL.")
    columns: list[DatasetColumn] | None = strawberry.field(description="Its columns, in order of appearance.")
    duplicate_prompts: BigInt | None = strawberry.field(description="How many rows have a prompt that occurred before.")
    video_rows: BigInt | None = strawberry.field(description="How many rows name a video.")
    tokens: TokenLengths | None = strawberry.field(description="The lengths of its prompts; null without a `baseModel`.")

    @classmethod
    def of(cls, found: statistics.Statistics) -> Self:
        columns = None if found.columns is None else [DatasetColumn(**_exact(column)) for column in found.columns]
        return cls(
            row_count=_big(found.num_rows),
            size_bytes=_big(found.size_bytes),
            columns=columns,
            duplicate_prompts=_big(found.duplicate_prompts),
            video_rows=_big(found.video_rows),
            tokens=None if found.tokens is None else TokenLengths(**_exact(found.tokens)),
        )


def _exact(found: statistics.Column | statistics.TokenLengths) -> dict[str, Any]:
    """Return the fields of a resolver's answer, with counts that may be large as what GraphQL has for them."""
    scalars: dict[str, Callable[[Any], Any]] = {"missing": BigInt, "over_limit": _big, "types": JSON}
    return {name: scalars[name](value) if name in scalars else value for name, value in asdict(found).items()}


def _big(count: int | None) -> BigInt | None:
    return None if count is None else BigInt(count)


@strawberry.type(description="Rows of prompts: an uploaded file, or a source that its first job reads.")
class Dataset(Node, Rows):
    name: str = strawberry.field(description="What its maker called it.")
    source_type: str = strawberry.field(
        description="Where it came from: `upload`, `hf`, `s3`, `gs`, `az`, `url`, `postgres` or `mysql`."
    )
    source_uri: str | None = strawberry.field(description="Where the source is, without credentials.")
    huggingface_dataset: str | None = strawberry.field(description="The dataset of the hub that it is read from.")
    row_count: BigInt | None = strawberry.field(description="How many rows it has, once it has been read.")
    columns: list[str] = strawberry.field(description="The names in its rows, in order of appearance; none before it was read.")
    size_bytes: BigInt = strawberry.field(description="The size of its rows as JSONL; 0 before it was read.")
    sha256: str = strawberry.field(description="SHA-256 of its rows as JSONL, in hexadecimal; empty before it was read.")
    created_at: datetime = strawberry.field(description="When it was made.")
    read_at: datetime | None = strawberry.field(description="When its rows were read.")

    @classmethod
    def of(cls, row: dataset.Dataset) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            source_type=row.source_type,
            source_uri=row.source_uri,
            huggingface_dataset=row.huggingface_dataset,
            row_count=_big(row.num_rows),
            columns=row.columns,
            size_bytes=BigInt(row.size_bytes or 0),
            sha256=row.sha256 or "",
            created_at=row.created_at,
            read_at=row.read_at,
        )

    @strawberry.field(
        description="What it holds. With `baseModel`, the lengths of its prompts as that model reads them: counted once, in the "
        "background; until then the answer is an error with the code `UNAVAILABLE`."
    )
    async def statistics(
        self,
        info: Info,
        base_model: Annotated[str | None, strawberry.argument(description="Count tokens for this model.")] = None,
        max_prompt_length: Annotated[int | None, strawberry.argument(description="Count the prompts that are longer.")] = None,
    ) -> DatasetStatistics:
        ctx = info.context.known
        return DatasetStatistics.of(
            await statistics.read(ctx, self.id, base_model=base_model, max_prompt_length=max_prompt_length)
        )

    @strawberry.field(description="The jobs that learned on it, newest first.")
    async def jobs(
        self, info: Info, first: First = 20, after: After = None
    ) -> Annotated["JobConnection", strawberry.lazy("schema.jobs")]:
        from schema.jobs import newest_of

        return await newest_of(info, info.context.loaders.jobs_of_dataset, {"dataset_id": self.id}, first, after)


@strawberry.type(description="A page of datasets.")
class DatasetConnection(Connection[Dataset]): ...


@strawberry.input(description="A dataset to make.")
class CreateDatasetInput:
    name: str = strawberry.field(description="What to call it.")
    upload_id: strawberry.ID = strawberry.field(description="The upload that holds the file, of `createUpload`; used once.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.type(description="The dataset that was made.")
class DatasetPayload(Payload):
    dataset: Dataset | None = strawberry.field(default=None, description="The dataset.")


@strawberry.type
class DatasetQueries:
    @strawberry.field(description="A dataset; null where the account has no such dataset.")
    async def dataset(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `ds_…`.")]
    ) -> Dataset | None:
        row = await info.context.loaders.dataset.load(id)
        return None if row is None else Dataset.of(row)

    @strawberry.field(description="The account's datasets, newest first.")
    async def datasets(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        search: Search = None,
        created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
    ) -> DatasetConnection:
        ctx = info.context.known
        created = Span(created_after, created_before)
        start = cursors.read_item(after, NOUN)
        page = await datasets.page(ctx, search=search, created=created, limit=within(first), after=start)
        return connect_page(DatasetConnection, NOUN, page, Dataset.of, after)


@strawberry.type
class DatasetMutations:
    @strawberry.mutation(description="Make a dataset of an uploaded JSONL file. Nothing is kept of a file with a problem.")
    async def create_dataset(self, info: Info, input: Annotated[CreateDatasetInput, Input]) -> DatasetPayload:
        async def act(ctx: Context) -> DatasetPayload:
            spec = parse(DatasetInput, {"name": input.name})
            return DatasetPayload(dataset=Dataset.of(await uploads.create_dataset(ctx, spec, input.upload_id)))

        return await settle(info, input, DatasetPayload, act, {"file": "uploadId"})
