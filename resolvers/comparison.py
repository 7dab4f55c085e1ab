"""Jobs side by side: what was set differently, and each metric over the same steps."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from burnish.kit.errors import Invalid, NotFound
from models.job import Job
from resolvers import metrics, related
from resolvers.context import Context
from resolvers.metrics import Column

MOST_JOBS = 20
MOST_POINTS = 1000
FINER = 4
NOT_SET = None


@dataclass(frozen=True)
class Setting:
    """What each job was given, in their order; None where a job was not."""

    name: str
    values: list[Any]

    @property
    def same(self) -> bool:
        return all(value == self.values[0] for value in self.values)


@dataclass(frozen=True)
class Aligned:
    """One metric of all jobs. `values[j][i]` is that of job j at `steps[i]`, None where it has none up to there and after the
    step before.
    """

    key: str
    steps: list[int]
    values: list[list[float | None]]


@dataclass(frozen=True)
class Comparison:
    jobs: list[Job]
    settings: list[Setting]


async def compare(ctx: Context, job_ids: Sequence[str]) -> Comparison:
    """Return jobs side by side, in the order asked for; Invalid for none, too many or one twice, NotFound for one that is not the
    caller's.
    """
    if not 1 <= len(job_ids) <= MOST_JOBS or len(set(job_ids)) < len(job_ids):
        raise Invalid(f"Compare 1 to {MOST_JOBS} different jobs.", param="ids")
    found = await related.by_id(ctx, Job, job_ids)
    missing = [job_id for job_id in job_ids if job_id not in found]
    if missing:
        raise NotFound(f"No such training job: {missing[0]}", param="ids")
    rows = [found[job_id] for job_id in job_ids]
    return Comparison(rows, settings(rows))


def settings(rows: Sequence[Job]) -> list[Setting]:
    """Return all that jobs were given, the hyperparameters as `hyperparameters.NAME`."""
    plain = ("method", "base_model", "dataset_id", "reward_function_id", "gpu_requested", "gpu")
    found = [Setting(name, [getattr(row, name) for row in rows]) for name in plain]
    names = sorted({name for row in rows for name in row.hyperparameters})
    return found + [
        Setting(f"hyperparameters.{name}", [row.hyperparameters.get(name, NOT_SET) for row in rows]) for name in names
    ]


async def curves(ctx: Context, rows: Sequence[Job], keys: Sequence[str] | None, max_points: int) -> list[Aligned]:
    """Return each metric that one of the jobs has, over at most `max_points` steps that are the same for all."""
    if not 3 <= max_points <= MOST_POINTS:
        raise Invalid(f"max_points is 3 to {MOST_POINTS}.", param="max_points")
    wanted = None if keys is None else list(keys)
    # Finer than shown: else a job would have no value between two steps that only another one's thinning has kept.
    finer = min(metrics.MAX_POINTS, FINER * max_points)
    read = [await metrics.columns(ctx, row.id, keys=wanted, max_points=finer) for row in rows]
    by_key = [{column.key: column for column in columns} for columns in read]
    names = sorted({key for columns in by_key for key in columns})
    return [aligned(name, [columns.get(name) for columns in by_key], max_points) for name in names]


def aligned(key: str, columns: Sequence[Column | None], most: int) -> Aligned:
    """Put columns over the same steps: all that one of them has, or `most` evenly spaced ones of these with the ends."""
    steps = sorted({step for column in columns if column is not None for step in column.steps})
    if len(steps) > most:
        last = len(steps) - 1
        steps = [steps[round(index * last / (most - 1))] for index in range(most)]
    return Aligned(key, steps, [[None] * len(steps) if column is None else _over(column, steps) for column in columns])


def _over(column: Column, steps: list[int]) -> list[float | None]:
    """Return the newest value of a column in each span that ends at one of the steps."""
    ends = [0, *(bisect.bisect_right(column.steps, step) for step in steps)]
    return [column.values[end - 1] if end > start else None for start, end in pairwise(ends)]
