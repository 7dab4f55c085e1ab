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
from schema.errors import LineIssue, Payload, settle
from schema.methods import Method, value_of
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


@strawberry.type(description="How the rows of a dataset serve a method.")
class MethodFit:
    method: Method = strawberry.field(description="The method.")
    row_count: BigInt = strawberry.field(description="How many rows it can learn from. A job needs all of them to serve.")
    issues: list[LineIssue] = strawberry.field(
        description="What is wrong with the first others, or one of them where none serves."
    )

    @classmethod
    def of(cls, fit: statistics.MethodFit) -> Self:
        issues = [LineIssue(line=item.line, message=item.message) for item in fit.problems]
        return cls(method=Method(fit.name), row_count=BigInt(fit.num_rows), issues=issues)


@strawberry.type(description="How many rows have a clip of this size and rate.")
class ClipShape:
    width: int = strawberry.field(description="Its width in pixels, upright.")
    height: int = strawberry.field(description="Its height.")
    fps: float | None = strawberry.field(description="Its frames a second; null where it does not say.")
    row_count: BigInt = strawberry.field(description="How many rows have such a clip.")


@strawberry.type(description="The clips of an uploaded archive, by the rows that name them.")
class DatasetClips:
    row_count: BigInt = strawberry.field(description="How many rows name a clip of the archive; the others have a URL.")
    total_frames: BigInt = strawberry.field(description="The frames of all.")
    min_frames: int = strawberry.field(description="The frames of the shortest.")
    max_frames: int = strawberry.field(description="The frames of the longest.")
    shapes: list[ClipShape] = strawberry.field(description="Their sizes and rates, the hundred most frequent ones.")

    @classmethod
    def of(cls, found: statistics.Clips) -> Self:
        return cls(
            row_count=BigInt(found.num_rows),
            total_frames=BigInt(found.total_frames),
            min_frames=found.min_frames,
            max_frames=found.max_frames,
            shapes=[
                ClipShape(width=shape.width, height=shape.height, fps=shape.fps, row_count=BigInt(shape.num_rows))
                for shape in found.shapes
            ],
        )


@strawberry.type(
    description="How long rows are in tokens, chat template included: for `GRPO` prompts, for `SFT` whole rows, for `DPO` the "
    "prompt with the longer answer, for `SFT_VIDEO_GEN` captions."
)
class TokenLengths:
    base_model: str = strawberry.field(description="The model whose tokenizer and template counted.")
    base_revision: str | None = strawberry.field(description="Its commit, where it is a model of the hub.")
    method: Method = strawberry.field(description="As which method reads the rows.")
    min: int = strawberry.field(description="The shortest row.")
    mean: float = strawberry.field(description="The mean.")
    p50: int = strawberry.field(description="Half of the rows are no longer than this.")
    p90: int = strawberry.field(description="90 % are no longer than this.")
    p95: int = strawberry.field(description="95 % are no longer than this.")
    p99: int = strawberry.field(description="99 % are no longer than this.")
    max: int = strawberry.field(description="The longest row.")
    max_prompt_length: int | None = strawberry.field(description="The limit of `GRPO` that was asked about.")
    max_length: int | None = strawberry.field(description="The limit of `SFT` or `DPO` that was asked about.")
    over_limit: BigInt | None = strawberry.field(description="How many rows are longer than the limit: a job leaves them out.")


@strawberry.type(description="What a dataset holds. All null until it has been read.")
class DatasetStatistics:
    row_count: BigInt | None = strawberry.field(description="How many rows it has.")
    size_bytes: BigInt | None = strawberry.field(description="The size of its rows as JSONL.")
    columns: list[DatasetColumn] | None = strawberry.field(description="Its columns, in order of appearance.")
    duplicate_prompts: BigInt | None = strawberry.field(description="How many rows have a prompt that occurred before.")
    video_rows: BigInt | None = strawberry.field(description="How many rows name a video.")
    methods: list[MethodFit] | None = strawberry.field(
        description="How its rows serve each method; null of a dataset that was read before this was counted."
    )
    clips: DatasetClips | None = strawberry.field(description="Its clips; null without an archive.")
    tokens: TokenLengths | None = strawberry.field(description="How long its rows are; null without a `baseModel`.")

    @classmethod
    def of(cls, found: statistics.Statistics) -> Self:
        columns = None if found.columns is None else [DatasetColumn(**_exact(column)) for column in found.columns]
        return cls(
            row_count=_big(found.num_rows),
            size_bytes=_big(found.size_bytes),
            columns=columns,
            duplicate_prompts=_big(found.duplicate_prompts),
            video_rows=_big(found.video_rows),
            methods=None if found.methods is None else [MethodFit.of(fit) for fit in found.methods],
            clips=None if found.clips is None else DatasetClips.of(found.clips),
            tokens=None if found.tokens is None else TokenLengths(**_exact(found.tokens)),
        )


def _exact(found: statistics.Column | statistics.TokenLengths) -> dict[str, Any]:
    """Return the fields of a resolver's answer, with counts that may be large as what GraphQL has for them."""
    scalars: dict[str, Callable[[Any], Any]] = {"missing": BigInt, "over_limit": _big, "types": JSON, "method": Method}
    return {name: scalars[name](value) if name in scalars else value for name, value in asdict(found).items()}


def _big(count: int | None) -> BigInt | None:
    return None if count is None else BigInt(count)


@strawberry.type(description="Rows to learn from: an uploaded file, or a source that its first job reads.")
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
        description="What it holds. With `baseModel`, the lengths of its rows as that model reads them: counted once, in the "
        "background; until then the answer is an error with the code `UNAVAILABLE`."
    )
    async def statistics(
        self,
        info: Info,
        base_model: Annotated[str | None, strawberry.argument(description="Count tokens for this model.")] = None,
        method: Annotated[
            Method | None,
            strawberry.argument(description="As this method reads the rows; by default the first that all of them serve."),
        ] = None,
        max_prompt_length: Annotated[
            int | None, strawberry.argument(description="`GRPO`: count the prompts that are longer.")
        ] = None,
        max_length: Annotated[
            int | None, strawberry.argument(description="`SFT`, `DPO`: count the rows that are longer.")
        ] = None,
    ) -> DatasetStatistics:
        found = await statistics.read(
            info.context.known,
            self.id,
            base_model=base_model,
            method=value_of(method),
            max_prompt_length=max_prompt_length,
            max_length=max_length,
        )
        return DatasetStatistics.of(found)

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
    @strawberry.mutation(description="Make a dataset of an uploaded file. Nothing is kept of a file with a problem.")
    async def create_dataset(self, info: Info, input: Annotated[CreateDatasetInput, Input]) -> DatasetPayload:
        async def act(ctx: Context) -> DatasetPayload:
            spec = parse(DatasetInput, {"name": input.name})
            return DatasetPayload(dataset=Dataset.of(await uploads.create_dataset(ctx, spec, input.upload_id)))

        return await settle(info, input, DatasetPayload, act, {"file": "uploadId"})
