"""A job's metrics as a chart wants them: the newest attempt of each step, evenly thinned, the ends always kept.

A long series is drawn from the summaries of its blocks; values are decoded where there are fewer stretches than points, and at
the ends. So a request holds a bounded part of a run in memory, however long the run is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlmodel import col, select

from burnish.kit import packed, series
from burnish.kit.errors import Invalid
from burnish.kit.series import Array, Table
from models.job import Job
from resolvers import jobs, metric_rows
from resolvers.context import Context
from resolvers.metric_rows import Section, Source

MAX_POINTS = 10_000
# Of all columns of one answer together: many keys get fewer points each.
MAX_VALUES = 50_000
# Keys whose summaries are read at once.
KEYS_AT_ONCE = 16
# Values of points that are considered for being shown, all keys together.
MAX_CONSIDERED = 2**22


@dataclass(frozen=True)
class Point:
    """Values of one step; a key that the step did not report is absent."""

    step: int
    values: dict[str, float]


@dataclass(frozen=True)
class Metrics:
    """`available_keys` and `latest_step` speak of the whole job, whatever was asked for."""

    points: list[Point]
    available_keys: list[str]
    latest_step: int | None


@dataclass(frozen=True)
class Column:
    """One key as columns. Where `sampled`, each point stands for a bucket of steps: its mean at the bucket's last step, with the
    bucket's extremes in `lower` and `upper`, so that no spike is lost. The first and the last point are always as they were
    reported.
    """

    key: str
    steps: list[int]
    values: list[float]
    lower: list[float] | None = None
    upper: list[float] | None = None

    @property
    def sampled(self) -> bool:
        return self.lower is not None


async def latest(ctx: Context, job_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the last reported value of every key of many jobs at once; jobs that are not the caller's are left out."""
    ctx.require("read")
    statement = select(Job.id, Job.latest_metrics).where(
        col(Job.id).in_(job_ids), Job.account_id == ctx.account.id, col(Job.deleted_at).is_(None)
    )
    async with ctx.db.read() as session:
        return {job_id: dict(sorted(values.items())) for job_id, values in (await session.exec(statement)).all()}


async def read(
    ctx: Context,
    job_id: str,
    *,
    keys: list[str] | None = None,
    from_step: int | None = None,
    to_step: int | None = None,
    max_points: int = 500,
) -> Metrics:
    """Return the points of a job; both bounds are inclusive. Of a run with many more points than wanted, those at the ends of
    equal stretches are thinned evenly.
    """
    row = await jobs.get(ctx, job_id)
    async with ctx.db.read() as session:
        source = await metric_rows.load(session, job_id)
        wanted = source.keys if keys is None else sorted(set(keys).intersection(source.keys))
        sections = source.sections(from_step, to_step) if wanted else []
        found = await _candidates(source, sections, wanted, max_points)
    return Metrics(_points(found, max_points), sorted(row.metric_keys), source.latest_step)


async def columns(
    ctx: Context,
    job_id: str,
    *,
    keys: list[str] | None = None,
    from_step: int | None = None,
    to_step: int | None = None,
    max_points: int = 500,
) -> list[Column]:
    """Return each key that has values as columns of at most `max_points`; Invalid where that is not 3 to `MAX_POINTS`."""
    if not 3 <= max_points <= MAX_POINTS:
        raise Invalid(f"max_points is 3 to {MAX_POINTS}.", param="max_points")
    await jobs.get(ctx, job_id)
    found: list[Column] = []
    async with ctx.db.read() as session:
        source = await metric_rows.load(session, job_id)
        wanted = source.keys if keys is None else sorted(set(keys).intersection(source.keys))
        max_points = max(3, min(max_points, MAX_VALUES // max(1, len(wanted))))
        sections = source.sections(from_step, to_step)
        for start in range(0, len(wanted), KEYS_AT_ONCE):
            some = wanted[start : start + KEYS_AT_ONCE]
            summaries = await _summaries(source, sections, some)
            for key in some:
                parts = await _parts(source, sections, key, summaries[key], max_points)
                if len(parts):
                    found.append(column(key, parts, max_points))
    return found


def thin(count: int, most: int) -> list[int]:
    """Return the indices of at most `most` of `count` points, evenly spaced, the first and the last among them."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [count - 1]
    return [round(index * (count - 1) / (most - 1)) for index in range(most)]


def column(key: str, parts: Array, most: int) -> Column:
    """Return parts, in order, as a column of at most `most` points, at least 3. The first and last part are single rows."""
    if len(parts) <= most and bool((parts["count"] == 1).all()):
        return Column(key, parts["last"].tolist(), parts["final"].tolist())
    # A bucket ends with the part in which its share of all rows is reached.
    counts = np.cumsum(parts["count"][1:-1], dtype="i8")
    shares = counts[-1] * np.arange(1, most - 1) // (most - 2)
    ends = np.unique(np.searchsorted(counts, shares)) + 1
    starts = np.concatenate([[0, 1], ends[:-1] + 1, [len(parts) - 1]])
    lower, upper = np.minimum.reduceat(parts["min"], starts), np.maximum.reduceat(parts["max"], starts)
    # Rounding must not put a mean beyond the extremes.
    means = np.clip(_means(parts, starts), lower, upper)
    steps = parts["last"][np.append(starts[1:], len(parts)) - 1]
    return Column(key, steps.tolist(), means.tolist(), lower.tolist(), upper.tolist())


def _means(parts: Array, starts: Array) -> Array:
    totals = np.add.reduceat(parts["count"], starts)
    # Divided first: a sum may leave the range of f8, a mean never does.
    shares = parts["count"] / np.repeat(totals, np.diff(np.append(starts, len(parts))))
    return np.add.reduceat(parts["mean"] * shares, starts)


# --- one key, for `columns` ---


async def _summaries(source: Source, sections: Sequence[Section], keys: Sequence[str]) -> dict[str, dict[int, bytes]]:
    blocks = [section.block.first_seq for section in sections if section.block is not None]
    if not blocks:
        return {key: {} for key in keys}
    return await packed.summaries(source.session, source.job_id, keys, min(blocks), max(blocks))


async def _parts(source: Source, sections: Sequence[Section], key: str, summaries: dict[int, bytes], most: int) -> Array:
    """Return what is known of a key in the order of the steps: stretches, or single rows where there are fewer stretches than
    `most` and at both ends.
    """
    sections = [section for section in sections if any(key in piece.keys for piece in section.pieces)]
    found: dict[int, Array] = {}
    exact = set[int]()
    for index, section in enumerate(sections):
        summary = None if section.block is None else summaries.get(section.block.first_seq)
        parts, is_whole = (None, False) if summary is None else metric_rows.inside(series.parts_of(summary), section)
        if parts is not None:
            found[index] = parts
        if not is_whole:
            exact.add(index)
    if sum(map(len, found.values())) < most:
        exact = set(range(len(sections)))
    wanted = sorted(exact | _ends(found))
    order = iter(wanted)
    async for _, rows in source.each([sections[index] for index in wanted], [key]):
        found[next(order)] = _single_rows(rows, key)
    return series.chained(found[index] for index in sorted(found))


def _ends(found: dict[int, Any]) -> set[int]:
    """Return the first and the last of what has anything: whatever else there is, the ends of all are then exact."""
    filled = [index for index in sorted(found) if len(found[index])]
    return {filled[0], filled[-1]} if filled else set()


def _single_rows(rows: Table, key: str) -> Array:
    if key not in rows.columns:
        return np.zeros(0, series.PART)
    present = ~np.isnan(rows.columns[key])
    return series.as_parts(rows.steps[present], rows.columns[key][present])


# --- several keys a point, for `read` ---


async def _candidates(source: Source, sections: Sequence[Section], keys: Sequence[str], most: int) -> Table:
    """Return points to choose from: all there are, or those that end a stretch where these are plenty, and both ends."""
    count = sum(section.count for section in sections)
    if count >= 2 * most * series.STRETCH:
        found = await _stretch_ends(source, sections, keys)
        if len(found) >= most:
            return found
    stride = max(1, count * len(keys) // MAX_CONSIDERED)
    return series.joined([_every(rows, stride) async for _, rows in source.each(sections, keys)])


async def _stretch_ends(source: Source, sections: Sequence[Section], keys: Sequence[str]) -> Table:
    summaries = await _summaries(source, sections, keys)
    found: dict[int, Table] = {}
    for index, section in enumerate(sections):
        if section.block is not None and not section.is_cut:
            seq = section.block.first_seq
            found[index] = _last_of_each({key: summaries[key][seq] for key in keys if seq in summaries[key]})
    wanted = sorted(set(range(len(sections))) - set(found) | _ends(found))
    order = iter(wanted)
    async for _, rows in source.each([sections[index] for index in wanted], keys):
        found[next(order)] = _every(rows, series.STRETCH)
    return series.joined([found[index] for index in sorted(found)])


def _last_of_each(summaries: dict[str, bytes]) -> Table:
    """Return the last point of each stretch of a block. Of a key that ends earlier, the stretch's last point has no value."""
    parts = {key: series.parts_of(summary) for key, summary in summaries.items()}
    count = max((int(found["bucket"][-1]) + 1 for found in parts.values() if len(found)), default=0)
    steps = np.full(count, -series.MAX_STEP - 1)
    for found in parts.values():
        steps[found["bucket"]] = np.maximum(steps[found["bucket"]], found["last"])
    columns = {key: np.full(count, np.nan) for key in parts}
    for key, found in parts.items():
        here = found[found["last"] == steps[found["bucket"]]]
        columns[key][here["bucket"]] = here["final"]
    return Table(steps, columns).take(steps > -series.MAX_STEP - 1)


def _every(rows: Table, stride: int) -> Table:
    """Return each `stride`th row that has a value, and the last."""
    if not rows.columns:
        return rows.take(slice(0, 0))
    present = np.flatnonzero(~np.logical_and.reduce([np.isnan(values) for values in rows.columns.values()]))
    return rows.take(np.unique(np.append(present[::stride], present[-1:])))


def _points(found: Table, most: int) -> list[Point]:
    return [Point(row["step"], row["values"]) for row in series.rows(found.take(thin(len(found), most)))]
