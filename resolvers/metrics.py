"""A job's metrics as a chart wants them: the newest attempt of each step, evenly thinned, the ends always kept."""

from dataclasses import dataclass

from burnish.kit import stream
from burnish.kit.db import Session
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
