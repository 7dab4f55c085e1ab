"""Evals: listed and read, with their runs."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from burnish.kit.paging import Page, Span
from models import eval as evaluation
from resolvers import cursors, eval_runs, evals
from schema.context import Info
from schema.datasets import Dataset
from schema.loaders import need
from schema.nodes import (
    After,
    Connection,
    CreatedAfter,
    CreatedBefore,
    First,
    Node,
    Search,
    connect_page,
    within,
)
from schema.scalars import JSON

if TYPE_CHECKING:
    from schema.eval_runs import EvalRunConnection

NOUN = "evals"


@strawberry.type(description="A dataset and how answers to it are scored.")
class Eval(Node):
    row: strawberry.Private[evaluation.Eval]
    name: str = strawberry.field(description="What its maker called it.")
    scorers: list[JSON] = strawberry.field(description="How answers are scored, as it was given: objects with a `type` each.")
    generation_params: JSON | None = strawberry.field(description="How the answers of every run are sampled, as it was given.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @classmethod
    def of(cls, row: evaluation.Eval) -> Self:
        return cls(
            row=row,
            id=strawberry.ID(row.id),
            name=row.name,
            scorers=[JSON(one) for one in row.scorers],
            generation_params=None if row.generation is None else JSON(row.generation),
            created_at=row.created_at,
        )

    @strawberry.field(description="What is asked. One that was deleted since is given too, and can no longer be run.")
    async def dataset(self, info: Info) -> Dataset:
        return Dataset.of(await need(info.context.loaders.dataset_of_job, self.row.dataset_id))

    @strawberry.field(description="Its runs, newest first.")
    async def runs(
        self, info: Info, first: First = 20, after: After = None
    ) -> Annotated["EvalRunConnection", strawberry.lazy("schema.eval_runs")]:
        from schema.eval_runs import EvalRun, EvalRunConnection

        noun = f"{self.id}/runs"
        if after is None:
            rows = await info.context.loaders.runs_of_eval.load((self.row.id, within(first) + 1))
            page = Page(rows[:first], len(rows) > first)
        else:
            start = cursors.read_item(after, noun)
            page = await eval_runs.page(info.context.known, eval_id=self.row.id, limit=within(first), after=start)
        return connect_page(EvalRunConnection, noun, page, EvalRun.of, after)

    @strawberry.field(description="What the key in use may do to it: `delete`, `run`.")
    def viewer_can(self, info: Info) -> list[str]:
        return evals.allowed(info.context.known, self.row)


@strawberry.type(description="A page of evals.")
class EvalConnection(Connection[Eval]): ...


@strawberry.type
class EvalQueries:
    @strawberry.field(description="An eval; null where the account has no such one.")
    async def eval(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `eval_…`.")]
    ) -> Eval | None:
        row = await info.context.loaders.eval.load(id)
        return None if row is None else Eval.of(row)

    @strawberry.field(description="The account's evals, newest first.")
    async def evals(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        dataset_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only those that ask this dataset.")] = None,
        search: Search = None,
        created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
    ) -> EvalConnection:
        page = await evals.page(
            info.context.known,
            dataset_id=dataset_id,
            search=search,
            created=Span(created_after, created_before),
            limit=within(first),
            after=cursors.read_item(after, NOUN),
        )
        return connect_page(EvalConnection, NOUN, page, Eval.of, after)
