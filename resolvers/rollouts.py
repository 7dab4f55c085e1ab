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
        restarts = await _restarts(session, job_id)
        async for rows in stream.read_all(session, job_id, KIND, after=max(0, start.seq - 1), page=ROWS_AT_ONCE):
            for row in rows:
                wanted = step is None or row.data["step"] == step
                if wanted and not _is_stale(row, restarts):
                    found += [
                        group for group in groups_of(row) if (group.place.seq, group.place.index) > (start.seq, start.index)
                    ]
            if len(found) > limit:
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


async def _restarts(session: Session, job_id: str) -> list[tuple[int, int]]:
    """Return (attempt, first step) of every attempt that has rollouts."""
    statement = select(StreamChunk.attempt, func.min(col(StreamChunk.first_seq)))
    statement = statement.where(StreamChunk.resource_id == job_id, StreamChunk.kind == KIND).group_by(col(StreamChunk.attempt))
    firsts = (await session.exec(statement)).all()
    if len(firsts) < 2:
        return []
    rows = [(await stream.read(session, job_id, KIND, after=seq - 1, limit=1))[0] for _, seq in firsts]
    return [(row.attempt, row.data["step"]) for row in rows]


def _is_stale(row: stream.Row, restarts: list[tuple[int, int]]) -> bool:
    return any(attempt > row.attempt and first <= row.data["step"] for attempt, first in restarts)
