"""Two runs of an eval, row by row."""

from typing import Annotated, Self

import strawberry

from engines.evals.figures import Comparison
from resolvers import cursors, eval_comparison
from resolvers.cursors import Cursor
from resolvers.eval_comparison import ComparedRow
from schema.context import Info
from schema.eval_runs import EvalItem, EvalRun
from schema.nodes import After, Connection, First, connect, within


@strawberry.type(
    description="The second run's score less the first's, over the rows that both have scored. A row's score is the mean of its "
    "answers'."
)
class PairedFigures:
    rows: int = strawberry.field(description="How many rows both have scored.")
    better: int = strawberry.field(description="In how many the second scores more.")
    worse: int = strawberry.field(description="In how many it scores less.")
    same: int = strawberry.field(description="In how many both score the same.")
    mean: float | None = strawberry.field(description="The mean difference; null where there are no such rows.")
    low: float | None = strawberry.field(
        description="The lower end of its 95 % interval: above 0, the second is better by more than chance."
    )
    high: float | None = strawberry.field(description="The upper end: below 0, the second is worse by more than chance.")

    @classmethod
    def of(cls, found: Comparison) -> Self:
        return cls(
            rows=found.rows,
            better=found.better,
            worse=found.worse,
            same=found.same,
            mean=found.difference,
            low=found.ci_low,
            high=found.ci_high,
        )


@strawberry.type(description="A row of the dataset as both runs have answered it.")
class ComparedEvalItem:
    item_index: int = strawberry.field(description="The row, from 0.")
    input: str | None = strawberry.field(description="What was asked.")
    label: str | None = strawberry.field(description="What the dataset has as the right answer.")
    score_a: float | None = strawberry.field(description="The first run's score; null where it has none.")
    score_b: float | None = strawberry.field(description="The second run's score.")
    difference: float | None = strawberry.field(description="The second less the first.")
    a: list[EvalItem] = strawberry.field(description="The first run's answers.")
    b: list[EvalItem] = strawberry.field(description="The second run's answers.")

    @classmethod
    def of(cls, row: ComparedRow) -> Self:
        first = next(iter((*row.items_a, *row.items_b)), None)
        return cls(
            item_index=row.item_index,
            input=None if first is None else first.input,
            label=None if first is None else first.label,
            score_a=row.score_a,
            score_b=row.score_b,
            difference=row.difference,
            a=[EvalItem.of(item) for item in row.items_a],
            b=[EvalItem.of(item) for item in row.items_b],
        )


@strawberry.type(description="A page of rows, those first whose score differs most.")
class ComparedEvalItemConnection(Connection[ComparedEvalItem]): ...


@strawberry.type(description="Two runs of an eval side by side.")
class EvalRunComparison:
    a: EvalRun = strawberry.field(description="The first run.")
    b: EvalRun = strawberry.field(description="The second run.")

    @strawberry.field(description="By how much the second is better.")
    async def figures(self, info: Info) -> PairedFigures:
        return PairedFigures.of(await eval_comparison.paired(info.context.known, self.a.id, self.b.id))

    @strawberry.field(description="The rows that both have asked.")
    async def items(
        self,
        info: Info,
        only_changed: Annotated[bool, strawberry.argument(description="Only those whose score differs.")] = False,
        first: First = 20,
        after: After = None,
    ) -> ComparedEvalItemConnection:
        # The order hangs on both runs, and so does a place in it.
        name = f"{self.a.id}/{self.b.id}"
        start = 0 if after is None else cursors.read_position(after, name, "rows")
        page = await eval_comparison.page(
            info.context.known, self.a.id, self.b.id, only_changed=only_changed, limit=within(first), start=start
        )
        pairs: list[tuple[Cursor, ComparedEvalItem]] = [
            (cursors.position(name, "rows", number), ComparedEvalItem.of(row)) for number, row in enumerate(page.rows, start + 1)
        ]
        return connect(ComparedEvalItemConnection, pairs, after=after, has_more=page.more)


@strawberry.type
class EvalComparisonQueries:
    @strawberry.field(description="Two runs of the same eval side by side: what the second answers better or worse.")
    async def compare_eval_runs(
        self,
        info: Info,
        a: Annotated[strawberry.ID, strawberry.argument(description="The first run, which the other is measured against.")],
        b: Annotated[strawberry.ID, strawberry.argument(description="The second run.")],
    ) -> EvalRunComparison:
        first, second = await eval_comparison.runs(info.context.known, a, b)
        return EvalRunComparison(a=EvalRun.of(first), b=EvalRun.of(second))
