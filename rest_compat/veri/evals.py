"""Evals: a dataset and how to score answers to it; made, listed, shown and deleted."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request

from models.eval import Eval
from resolvers import evals
from resolvers.context import Context
from resolvers.eval_inputs import EvalInput
from resolvers.inputs import parse
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Deleted, Listing, PageQuery, Wire, listing

TAG = "Evals"
EVAL = "/v1/evals/{eval_id}"


class EvalObject(Wire):
    """A dataset and how answers to it are scored."""

    id: str
    object: Literal["eval"] = "eval"
    name: str
    dataset_id: str
    scorers: list[dict[str, Any]] = Field(description="How answers are scored, as it was given.")
    generation_params: dict[str, Any] | None = Field(description="How the answers of every run are sampled, as it was given.")
    created_at: datetime


class EvalQuery(PageQuery):
    """Which evals to return."""

    dataset_id: str | None = Field(None, description="Only those that ask this dataset.")


def shape(row: Eval) -> EvalObject:
    return EvalObject.model_validate({**row.model_dump(), "generation_params": row.generation})


async def create(ctx: Context, request: Request) -> EvalObject:
    """Make an eval.

    Nothing is asked before it has a run. What is wrong with a scorer is 400 `invalid_scorer`, and `param` says where.
    """
    spec = parse(EvalInput, await http.json_object(request, ctx.core.settings))
    return shape(await evals.create(ctx, spec))


async def page(ctx: Context, request: Request) -> Listing[EvalObject]:
    """List the evals."""
    query = http.query(request, EvalQuery)
    return listing(await evals.page(ctx, dataset_id=query.dataset_id, limit=query.limit, after=query.after), shape)


async def get(ctx: Context, request: Request) -> EvalObject:
    """Get an eval."""
    return shape(await evals.get(ctx, request.path_params["eval_id"]))


async def delete(ctx: Context, request: Request) -> Deleted:
    """Delete an eval.

    Its runs and their answers go with it. One of whose runs one goes on is 409.
    """
    return Deleted(id=(await evals.delete(ctx, request.path_params["eval_id"])).id, object="eval")


OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/evals",
        handler=create,
        tag=TAG,
        answers=EvalObject,
        status=201,
        body=EvalInput,
        idempotent=True,
        errors=(400, 404, 409, 413),
    ),
    Operation(method="GET", path="/v1/evals", handler=page, tag=TAG, answers=Listing[EvalObject], query=EvalQuery, errors=(400,)),
    Operation(method="GET", path=EVAL, handler=get, tag=TAG, answers=EvalObject, errors=(404,)),
    Operation(method="DELETE", path=EVAL, handler=delete, tag=TAG, answers=Deleted, errors=(404, 409)),
]
