"""A training job's log: live as server-sent events, or whole as text.

The ids of the events are the cursors of `jobLogs` in GraphQL: whoever has read to a line over the one goes on over the other.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import partial

from pydantic import Field
from starlette.requests import Request

from burnish.kit.errors import Invalid
from burnish.kit.stream import Row
from models import job
from resolvers import cursors, jobs
from resolvers.context import Context
from resolvers.cursors import Cursor
from resolvers.inputs import Input
from rest_compat import http, sse
from rest_compat.errors import VERI, public
from rest_compat.keys import Keys
from rest_compat.operation import Operation, Stream
from rest_compat.veri.jobs import JOB, TAG

KEYS = Keys()
KIND = "logs"
PAGE = 1000
# A client that takes nothing holds one piece of a page, however long the lines are.
PIECE_BYTES = 64 * 1024
HEADER = "Last-Event-ID"


class LogQuery(Input):
    """How to read the log."""

    follow: bool = Field(True, description="Stay for the lines to come, until the job ends.")
    after: Cursor | None = Field(
        None,
        description=f"Go on after this cursor, for clients that cannot set headers; `{HEADER}` goes before it. "
        "The `id` of an event, or a cursor of the job's log in GraphQL.",
    )


async def stream(ctx: Context, request: Request) -> Stream:
    """Stream the log of a training job.

    Server-sent events, one a line: `id` is a cursor, sent back as `Last-Event-ID` to go on after it. It is the cursor that
    `jobLogs` of GraphQL gives for the line, and either side takes it. The last event of a job that has ended reads
    `[Job completed]`, `[Job failed]` or `[Job cancelled]`, and `[Job deleted]` where it was deleted under the reader. A comment
    every 15 seconds, with the cursor as `id`, keeps a quiet stream open. A failure after the start is an event named `error`
    with the usual error body; so is the end of the API key.
    """
    query = http.query(request, LogQuery)
    job_id = request.path_params["job_id"]
    after = _after(request, query, job_id)
    await jobs.get(ctx, job_id)
    source = _live(ctx, job_id, after) if query.follow else _stored(ctx, job_id, after)
    events = sse.kept_alive(source, cursors.position(job_id, KIND, after), partial(KEYS.check, ctx))
    return Stream(_guarded(events, request), headers=sse.HEADERS, media_type=sse.MEDIA_TYPE)


async def full(ctx: Context, request: Request) -> Stream:
    """Get the whole log of a training job as text."""
    job_id = request.path_params["job_id"]
    await jobs.get(ctx, job_id)
    return Stream(_text(ctx, job_id), media_type="text/plain")


async def _live(ctx: Context, job_id: str, after: int) -> AsyncGenerator[sse.Chunk, None]:
    async with aclosing(jobs.follow(ctx, job_id, KIND, after=after)) as batches:
        async for batch in batches:
            for chunk in _events(job_id, batch.rows):
                yield chunk
            if batch.end_reason:
                yield _end(job_id, batch.end_reason, batch.cursor)


async def _stored(ctx: Context, job_id: str, after: int) -> AsyncGenerator[sse.Chunk, None]:
    # The status is read first: a line that comes with the end is shown at the latest by whoever asks again.
    status = (await jobs.get(ctx, job_id)).status
    async for rows in _pages(ctx, job_id, after):
        after = rows[-1].seq
        for chunk in _events(job_id, rows):
            yield chunk
    if status in job.TERMINAL:
        yield _end(job_id, status, after)


async def _text(ctx: Context, job_id: str) -> AsyncGenerator[bytes, None]:
    async for rows in _pages(ctx, job_id, 0):
        yield "".join(row.data["message"] + "\n" for row in rows).encode("utf-8", "replace")


async def _pages(ctx: Context, job_id: str, after: int) -> AsyncGenerator[list[Row], None]:
    while rows := await jobs.rows(ctx, job_id, KIND, after=after, limit=PAGE):
        yield rows
        after = rows[-1].seq


async def _guarded(source: AsyncGenerator[bytes, None], request: Request) -> AsyncGenerator[bytes, None]:
    """Tell of a failure in the stream itself: its status is long sent."""
    try:
        async with aclosing(source):
            async for chunk in source:
                yield chunk
    except Exception as error:
        yield sse.event(
            VERI.body(public(error, request.state.request_id, request.scope["route"].path)).model_dump_json(exclude_unset=True),
            name="error",
        )


def _events(job_id: str, rows: Iterable[Row]) -> Iterable[sse.Chunk]:
    """Yield the rows as events, some at a time."""
    piece = bytearray()
    for row in rows:
        cursor = cursors.position(job_id, KIND, row.seq)
        piece += sse.event(row.data["message"], cursor=cursor)
        if len(piece) >= PIECE_BYTES:
            yield sse.Chunk(bytes(piece), cursor)
            piece.clear()
    if piece:
        yield sse.Chunk(bytes(piece), cursor)


def _end(job_id: str, reason: str, seq: int) -> sse.Chunk:
    cursor = cursors.position(job_id, KIND, seq)
    return sse.Chunk(sse.event(f"[Job {reason}]", cursor=cursor), cursor)


def _after(request: Request, query: LogQuery, job_id: str) -> int:
    """Return the sequence number to go on after; Invalid naming where the wrong cursor stood."""
    header = request.headers.get(HEADER)
    cursor = Cursor(header) if header else query.after
    if not cursor:
        return 0
    try:
        return cursors.read_position(cursor, job_id, KIND)
    except Invalid as error:
        raise Invalid(error.message, code=error.code, param=HEADER if header else "after") from None


OPERATIONS = [
    Operation(
        method="GET",
        path=f"{JOB}/logs",
        handler=stream,
        tag=TAG,
        answers=sse.MEDIA_TYPE,
        query=LogQuery,
        headers={
            HEADER: {"type": "string", "description": "The `id` of the last event that was read; the stream goes on after it."}
        },
        errors=(400, 404),
    ),
    Operation(method="GET", path=f"{JOB}/logs/full", handler=full, tag=TAG, answers="text/plain", errors=(404,)),
]
