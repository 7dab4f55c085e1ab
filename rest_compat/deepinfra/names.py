"""Names that deployments may have."""

from pydantic import Field
from starlette.requests import Request

from resolvers import deployment_names
from resolvers.context import Context
from resolvers.inputs import Input, parse
from rest_compat.deepinfra.errors import DEEPINFRA
from rest_compat.operation import Operation
from rest_compat.wire import Wire


class NameQuery(Input):
    """What is to be named."""

    model_name: str = Field("", max_length=200, description="The model that is to be deployed, or a name that would be liked.")


class SuggestedName(Wire):
    """A name that is free."""

    model_name: str = Field(description="A name that no live deployment has.")


async def suggest(ctx: Context, request: Request) -> SuggestedName:
    """Suggest a name for a deployment: the account's, then the model's, and a number where that is taken."""
    query = parse(NameQuery, dict(request.query_params), at="query")
    return SuggestedName(model_name=await deployment_names.suggest(ctx, query.model_name))


OPERATIONS = [
    Operation(
        method="GET",
        path="/deploy/llm/suggest_name",
        handler=suggest,
        tag="DeepInfra",
        answers=SuggestedName,
        query=NameQuery,
        dialect=DEEPINFRA,
    ),
]
