"""Jobs side by side."""

from typing import Annotated

import strawberry

from models import job
from resolvers import comparison
from resolvers.comparison import MOST_JOBS, MOST_POINTS, Aligned
from schema.context import Info
from schema.jobs import TrainingJob
from schema.scalars import JSON


@strawberry.type(description="Something that jobs are given.")
class ComparedSetting:
    name: str = strawberry.field(
        description="What it is, such as `base_model`, `dataset_id`, `gpu_requested` or `hyperparameters.learning_rate`."
    )
    same: bool = strawberry.field(description="Whether all jobs were given the same.")
    values: list[JSON | None] = strawberry.field(description="What each job was given, in their order; null where nothing was.")


@strawberry.type(description="One job's part of a compared metric.")
class ComparedColumn:
    job_id: strawberry.ID = strawberry.field(description="The job.")
    values: list[float | None] = strawberry.field(
        description="Its value at each step: the newest after the step before, or the mean of a short stretch where it has many; "
        "null where it has none there."
    )
    final: float | None = strawberry.field(description="Its newest value; null where it has none.")


@strawberry.type(description="One metric of all jobs, over the same steps.")
class ComparedMetric:
    key: str = strawberry.field(description="The metric, by the name that the trainer gives it.")
    steps: list[int] = strawberry.field(description="The steps, rising.")
    columns: list[ComparedColumn] = strawberry.field(description="The jobs' values, in the jobs' order.")


@strawberry.type(description="Jobs side by side.")
class JobComparison:
    rows: strawberry.Private[comparison.Comparison]
    keys: strawberry.Private[list[str] | None]
    jobs: list[TrainingJob] = strawberry.field(description="The jobs, in the order asked for.")

    @strawberry.field(description="What the jobs were given.")
    def settings(
        self,
        differing: Annotated[bool, strawberry.argument(description="Only what is not the same for all.")] = False,
    ) -> list[ComparedSetting]:
        found = [setting for setting in self.rows.settings if not (differing and setting.same)]
        return [ComparedSetting(name=item.name, same=item.same, values=[_json(value) for value in item.values]) for item in found]

    @strawberry.field(description="Each metric that one of the jobs has, or those of `keys`.")
    async def metrics(
        self,
        info: Info,
        max_points: Annotated[int, strawberry.argument(description=f"The most steps there may be: 3 to {MOST_POINTS:,}.")] = 200,
    ) -> list[ComparedMetric]:
        found = await comparison.curves(info.context.known, self.rows.jobs, self.keys, max_points)
        return [_metric(self.rows.jobs, item) for item in found]


@strawberry.type
class ComparisonQueries:
    @strawberry.field(description="Training jobs side by side: what was set differently, and each metric over the same steps.")
    async def compare_jobs(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description=f"The jobs: 1 to {MOST_JOBS}.")],
        keys: Annotated[list[str] | None, strawberry.argument(description="Only these metrics.")] = None,
    ) -> JobComparison:
        found = await comparison.compare(info.context.known, ids)
        return JobComparison(rows=found, keys=keys, jobs=[TrainingJob.of(row) for row in found.jobs])


def _metric(rows: list[job.Job], found: Aligned) -> ComparedMetric:
    columns = [_column(row.id, values) for row, values in zip(rows, found.values, strict=True)]
    return ComparedMetric(key=found.key, steps=found.steps, columns=columns)


def _column(job_id: str, values: list[float | None]) -> ComparedColumn:
    final = next((value for value in reversed(values) if value is not None), None)
    return ComparedColumn(job_id=strawberry.ID(job_id), values=values, final=final)


def _json(value: object) -> JSON | None:
    return None if value is None else JSON(value)
