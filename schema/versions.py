"""What a deployment serves and has served, version by version."""

from datetime import datetime
from enum import Enum
from typing import Self

import strawberry

from models import deployment
from schema.checkpoints import Checkpoint
from schema.context import Info


@strawberry.enum(description="What a deployment is made of.")
class ModelSource(Enum):
    TRAINING_JOB = strawberry.enum_value(
        "training_job", description="The model of a completed training job, named by its id or that of its final checkpoint."
    )
    HUGGINGFACE = strawberry.enum_value("huggingface", description="A registered model or one of Hugging Face, by name.")
    ADOPTED = strawberry.enum_value("adopted", description="A server that runs elsewhere; `adoptDeployment` makes such ones.")


@strawberry.enum(description="Where a version of a deployment stands.")
class VersionStatus(Enum):
    PENDING = strawberry.enum_value("pending", description="Its replicas get ready.")
    SERVING = strawberry.enum_value("serving", description="It answers.")
    REPLACED = strawberry.enum_value("replaced", description="Another took its place.")
    FAILED = strawberry.enum_value("failed", description="Its replicas did not get ready; the version before went on.")


@strawberry.type(description="A model that a deployment serves or has served.")
class DeploymentVersion:
    row: strawberry.Private[deployment.DeploymentVersion]
    id: strawberry.ID = strawberry.field(description="The id of the version.")
    number: int = strawberry.field(description="Its number among the deployment's, from 1.")
    status: VersionStatus = strawberry.field(description="Where it stands.")
    model: str = strawberry.field(description="The job or checkpoint, or the name of the model.")
    source: ModelSource = strawberry.field(description="What it is made of.")
    revision: str | None = strawberry.field(description="The commit of the model, where it came from Hugging Face.")
    error: str | None = strawberry.field(description="Why it failed.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    serving_at: datetime | None = strawberry.field(description="When it first answered.")
    ended_at: datetime | None = strawberry.field(description="When it no longer answered.")

    @classmethod
    def of(cls, row: deployment.DeploymentVersion) -> Self:
        return cls(
            row=row,
            id=strawberry.ID(row.id),
            number=row.number,
            status=VersionStatus(row.status),
            model=row.model,
            source=ModelSource(row.source),
            revision=row.revision,
            error=row.error,
            created_at=row.created_at,
            serving_at=row.serving_at,
            ended_at=row.ended_at,
        )

    @strawberry.field(description="The checkpoint it serves, where it is made of a job that was not deleted.")
    async def checkpoint(self, info: Info) -> Checkpoint | None:
        wanted = self.row.checkpoint_id
        row = None if wanted is None else await info.context.loaders.checkpoint.load(wanted)
        return None if row is None else Checkpoint.of(row)
