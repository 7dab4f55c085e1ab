"""Batches, as OpenAI's clients know them; to try the failed lines again, and to read what there is so far, is added."""

from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request

from models.batch import Batch
from resolvers import batch_outcomes, batch_retries, batches
from resolvers.batches import HOUR_S, BatchInput
from resolvers.context import Context
from resolvers.inputs import parse
from rest_compat import http, ranges
from rest_compat.downloads import attachment
from rest_compat.errors import OPENAI
from rest_compat.operation import Operation, Stream
from rest_compat.wire import PageQuery, Wire

TAG = "Batches"
PREFIXES = ("/v1", "/v1/openai", "/api/v2/external")
Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]
UnixTime = Annotated[int | None, Field(description="Unix time in seconds; null where it has not come to that.")]
TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


class BatchProblem(Wire):
    """A problem of the input file."""

    code: str | None = Field(description="A word for programs, such as `duplicate_custom_id`.")
    line: int | None = Field(description="The line, from 1; null where it is the file as a whole.")
    message: str
    param: str | None = Field(description="The field that it is about.")


class BatchProblems(Wire):
    """The first problems of the input file; the error file has them all."""

    object: Literal["list"] = "list"
    data: list[BatchProblem] = Field(description="The problems, in the order of the file.")


class RequestCounts(Wire):
    """The lines by what has become of them."""

    total: int = Field(description="All lines; 0 until the file was checked.")
    completed: int = Field(description="Those that were answered well.")
    failed: int = Field(description="Those that were not.")


class InputTokensDetails(Wire):
    """The tokens of the prompts, told apart."""

    cached_tokens: int = Field(0, description="Always 0: engines do not tell them apart.")


class OutputTokensDetails(Wire):
    """The tokens of the answers, told apart."""

    reasoning_tokens: int = Field(0, description="Always 0: engines do not tell them apart.")


class BatchUsage(Wire):
    """What the lines have used so far."""

    input_tokens: int = Field(description="The tokens of the prompts.")
    input_tokens_details: InputTokensDetails = Field(InputTokensDetails(), description="The same, told apart.")
    output_tokens: int = Field(description="The tokens of the answers.")
    output_tokens_details: OutputTokensDetails = Field(OutputTokensDetails(), description="The same, told apart.")
    total_tokens: int = Field(description="Both.")


class BatchObject(Wire):
    """A file of requests that is worked through; each line ends in exactly one of the output and the error file."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str = Field(description="What every line asks: its `url`.")
    model: str | None = Field(description="What all lines name as their model; null where they name several.")
    errors: BatchProblems | None = Field(description="Why it failed.")
    input_file_id: str = Field(description="The file of requests.")
    completion_window: str = Field(description="How long its lines may take altogether, as in `24h`.")
    status: Status
    output_file_id: str | None = Field(description="The answers, once it has ended; null where there are none.")
    error_file_id: str | None = Field(
        description="The lines that failed, or all problems of the input, once it has ended; null where there are none."
    )
    created_at: int = Field(description="Unix time in seconds.")
    in_progress_at: UnixTime
    expires_at: int = Field(description="When what is not answered fails: Unix time in seconds.")
    finalizing_at: UnixTime
    completed_at: UnixTime
    failed_at: UnixTime
    expired_at: UnixTime
    cancelling_at: UnixTime
    cancelled_at: UnixTime
    request_counts: RequestCounts
    usage: BatchUsage
    metadata: dict[str, str] | None = Field(description="Its labels.")


class BatchList(Wire):
    """A page of batches, newest first. Pass `last_id` as `after` to get the next one."""

    object: Literal["list"] = "list"
    data: list[BatchObject]
    first_id: str | None = Field(description="The id of the first element; null on an empty page.")
    last_id: str | None = Field(description="The id of the last element; null on an empty page.")
    has_more: bool = Field(description="Whether anything follows the last element.")


def shape(row: Batch) -> BatchObject:
    """Return a batch as OpenAI's clients see it."""
    times = {f"{name}_at": _seconds(row, f"{name}_at") for name in (*TIMES, "created", "expires")}
    problems: list[dict[str, Any]] = row.errors or []
    found = [{"code": None, "line": None, "param": None, **problem} for problem in problems]
    return BatchObject.model_validate(
        {
            "id": row.id,
            "endpoint": row.endpoint,
            "model": row.model,
            "errors": {"data": found} if found else None,
            "input_file_id": row.input_file_id,
            "completion_window": f"{row.completion_window_s // HOUR_S}h",
            "status": row.status,
            "output_file_id": row.output_file_id,
            "error_file_id": row.error_file_id,
            **times,
            "request_counts": {"total": row.total, "completed": row.completed, "failed": row.failed},
            "usage": {
                "input_tokens": row.prompt_tokens,
                "output_tokens": row.completion_tokens,
                "total_tokens": row.prompt_tokens + row.completion_tokens,
            },
            "metadata": row.labels,
        }
    )


def _seconds(row: Batch, name: str) -> int | None:
    moment = getattr(row, name)
    return None if moment is None else int(moment.timestamp())


async def create(ctx: Context, request: Request) -> BatchObject:
    """Begin a batch of an uploaded file.

    The whole file is checked first; where anything in it is wrong, the batch is `failed` and `errors` names the lines.
    """
    return shape(await batches.create(ctx, parse(BatchInput, await http.json_object(request, ctx.core.settings))))


async def page(ctx: Context, request: Request) -> BatchList:
    """List the batches."""
    query = http.query(request, PageQuery)
    found = await batches.page(ctx, limit=query.limit, after=query.after)
    data = [shape(row) for row in found.items]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return BatchList(data=data, first_id=first, last_id=last, has_more=found.has_more)


async def get(ctx: Context, request: Request) -> BatchObject:
    """Get a batch."""
    return shape(await batches.get(ctx, request.path_params["batch_id"]))


async def cancel(ctx: Context, request: Request) -> BatchObject:
    """Cancel a batch.

    It is `cancelling` until its files are written. What was answered is kept; what was not is in the error file as
    `batch_cancelled`. One that has ended, or whose lines have all been answered, is 400.
    """
    return shape(await batches.cancel(ctx, request.path_params["batch_id"]))


async def retry(ctx: Context, request: Request) -> BatchObject:
    """Begin a batch of just the lines of another that failed.

    A new input file is made of them. One that has not ended, or of which no line failed, is 400.
    """
    return shape(await batch_retries.retry(ctx, request.path_params["batch_id"]))


async def output(ctx: Context, request: Request) -> Stream:
    """Get the answers of a batch as far as there are any, also while it runs.

    In the order of the input; once it has ended this is its output file.
    """
    return attachment(await batch_outcomes.partial(ctx, request.path_params["batch_id"], ok=True), request)


async def errors(ctx: Context, request: Request) -> Stream:
    """Get the failed lines of a batch as far as there are any, also while it runs.

    In the order of the input; once it has ended this is its error file. Of a batch whose file was found wrong it is all problems.
    """
    return attachment(await batch_outcomes.partial(ctx, request.path_params["batch_id"], ok=False), request)


def _operations(prefix: str) -> list[Operation]:
    every, one = f"{prefix}/batches", f"{prefix}/batches/{{batch_id}}"
    common: dict[str, Any] = {"tag": TAG, "dialect": OPENAI}
    return [
        Operation(
            method="POST",
            path=every,
            handler=create,
            answers=BatchObject,
            body=BatchInput,
            idempotent=True,
            errors=(400, 404, 409, 413),
            **common,
        ),
        Operation(method="GET", path=every, handler=page, answers=BatchList, query=PageQuery, errors=(400,), **common),
        Operation(method="GET", path=one, handler=get, answers=BatchObject, errors=(404,), **common),
        Operation(
            method="POST",
            path=f"{one}/cancel",
            handler=cancel,
            answers=BatchObject,
            idempotent=True,
            errors=(400, 404, 409),
            **common,
        ),
        Operation(
            method="POST",
            path=f"{one}/retry",
            handler=retry,
            answers=BatchObject,
            idempotent=True,
            errors=(400, 404, 409),
            **common,
        ),
        Operation(
            method="GET",
            path=f"{one}/output",
            handler=output,
            answers=batch_outcomes.JSONL,
            headers=ranges.HEADERS,
            errors=(404, 416),
            **common,
        ),
        Operation(
            method="GET",
            path=f"{one}/errors",
            handler=errors,
            answers=batch_outcomes.JSONL,
            headers=ranges.HEADERS,
            errors=(404, 416),
            **common,
        ),
    ]


OPERATIONS = [operation for prefix in PREFIXES for operation in _operations(prefix)]
