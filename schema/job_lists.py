"""Training jobs: one by its id, and the list of them all."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from burnish.kit.paging import Page, Span
from models import dataset, job, reward_function
from resolvers import cursors, jobs, related
from resolvers.cursors import Cursor
from schema import ahead
from schema.context import Info
from schema.datasets import Dataset
from schema.jobs import NOUN, JobConnection, JobStatus, TrainingJob
from schema.methods import Method
from schema.nodes import After, First, Node, connect_page, within
from schema.reward_functions import RewardFunction


@strawberry.input(description="Which jobs to list.")
class JobFilter:
    status: list[JobStatus] | None = strawberry.field(default=None, description="Only those in one of these.")
    method: Method | None = strawberry.field(default=None, description="Only those that train this way.")
    base_model: str | None = strawberry.field(default=None, description="Only those that start from this model.")
    dataset_id: strawberry.ID | None = strawberry.field(default=None, description="Only those that learn on this dataset.")
    reward_function_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only those that learn from this reward function."
    )
    search: str | None = strawberry.field(
        default=None, description="Only those whose output name contains this, whatever its case, and the one with this id."
    )
    created_after: datetime | None = strawberry.field(default=None, description="Only those made at this moment or later.")
    created_before: datetime | None = strawberry.field(default=None, description="Only those made before this moment.")

    @property
    def terms(self) -> dict[str, Any]:
        """What `resolvers.jobs.page` calls it."""
        return {
            "status": None if self.status is None else [str(status.value) for status in self.status],
            "method": None if self.method is None else str(self.method.value),
            "base_model": self.base_model,
            "dataset_id": self.dataset_id,
            "reward_function_id": self.reward_function_id,
            "search": self.search,
            "created": Span(self.created_after, self.created_before),
        }


@strawberry.type
class JobQueries:
    @strawberry.field(description="A training job; null where the account has no such job.")
    async def job(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `job_…`.")]
    ) -> TrainingJob | None:
        row = await info.context.loaders.job.load(id)
        return None if row is None else TrainingJob.of(row)

    @strawberry.field(description="The account's training jobs, newest first.")
    async def jobs(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        filter: Annotated[JobFilter | None, strawberry.argument(description="Which to list; all by default.")] = None,
    ) -> JobConnection:
        ctx = info.context.known
        terms = {} if filter is None else filter.terms
        page = await jobs.page(ctx, limit=within(first), after=cursors.read_item(after, NOUN), **terms)
        return await _page(info, NOUN, page, after)


async def _page(info: Info, noun: str, page: Page[job.Job], after: Cursor | None) -> JobConnection:
    """Return a page of jobs, with what each is asked for beside it."""
    ctx, near = info.context.known, dict[str, Node]()
    wanted = ahead.asked(info, ("dataset", "rewardFunction"))
    if "dataset" in wanted:
        rows = await related.by_id(ctx, dataset.Dataset, [row.dataset_id for row in page.items], deleted=True)
        near |= {row.id: Dataset.of(row) for row in rows.values()}
    if "rewardFunction" in wanted:
        ids = [row.reward_function_id for row in page.items if row.reward_function_id is not None]
        found = await related.by_id(ctx, reward_function.RewardFunction, ids, deleted=True)
        near |= {row.id: RewardFunction.of(row) for row in found.values()}
    return connect_page(JobConnection, noun, page, lambda row: TrainingJob.of(row, near), after)
