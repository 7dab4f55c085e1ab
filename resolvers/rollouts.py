"""A job's rollouts as groups: the completions of one prompt at one step, with what each was worth."""

import asyncio
import statistics
from bisect import bisect_left
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, func, select

from burnish.kit import scanning, stream
from burnish.kit.db import Database, Session
from burnish.kit.scanning import Sought
from burnish.kit.tables import StreamChunk
from resolvers import jobs
from resolvers.context import Context
from resolvers.rollout_filters import GroupFilter

KIND = "rollouts"
ROWS_AT_ONCE = 16
# A request looks at so many steps, and the rest of what is stored together with the last.
MOST_LOOKED_AT = 2_000
ANY = GroupFilter()
WHOLE_ROW = 2**31


@dataclass(frozen=True)
class Place:
    """Where a group stands: the row of its step in the stream, and its index in there. The next group follows it."""

    seq: int
    index: int


@dataclass(frozen=True)
class Group:
    """One group; `data` is as `engines.protocol.Group` says. Mean and spread are over the completions that have a reward.
    `stdout` is what the reward printed at the whole step; None of steps of before it was kept.
    """

    place: Place
    step: int
    attempt: int
    data: dict[str, Any]
    reward_mean: float | None
    reward_std: float | None
    stdout: str | None


@dataclass(frozen=True)
class GroupPage:
    """`reached` is where the next page goes on; None where nothing was looked at that follows."""

    items: list[Group]
    has_more: bool
    reached: Place | None


async def page(
    ctx: Context,
    job_id: str,
    *,
    from_step: int | None = None,
    to_step: int | None = None,
    wanted: GroupFilter = ANY,
    newest_first: bool = False,
    limit: int = 10,
    after: Place | None = None,
) -> GroupPage:
    """Return groups by their steps, those of one step in the order that they were made, as far as one request looks.

    Where a later attempt went over a step again, only the later one's groups are given.
    """
    await jobs.get(ctx, job_id)
    async with ctx.db.read() as session:
        attempts = await _attempts(session, job_id)

        def counts(row: stream.Row) -> bool:
            step = row.data["step"]
            within = (from_step is None or from_step <= step) and (to_step is None or step <= to_step)
            return within and not _is_stale(row, attempts) and any(map(wanted.holds, row.data["groups"]))

        if not attempts:
            return GroupPage([], False, None)
        low = 0 if from_step is None else await _before(session, job_id, attempts, from_step)
        high = attempts[-1].last_seq + 1
        if to_step is not None:
            high = await _before(session, job_id, attempts, to_step + 1) + 1
        if after is not None and newest_first:
            high = min(high, after.seq + 1)
        elif after is not None:
            low = max(low, after.seq - 1)
        found: list[Group] = []
        left = MOST_LOOKED_AT
        while True:
            part = await scanning.scan(
                session,
                job_id,
                KIND,
                Sought(counts, wanted.words),
                after=low,
                before=high,
                limit=min(ROWS_AT_ONCE, limit + 1 - len(found)),
                most=left,
                backwards=newest_first,
            )
            rows = part.rows[::-1] if newest_first else part.rows
            found += await asyncio.to_thread(_wanted, rows, wanted, after)
            if len(found) > limit:
                return GroupPage(found[:limit], True, found[limit - 1].place)
            left -= abs(part.reached - (high if newest_first else low))
            if not part.more or left <= 0:
                return GroupPage(found, part.more, Place(part.reached, WHOLE_ROW) if part.more else None)
            low, high = (low, part.reached) if newest_first else (part.reached, high)


def _wanted(rows: list[stream.Row], wanted: GroupFilter, after: Place | None) -> list[Group]:
    """Return the groups of rows that are wanted, of the row of `after` those that follow it."""
    groups = (group for row in rows for group in groups_of(row) if wanted.holds(group.data))
    return [group for group in groups if after is None or group.place.seq != after.seq or group.place.index > after.index]


@dataclass(frozen=True)
class Span:
    """The steps that have rollouts: the first and the last of them, None where there are none, and how many there are."""

    first_step: int | None
    last_step: int | None
    count: int


async def span(ctx: Context, job_id: str) -> Span:
    """Return which steps have rollouts."""
    await jobs.get(ctx, job_id)
    async with ctx.db.read() as session:
        attempts = await _attempts(session, job_id)
        count = 0
        for index, attempt in enumerate(attempts):
            # What a later attempt went over again does not count.
            end = min((later.first_step for later in attempts[index + 1 :]), default=None)
            until = attempt.last_seq + 1 if end is None else await _seq_of(session, job_id, attempt, end)
            count += until - attempt.first_seq
        if not attempts:
            return Span(None, None, 0)
        last = await _step_at(session, job_id, attempts[-1].last_seq)
        return Span(min(attempt.first_step for attempt in attempts), last, count)


async def each(db: Database, job_id: str) -> AsyncIterator[list[Group]]:
    """Yield all groups that count, a few steps at a time; no transaction lasts as long as whoever reads them."""
    async with db.read() as session:
        attempts = await _attempts(session, job_id)
    sought = Sought(lambda row: not _is_stale(row, attempts))
    after, more = 0, True
    while more:
        async with db.read() as session:
            part = await scanning.scan(
                session,
                job_id,
                KIND,
                sought,
                after=after,
                before=stream.MAX_SEQ,
                limit=ROWS_AT_ONCE,
                most=MOST_LOOKED_AT,
                backwards=False,
            )
        after, more = part.reached, part.more
        yield [group for row in part.rows for group in groups_of(row)]


def groups_of(row: stream.Row) -> list[Group]:
    """Return the groups of one row of the stream."""
    return [_group(row, index, data) for index, data in enumerate(row.data["groups"])]


def _group(row: stream.Row, index: int, data: dict[str, Any]) -> Group:
    rewards = [item["reward"] for item in data["completions"] if item["reward"] is not None]
    mean = statistics.fmean(rewards) if rewards else None
    spread = statistics.pstdev(rewards) if rewards else None
    return Group(Place(row.seq, index), row.data["step"], row.attempt, data, mean, spread, row.data.get("stdout"))


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


async def _before(session: Session, job_id: str, attempts: list[_Attempt], step: int) -> int:
    """Return the sequence number of the last row before a step, in the newest attempt that came so far; 0 where none did."""
    came = [attempt for attempt in attempts if attempt.first_step <= step]
    return await _seq_of(session, job_id, came[-1], step) - 1 if came else 0


async def _seq_of(session: Session, job_id: str, attempt: _Attempt, step: int) -> int:
    """Return the sequence number of an attempt's first row of a step, or of what follows it where it has none."""
    low, high = attempt.first_seq, attempt.last_seq + 1
    while low < high:
        first, steps = await _steps_around(session, job_id, (low + high) // 2)
        place = bisect_left(steps, step)
        if 0 < place < len(steps):
            return first + place
        low, high = (first + place, high) if place else (low, first)
    return low


async def _step_at(session: Session, job_id: str, seq: int) -> int:
    first, steps = await _steps_around(session, job_id, seq)
    return steps[seq - first]


async def _steps_around(session: Session, job_id: str, seq: int) -> tuple[int, list[int]]:
    """Return the steps of the rows that are stored together with one, and the sequence number of the first of them."""
    within = (StreamChunk.resource_id == job_id, StreamChunk.kind == KIND, col(StreamChunk.first_seq) <= seq)
    chunk = (await session.exec(select(StreamChunk).where(*within).order_by(col(StreamChunk.first_seq).desc()).limit(1))).one()
    # Rollouts are large: they are not unpacked once for each step of a search, nor where others wait for it.
    rows = await asyncio.to_thread(stream.decode, chunk)
    return chunk.first_seq, [int(row.data["step"]) for row in rows]


def _is_stale(row: stream.Row, attempts: list[_Attempt]) -> bool:
    return any(attempt.number > row.attempt and attempt.first_step <= row.data["step"] for attempt in attempts)
