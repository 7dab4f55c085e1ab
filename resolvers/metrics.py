"""A job's metrics as a chart wants them: the newest attempt of each step, evenly thinned, the ends always kept."""

import itertools
import math
import sys
from dataclasses import dataclass

from burnish.kit import stream
from burnish.kit.db import Session
from burnish.kit.errors import Invalid
from resolvers import jobs
from resolvers.context import Context

MAX_POINTS = 10_000


@dataclass(frozen=True)
class Point:
    """Values of one step; a key that the step did not report is absent."""

    step: int
    values: dict[str, float]


@dataclass(frozen=True)
class Metrics:
    """`available_keys` and `latest_step` speak of the whole job, whatever was asked for. `total` counts the points before
    thinning.
    """

    points: list[Point]
    available_keys: list[str]
    latest_step: int | None
    total: int


async def read(
    ctx: Context,
    job_id: str,
    *,
    keys: list[str] | None = None,
    from_step: int | None = None,
    to_step: int | None = None,
    max_points: int = 500,
) -> Metrics:
    """Return the points of a job; both bounds are inclusive."""
    row = await jobs.get(ctx, job_id)
    async with ctx.db.read() as session:
        steps = await _newest(session, job_id)
    latest = max(steps, default=None)
    points = [
        Point(step, {key: value for key, value in steps[step].items() if keys is None or key in keys})
        for step in sorted(steps)
        if (from_step is None or step >= from_step) and (to_step is None or step <= to_step)
    ]
    points = [point for point in points if point.values]
    return Metrics(thin(points, max_points), sorted(row.metric_keys), latest, len(points))


def thin(points: list[Point], most: int) -> list[Point]:
    """Keep at most `most` evenly spaced points, the first and the last among them."""
    if len(points) <= most:
        return points
    if most == 1:
        return points[-1:]
    last = len(points) - 1
    return [points[round(index * last / (most - 1))] for index in range(most)]


async def _newest(session: Session, job_id: str) -> dict[int, dict[str, float]]:
    newest: dict[int, tuple[int, dict[str, float]]] = {}
    async for rows in stream.read_all(session, job_id, "metrics", page=5000):
        for row in rows:
            attempt, values = newest.get(row.data["step"], (row.attempt, {}))
            merged = {**values, **row.data["values"]} if attempt == row.attempt else row.data["values"]
            newest[row.data["step"]] = (row.attempt, merged)
    return {step: values for step, (_, values) in newest.items()}


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
    found = await read(ctx, job_id, keys=keys, from_step=from_step, to_step=to_step, max_points=sys.maxsize)
    return [column(key, found.points, max_points) for key in sorted({key for point in found.points for key in point.values})]


def column(key: str, points: list[Point], most: int = sys.maxsize) -> Column:
    """Return one key of the points as a column of at most `most` points, at least 3."""
    pairs = [(point.step, point.values[key]) for point in points if key in point.values]
    if len(pairs) <= most:
        return Column(key, [step for step, _ in pairs], [value for _, value in pairs])
    inner = most - 2
    edges = [1 + index * (len(pairs) - 2) // inner for index in range(inner + 1)]
    buckets = [pairs[:1], *(pairs[start:end] for start, end in itertools.pairwise(edges)), pairs[-1:]]
    values = [[value for _, value in bucket] for bucket in buckets]
    return Column(
        key,
        steps=[bucket[-1][0] for bucket in buckets],
        values=[math.fsum(bucket) / len(bucket) for bucket in values],
        lower=[min(bucket) for bucket in values],
        upper=[max(bucket) for bucket in values],
    )
