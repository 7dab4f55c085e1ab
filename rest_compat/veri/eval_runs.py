"""Runs of evals: started, listed, shown, cancelled; their answers item by item, and two of them compared."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request

from models.eval import EvalItem, EvalRun
from resolvers import eval_comparison, eval_items, eval_runs
from resolvers.context import Context
from resolvers.eval_comparison import ComparedRow
from resolvers.eval_inputs import EvalRunInput
from resolvers.inputs import Input, parse
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.veri.evals import EVAL, TAG
from rest_compat.wire import Listing, PageQuery, Wire, listing

RUNS = f"{EVAL}/runs"
RUN = f"{RUNS}/{{run_id}}"


class EvalRunObject(Wire):
    """A model that answers an eval's dataset and is scored. What is not known yet is null."""

    id: str
    object: Literal["eval_run"] = "eval_run"
    eval_id: str
    model: str = Field(description="Whom it asks, as it was given.")
    status: Literal["queued", "running", "scoring", "completed", "failed", "cancelled"]
    deployment_id: str | None = Field(description="The deployment that answers.")
    num_samples: int | None = Field(description="How many rows it takes, from the first on; null for all.")
    generation_params: dict[str, Any] = Field(description="How answers are sampled; `n` is how many are asked of each row.")
    processed_items: int = Field(description="How many answers are scored.")
    total_items: int | None = Field(description="How many answers there are to be.")
    results: dict[str, Any] | None = Field(
        description="Its figures, once it has completed: the mean of the scores with its 95 % interval, of all and of each "
        "scorer, and with several answers to a row the chance that one of k is right."
    )
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float = Field(description="Its requests' share of their replicas' time: told, not charged. The deployments are.")
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


class EvalItemObject(Wire):
    """One answer to one row, and its scores."""

    id: str
    object: Literal["eval_run_item"] = "eval_run_item"
    run_id: str
    item_index: int = Field(description="The row of the dataset, from 0.")
    sample: int = Field(description="Which of the answers to that row, from 0.")
    input: str = Field(description="What was asked.")
    output: str = Field(description="The answer; empty where there is none, and `error_message` says why.")
    label: str | None = Field(description="What the dataset has as the right answer.")
    score: float | None = Field(description="The weighted mean of its scores; null where it has none.")
    scores: dict[str, float | None] = Field(description="What each scorer says, by its name; null where it gave no score.")
    score_errors: dict[str, str] = Field(description="Why scorers gave none, by their names.")
    latency_ms: float | None = Field(description="How long the answer took.")
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str | None
    error_message: str | None


class ComparedItemObject(Wire):
    """A row of the dataset as two runs have answered it. A row's score is the mean of its answers'."""

    id: str = Field(description="Its place among the compared rows, for `after`.")
    object: Literal["compared_eval_item"] = "compared_eval_item"
    item_index: int = Field(description="The row of the dataset, from 0.")
    score: float | None = Field(description="The run's score; null where it has none.")
    other_score: float | None = Field(description="The other run's score.")
    difference: float | None = Field(description="The other run's score less this run's.")
    items: list[EvalItemObject] = Field(description="The run's answers.")
    other_items: list[EvalItemObject] = Field(description="The other run's answers.")


class PairedObject(Wire):
    """By how much the other run is better, over the rows that both have scored."""

    rows: int = Field(description="How many rows both have scored.")
    better: int = Field(description="In how many the other scores more.")
    worse: int = Field(description="In how many it scores less.")
    same: int = Field(description="In how many both score the same.")
    difference: float | None = Field(description="The mean of the other's score less this run's.")
    ci_low: float | None = Field(description="The lower end of its 95 % interval: above 0, the other is better.")
    ci_high: float | None = Field(description="Its upper end: below 0, the other is worse.")


class ComparisonObject(Listing[ComparedItemObject]):
    """Two runs side by side, those rows first whose score differs most."""

    figures: PairedObject = Field(description="By how much the other run is better.")


class EvalRunQuery(PageQuery):
    """Which runs to return."""

    status: str | None = Field(None, description="Only those with this status.")


class ItemQuery(Input):
    """Which answers to return."""

    limit: int = Field(50, ge=1, le=100, description="How many elements to return.")
    after: str | None = Field(None, description="The id of the last element of the page before.")
    filter: Literal["all", "failed"] = Field("all", description="`failed` are those not given, not scored, or scored below 1.")


class ComparisonQuery(Input):
    """With which run to compare, and which rows to return."""

    other: str = Field(description="The run of the same eval to compare with.")
    changed: bool = Field(False, description="Only rows whose score differs.")
    limit: int = Field(20, ge=1, le=100, description="How many elements to return.")
    after: int = Field(0, ge=0, le=2**31 - 1, description="The id of the last element of the page before.")


def shape(row: EvalRun) -> EvalRunObject:
    return EvalRunObject.model_validate(
        {
            **row.model_dump(),
            "num_samples": row.rows,
            "generation_params": {**(row.generation or {}), "n": row.samples},
            "processed_items": row.processed,
            "total_items": row.total,
            "cost_usd": row.cost_nanos / 10**9,
            "error_message": row.error,
        }
    )


def shape_item(row: EvalItem) -> EvalItemObject:
    told = {"id": eval_items.item_id(row), "output": row.output or "", "score_errors": row.errors or {}}
    return EvalItemObject.model_validate({**row.model_dump(), **told, "error_message": row.error})


async def start(ctx: Context, request: Request) -> EvalRunObject:
    """Start a run of an eval.

    An active deployment of what `model` names answers. Where a job, a checkpoint or a model by name has none, one is made for the
    run, with an hour of its price set aside, and stopped at the run's end.
    """
    spec = parse(EvalRunInput, await http.json_object(request, ctx.core.settings))
    return shape(await eval_runs.start(ctx, request.path_params["eval_id"], spec))


async def page(ctx: Context, request: Request) -> Listing[EvalRunObject]:
    """List the runs of an eval."""
    query = http.query(request, EvalRunQuery)
    status = None if query.status is None else [query.status]
    eval_id = request.path_params["eval_id"]
    return listing(await eval_runs.page(ctx, eval_id=eval_id, status=status, limit=query.limit, after=query.after), shape)


async def get(ctx: Context, request: Request) -> EvalRunObject:
    """Get a run of an eval."""
    return shape(await eval_runs.get(ctx, request.path_params["run_id"], request.path_params["eval_id"]))


async def cancel(ctx: Context, request: Request) -> EvalRunObject:
    """Cancel a run of an eval.

    It has ended with the answer, and a deployment that was made for it is stopped. A run that has ended already is 400.
    """
    return shape(await eval_runs.cancel(ctx, request.path_params["run_id"], request.path_params["eval_id"]))


async def items(ctx: Context, request: Request) -> Listing[EvalItemObject]:
    """List the answers of a run, in the order of the dataset."""
    query, run_id = http.query(request, ItemQuery), request.path_params["run_id"]
    after = None if query.after is None else eval_items.place_of(run_id, query.after)
    eval_id = request.path_params["eval_id"]
    found = await eval_items.page(ctx, run_id, eval_id=eval_id, which=query.filter, limit=query.limit, after=after)
    return listing(found, shape_item)


async def compare(ctx: Context, request: Request) -> ComparisonObject:
    """Compare a run with another one of the same eval, row by row."""
    query, run_id = http.query(request, ComparisonQuery), request.path_params["run_id"]
    await eval_runs.get(ctx, run_id, request.path_params["eval_id"])
    figures = await eval_comparison.paired(ctx, run_id, query.other)
    found = await eval_comparison.page(ctx, run_id, query.other, only_changed=query.changed, limit=query.limit, start=query.after)
    rows = [_compared(row, number) for number, row in enumerate(found.rows, query.after + 1)]
    paired = PairedObject.model_validate(figures, from_attributes=True)
    return ComparisonObject(data=rows, has_more=found.more, figures=paired)


def _compared(row: ComparedRow, number: int) -> ComparedItemObject:
    return ComparedItemObject(
        id=str(number),
        item_index=row.item_index,
        score=row.score_a,
        other_score=row.score_b,
        difference=row.difference,
        items=[shape_item(item) for item in row.items_a],
        other_items=[shape_item(item) for item in row.items_b],
    )


OPERATIONS = [
    Operation(
        method="POST",
        path=RUNS,
        handler=start,
        tag=TAG,
        answers=EvalRunObject,
        status=201,
        body=EvalRunInput,
        idempotent=True,
        errors=(400, 402, 404, 409, 413, 429),
    ),
    Operation(
        method="GET", path=RUNS, handler=page, tag=TAG, answers=Listing[EvalRunObject], query=EvalRunQuery, errors=(400, 404)
    ),
    Operation(method="GET", path=RUN, handler=get, tag=TAG, answers=EvalRunObject, errors=(404,)),
    Operation(
        method="GET",
        path=f"{RUN}/items",
        handler=items,
        tag=TAG,
        answers=Listing[EvalItemObject],
        query=ItemQuery,
        errors=(400, 404),
    ),
    Operation(
        method="GET",
        path=f"{RUN}/compare",
        handler=compare,
        tag=TAG,
        answers=ComparisonObject,
        query=ComparisonQuery,
        errors=(400, 404),
    ),
    Operation(method="POST", path=f"{RUN}/cancel", handler=cancel, tag=TAG, answers=EvalRunObject, errors=(400, 404)),
]
