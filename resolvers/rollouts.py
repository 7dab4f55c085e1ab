"""A job's rollouts as groups: the completions of one prompt at one step, with what each was worth."""

import statistics
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, func, select

from burnish.kit import stream
from burnish.kit.db import Session
from burnish.kit.tables import StreamChunk
from resolvers import jobs
from resolvers.context import Context

KIND = "rollouts"
ROWS_AT_ONCE = 16


@dataclass(frozen=True)
class Place:
    """Where a group stands: the row of its step in the stream, and its index in there. The next group follows it."""

    seq: int
    index: int


@dataclass(frozen=True)
class Group:
    """One group; `data` is as `engines.protocol.Group` says. Mean and spread are over the completions that have a reward."""

    place: Place
    step: int
    attempt: int
    data: dict[str, Any]
    reward_mean: float | None
    reward_std: float | None


@dataclass(frozen=True)
class GroupPage:
    items: list[Group]
    has_more: bool


async def page(ctx: Context, job_id: str, *, step: int | None = None, limit: int = 10, after: Place | None = None) -> GroupPage:
    """Return groups in the order they were made, those of one step where it is given.

    Where a later attempt went over a step again, only the later one's groups are given.
    """
    await jobs.get(ctx, job_id)
    start = after or Place(0, -1)
    found: list[Group] = []
    async with ctx.db.read() as session:
        attempts = await _attempts(session, job_id)
        from_seq = 1 if step is None else await _first_of(session, job_id, attempts, step)
        async for rows in stream.read_all(session, job_id, KIND, after=max(from_seq, start.seq) - 1, page=ROWS_AT_ONCE):
            for row in rows:
                if (step is None or row.data["step"] == step) and not _is_stale(row, attempts):
                    found += [
                        group for group in groups_of(row) if (group.place.seq, group.place.index) > (start.seq, start.index)
                    ]
            if len(found) > limit or (step is not None and rows[-1].data["step"] != step):
                break
    return GroupPage(found[:limit], len(found) > limit)


def groups_of(row: stream.Row) -> list[Group]:
    """Return the groups of one row of the stream."""
    return [_group(row, index, data) for index, data in enumerate(row.data["groups"])]


def _group(row: stream.Row, index: int, data: dict[str, Any]) -> Group:
    rewards = [item["reward"] for item in data["completions"] if item["reward"] is not None]
    mean = statistics.fmean(rewards) if rewards else None
    spread = statistics.pstdev(rewards) if rewards else None
    return Group(Place(row.seq, index), row.data["step"], row.attempt, data, mean, spread)


@dataclass(frozen=True)
class _Attempt:
    """The rows that an attempt has made: their sequence numbers, and the step of the first. Steps never go back in it."""

    number: int
    first_seq: int
    last_seq: int
    first_step: int


async def _attempts(session: Session, job_id: str) -> list[_Attempt]:
    """Return the attempts that have rollouts, oldest first."""
    ends = (func.min(col(StreamChunk.first_seq)), func.max(col(StreamChunk.last_seq)))
    statement = select(StreamChunk.attempt, *ends).where(StreamChunk.resource_id == job_id, StreamChunk.kind == KIND)
    spans = (await session.exec(statement.group_by(col(StreamChunk.attempt)).order_by(col(StreamChunk.attempt)))).all()
    return [_Attempt(number, first, last, await _step_at(session, job_id, first)) for number, first, last in spans]


async def _first_of(session: Session, job_id: str, attempts: list[_Attempt], step: int) -> int:
    """Return the sequence number of the first row of a step, of the newest attempt that came so far; where there is none, that
    of what follows it.
    """
    came = [attempt for attempt in attempts if attempt.first_step <= step]
    if not came:
        return stream.MAX_SEQ
    low, high = came[-1].first_seq, came[-1].last_seq + 1
    while low < high:
        middle = (low + high) // 2
        if await _step_at(session, job_id, middle) < step:
            low = middle + 1
        else:
            high = middle
    return low


async def _step_at(session: Session, job_id: str, seq: int) -> int:
    row = (await stream.read(session, job_id, KIND, after=seq - 1, limit=1))[0]
    return int(row.data["step"])


def _is_stale(row: stream.Row, attempts: list[_Attempt]) -> bool:
    return any(attempt.number > row.attempt and attempt.first_step <= row.data["step"] for attempt in attempts)
