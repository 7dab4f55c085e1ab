"""Checkpoints: what a job has saved of its model."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from models import job
from resolvers import downloads
from schema.context import Info
from schema.loaders import need
from schema.nodes import Node
from schema.scalars import BigInt

if TYPE_CHECKING:
    from schema.jobs import TrainingJob


@strawberry.type(description="The state of a job's model after a step, stored whole. Only a final one can be deployed.")
class Checkpoint(Node):
    row: strawberry.Private[job.Checkpoint]
    step: int = strawberry.field(description="The step after which it was saved.")
    final: bool = strawberry.field(description="Whether it is the trained model.")
    attempt: int = strawberry.field(description="Which attempt at the job saved it.")
    file_count: int = strawberry.field(description="How many files it has.")
    size_bytes: BigInt = strawberry.field(description="The size of all files.")
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
            created_at=row.created_at,
        )

    @strawberry.field(description="The job that saved it.")
    async def job(self, info: Info) -> Annotated["TrainingJob", strawberry.lazy("schema.jobs")]:
        from schema.jobs import TrainingJob

        return TrainingJob.of(await need(info.context.loaders.job, self.row.job_id))

    @strawberry.field(description="A URL of all its files as a `.tar.gz`, which needs no key and works for a limited time.")
    async def download_url(self, info: Info) -> str:
        return await downloads.url(info.context.known, self.row.job_id, self.row.id)
