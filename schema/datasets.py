"""Datasets: made of an upload, listed and read."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from burnish.kit.paging import Span
from models import dataset
from resolvers import cursors, datasets, uploads
from resolvers.context import Context
from resolvers.datasets import DatasetInput
from resolvers.inputs import parse
from schema.context import Info
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
from schema.scalars import BigInt

if TYPE_CHECKING:
    from schema.jobs import JobConnection

NOUN = "datasets"


@strawberry.type(description="A file of prompts as JSONL, checked line by line before it was stored.")
class Dataset(Node):
    name: str = strawberry.field(description="What its maker called it.")
    source_type: str = strawberry.field(description="Where it came from: `upload`.")
    row_count: BigInt | None = strawberry.field(description="How many rows it has.")
    columns: list[str] = strawberry.field(description="The names in its rows, in order of appearance.")
    size_bytes: BigInt = strawberry.field(description="The size of the file.")
    sha256: str = strawberry.field(description="SHA-256 of the file, in hexadecimal.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @classmethod
    def of(cls, row: dataset.Dataset) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            source_type=row.source_type,
            row_count=None if row.num_rows is None else BigInt(row.num_rows),
            columns=row.columns,
            size_bytes=BigInt(row.size_bytes or 0),
            sha256=row.sha256 or "",
            created_at=row.created_at,
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
