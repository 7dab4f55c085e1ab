"""Models that jobs and deployments may name: those registered on this installation."""

from datetime import datetime

import strawberry

from resolvers import base_models
from schema.context import Info


@strawberry.type(description="A model that the operator of this installation registered by name.")
class BaseModel:
    name: str = strawberry.field(description="The name: the `baseModel` of a job, or the `model` of a deployment.")
    created_at: datetime = strawberry.field(description="When it was registered.")


@strawberry.type
class BaseModelQueries:
    @strawberry.field(description="The models registered here, by name. Any model of Hugging Face can be named beside them.")
    async def base_models(self, info: Info) -> list[BaseModel]:
        found = await base_models.registered(info.context.known)
        return [BaseModel(name=row.name, created_at=row.created_at) for row in found]
