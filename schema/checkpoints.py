"""Checkpoints: what a job has saved of its model."""

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from models import job
from resolvers import checkpoints, cursors, downloads
from schema.context import Info
from schema.loaders import need
from schema.nodes import After, Connection, First, Node, connect_page, within
from schema.scalars import BigInt

if TYPE_CHECKING:
    from schema.jobs import TrainingJob

NOUN = "checkpoints"


@strawberry.enum(description="Which weights of a trained model. One that was trained as an adapter has all of these.")
class CheckpointWeights(Enum):
    MERGED = strawberry.enum_value("merged", description="Those of the whole model, an adapter merged into its base.")
    ADAPTER = strawberry.enum_value("adapter", description="The adapter by itself, as PEFT or diffusers loads it.")
    BOTH = strawberry.enum_value("both", description="The whole model, and the adapter in a folder `adapter` beside it.")


Weights = Annotated[
    CheckpointWeights | None,
    strawberry.argument(description="Which weights; by default those that the job asked for, else all that there are."),
]


@strawberry.type(description="A file of a checkpoint.")
class CheckpointFile:
    path: str = strawberry.field(description="Its path within the checkpoint.")
    size_bytes: BigInt = strawberry.field(description="Its size.")
    sha256: str | None = strawberry.field(
        description="Its checksum in hexadecimal digits; null where it was saved before they were kept."
    )
    download_url: str = strawberry.field(description="Where to get it, also in parts (`Range`).")

    @classmethod
    def of(cls, found: downloads.StoredFile) -> Self:
        size = BigInt(found.size_bytes)
        return cls(path=found.path, size_bytes=size, sha256=found.sha256, download_url=found.url)


@strawberry.type(description="The state of a job's model after a step, stored whole. Only a final one can be deployed.")
class Checkpoint(Node):
    row: strawberry.Private[job.Checkpoint]
    step: int = strawberry.field(description="The step after which it was saved.")
    final: bool = strawberry.field(description="Whether it is the trained model.")
    attempt: int = strawberry.field(description="Which attempt at the job saved it.")
    file_count: int = strawberry.field(description="How many files it has.")
    size_bytes: BigInt = strawberry.field(description="The size of all files.")
    score: float | None = strawberry.field(
        description="Its score on the rows held out of the training; null where there were none."
    )
    created_at: datetime = strawberry.field(description="When it was whole.")

    @classmethod
    def of(cls, row: job.Checkpoint) -> Self:
        return cls(
            row=row,
            id=strawberry.ID(row.id),
            step=row.step,
            final=row.final,
            attempt=row.attempt,
            file_count=row.file_count,
            size_bytes=BigInt(row.size_bytes),
            score=row.score,
            created_at=row.created_at,
        )

    @strawberry.field(description="The job that saved it.")
    async def job(self, info: Info) -> Annotated["TrainingJob", strawberry.lazy("schema.jobs")]:
        from schema.jobs import TrainingJob

        return TrainingJob.of(await need(info.context.loaders.job, self.row.job_id))

    @strawberry.field(description="Whether it has the best score of its job on the rows that were held out.")
    async def best(self, info: Info) -> bool:
        return checkpoints.is_best(await need(info.context.loaders.job, self.row.job_id), self.row)

    @strawberry.field(
        description="A URL of its files as a `.tar.gz`, with their checksums in `SHA256SUMS`. It needs no key and works for a "
        "limited time."
    )
    async def download_url(self, info: Info, weights: Weights = None) -> str:
        row = await need(info.context.loaders.job, self.row.job_id)
        return downloads.checkpoint_url(info.context.known, row, self.row, _value(weights))

    @strawberry.field(description="Its files, each with a URL that needs no key and works for a limited time.")
    async def files(self, info: Info, weights: Weights = None) -> list[CheckpointFile]:
        row = await need(info.context.loaders.job, self.row.job_id)
        found = await downloads.checkpoint_files(info.context.known, row, self.row, _value(weights))
        return [CheckpointFile.of(file) for file in found]


def _value(weights: CheckpointWeights | None) -> str | None:
    return None if weights is None else str(weights.value)


@strawberry.type(description="A page of checkpoints.")
class CheckpointConnection(Connection[Checkpoint]): ...


@strawberry.input(description="Which checkpoints to list.")
class CheckpointFilter:
    job_id: strawberry.ID | None = strawberry.field(default=None, description="Only those of this job.")
    final: bool | None = strawberry.field(default=None, description="Only trained models, or only what was saved on the way.")


@strawberry.type
class CheckpointQueries:
    @strawberry.field(description="A checkpoint; null where the account has no such checkpoint.")
    async def checkpoint(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `ckpt_…`.")]
    ) -> Checkpoint | None:
        row = await info.context.loaders.checkpoint.load(id)
        return None if row is None else Checkpoint.of(row)

    @strawberry.field(description="What the account's jobs have saved, newest first.")
    async def checkpoints(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        filter: Annotated[CheckpointFilter | None, strawberry.argument(description="Which to list; all by default.")] = None,
    ) -> CheckpointConnection:
        ctx = info.context.known
        wanted = filter or CheckpointFilter()
        page = await checkpoints.page(
            ctx, job_id=wanted.job_id, final=wanted.final, limit=within(first), after=cursors.read_item(after, NOUN)
        )
        return connect_page(CheckpointConnection, NOUN, page, Checkpoint.of, after)
