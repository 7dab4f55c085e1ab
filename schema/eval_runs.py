"""Runs of evals: listed and read, with their figures and each answer."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Self

import strawberry

from models import eval as evaluation
from resolvers import cursors, eval_items, eval_progress, eval_results, eval_runs
from resolvers.cursors import Cursor
from resolvers.eval_items import Place, Which
from resolvers.eval_progress import Progress
from schema import streams
from schema.batches import dollars
from schema.context import Info
from schema.deployments import Deployment
from schema.evals import Eval
from schema.loaders import need
from schema.logs import Logged
from schema.nodes import After, Connection, First, FirstRows, Money, Node, connect, connect_page, within
from schema.scalars import JSON, BigInt
from schema.streams import EvalRunEvent, EvalRunEventConnection

NOUN = "eval_runs"
# More than any run has answers to one row.
SAMPLES = 1_000


@strawberry.enum(description="Where an eval run stands.")
class EvalRunStatus(Enum):
    QUEUED = strawberry.enum_value("queued", description="It waits for a host, or for its model to serve.")
    RUNNING = strawberry.enum_value("running", description="The model is asked.")
    SCORING = strawberry.enum_value("scoring", description="The answers are scored.")
    COMPLETED = strawberry.enum_value("completed", description="All answers are scored.")
    FAILED = strawberry.enum_value("failed", description="It ended with an error.")
    CANCELLED = strawberry.enum_value("cancelled", description="It was cancelled.")


@strawberry.enum(description="Which answers of a run to give.")
class EvalItemFilter(Enum):
    ALL = strawberry.enum_value("all", description="All of them.")
    FAILED = strawberry.enum_value("failed", description="Those not given, not scored, or with a score below 1.")


@strawberry.type(description="The chance that one of k answers is right.")
class PassAtK:
    k: int = strawberry.field(description="How many answers.")
    value: float = strawberry.field(description="The chance, 0 to 1.")


@strawberry.type(description="What scores come to.")
class EvalFigures:
    mean: float | None = strawberry.field(description="Their mean; null where no answer was scored.")
    low: float | None = strawberry.field(
        description="The lower end of the 95 % interval of the mean, which heeds that answers to one row are alike."
    )
    high: float | None = strawberry.field(description="Its upper end.")
    count: int = strawberry.field(description="How many answers were scored.")
    missing: int = strawberry.field(description="How many were not.")
    pass_at_k: list[PassAtK] = strawberry.field(
        description="The chance that one of k answers to a row is right, that is scored 1 or more. Of the weighted score alone."
    )

    @classmethod
    def of(cls, found: eval_results.Figures, pass_at_k: dict[int, float] | None = None) -> Self:
        return cls(
            mean=found.mean,
            low=found.low,
            high=found.high,
            count=found.count,
            missing=found.missing,
            pass_at_k=[PassAtK(k=k, value=value) for k, value in (pass_at_k or {}).items()],
        )


@strawberry.type(description="The figures of one scorer.")
class ScorerFigures:
    name: str = strawberry.field(description="The scorer's name.")
    figures: EvalFigures = strawberry.field(description="Its figures.")


@strawberry.type(description="Why requests of a run failed, and how many.")
class EvalCause:
    code: str = strawberry.field(description="The reason, as a fixed word.")
    count: int = strawberry.field(description="How many requests.")


@strawberry.type(description="The figures of a run that has completed.")
class EvalResults:
    score: EvalFigures = strawberry.field(description="Those of the weighted score of each answer.")
    scorers: list[ScorerFigures] = strawberry.field(description="Those of each scorer by itself.")
    answered: int = strawberry.field(description="How many answers the model gave.")
    unanswered: int = strawberry.field(description="How many it did not give.")
    causes: list[EvalCause] = strawberry.field(description="Why it did not, the most frequent reason first.")
    latency_p50_ms: float | None = strawberry.field(description="The time that half of the answers took at most.")
    latency_p95_ms: float | None = strawberry.field(description="The time that 95 of 100 answers took at most.")

    @classmethod
    def of(cls, found: eval_results.Results) -> Self:
        return cls(
            score=EvalFigures.of(found.score, found.pass_at_k),
            scorers=[ScorerFigures(name=name, figures=EvalFigures.of(figures)) for name, figures in found.scorers.items()],
            answered=found.answered,
            unanswered=found.unanswered,
            causes=[EvalCause(code=code, count=count) for code, count in found.causes.items()],
            latency_p50_ms=found.latency_p50_ms,
            latency_p95_ms=found.latency_p95_ms,
        )


@strawberry.type(description="How far a run is.")
class EvalRunProgress:
    answered: int = strawberry.field(description="The answers that have come, or will not come.")
    processed: int = strawberry.field(description="The answers that are scored.")
    total: int | None = strawberry.field(description="The answers there are to be.")
    fraction: float | None = strawberry.field(
        description="The share that is done, 0 to 1: answering is half of it, scoring half."
    )
    eta_seconds: int | None = strawberry.field(description="When the answers will have come, estimated; while they do.")

    @classmethod
    def of(cls, found: Progress) -> Self:
        return cls(
            answered=found.answered,
            processed=found.processed,
            total=found.total,
            fraction=found.fraction,
            eta_seconds=found.eta_s,
        )


@strawberry.type(description="What one scorer says of an answer.")
class ItemScore:
    name: str = strawberry.field(description="The scorer's name.")
    value: float | None = strawberry.field(description="The score; null where it gave none.")
    error: str | None = strawberry.field(description="Why it gave none.")


@strawberry.type(description="One answer to one row, and its scores.")
class EvalItem:
    cursor: Cursor = strawberry.field(description="Its place in the run.")
    item_index: int = strawberry.field(description="The row of the dataset, from 0.")
    sample: int = strawberry.field(description="Which of the answers to that row, from 0.")
    input: str = strawberry.field(description="What was asked.")
    output: str | None = strawberry.field(description="The answer; null where there is none.")
    label: str | None = strawberry.field(description="What the dataset has as the right answer.")
    score: float | None = strawberry.field(description="The weighted mean of its scores; null where it has none.")
    scores: list[ItemScore] = strawberry.field(description="What each scorer says.")
    latency_ms: float | None = strawberry.field(description="How long the answer took.")
    prompt_tokens: int = strawberry.field(description="The tokens of what was asked.")
    completion_tokens: int = strawberry.field(description="The tokens of the answer.")
    finish_reason: str | None = strawberry.field(description="Why the answer ended, such as `stop` or `length`.")
    error: str | None = strawberry.field(description="Why there is no answer.")

    @classmethod
    def of(cls, row: evaluation.EvalItem) -> Self:
        errors = row.errors or {}
        return cls(
            cursor=cursors.position(row.run_id, "items", place_number(row)),
            item_index=row.item_index,
            sample=row.sample,
            input=row.input,
            output=row.output,
            label=row.label,
            score=row.score,
            scores=[ItemScore(name=name, value=value, error=errors.get(name)) for name, value in row.scores.items()],
            latency_ms=row.latency_ms,
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            finish_reason=row.finish_reason,
            error=row.error,
        )


@strawberry.type(description="A page of answers, in the order of the dataset.")
class EvalItemConnection(Connection[EvalItem]): ...


@strawberry.type(description="A model that answers an eval's dataset and is scored.")
class EvalRun(Node, Logged):
    log = eval_runs.streams

    row: strawberry.Private[evaluation.EvalRun]
    status: EvalRunStatus = strawberry.field(description="Where it stands.")
    model: str = strawberry.field(description="Whom it asks, as its maker named it.")
    owns_deployment: bool = strawberry.field(description="Whether its deployment was made for it and ends with it.")
    rows: int | None = strawberry.field(description="How many rows it takes, from the first on; null for all.")
    samples: int = strawberry.field(description="How many answers it asks of each row.")
    generation_params: JSON | None = strawberry.field(
        description="How answers are sampled: the eval's terms under the run's own."
    )
    results: EvalResults | None = strawberry.field(description="Its figures, once it has completed.")
    prompt_tokens: BigInt = strawberry.field(description="The tokens of the prompts so far.")
    completion_tokens: BigInt = strawberry.field(description="The tokens of the answers so far.")
    cost: Money = strawberry.field(
        description="Its requests' share of their replicas' time. It is told, not charged: the deployments are."
    )
    error: str | None = strawberry.field(description="Why it failed.")
    attempt: int = strawberry.field(description="How many times a host has taken it up.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    started_at: datetime | None = strawberry.field(description="When the model was first asked.")
    completed_at: datetime | None = strawberry.field(description="When it ended, in whatever way.")

    @classmethod
    def of(cls, row: evaluation.EvalRun) -> Self:
        results = eval_results.of(row)
        return cls(
            row=row,
            id=strawberry.ID(row.id),
            status=EvalRunStatus(row.status),
            model=row.model,
            owns_deployment=row.owns_deployment,
            rows=row.rows,
            samples=row.samples,
            generation_params=None if row.generation is None else JSON(row.generation),
            results=None if results is None else EvalResults.of(results),
            prompt_tokens=BigInt(row.prompt_tokens),
            completion_tokens=BigInt(row.completion_tokens),
            cost=dollars(row.cost_nanos),
            error=row.error,
            attempt=row.attempt,
            created_at=row.created_at,
            updated_at=row.updated_at,
            started_at=row.started_at,
            completed_at=row.completed_at,
        )

    @strawberry.field(description="The eval that it is a run of.")
    async def eval(self, info: Info) -> Eval:
        return Eval.of(await need(info.context.loaders.eval, self.row.eval_id))

    @strawberry.field(description="Who answers; null where that was deleted.")
    async def deployment(self, info: Info) -> Deployment | None:
        wanted = self.row.deployment_id
        row = None if wanted is None else await info.context.loaders.deployment.load(wanted)
        return None if row is None else Deployment.of(row)

    @strawberry.field(description="How far it is.")
    async def progress(self, info: Info) -> EvalRunProgress:
        parts = await info.context.loaders.parts_of_run.load(self.row.id)
        return EvalRunProgress.of(eval_progress.of(self.row, parts))

    @strawberry.field(description="What the key in use may do to it as it stands: `cancel`.")
    def viewer_can(self, info: Info) -> list[str]:
        return eval_runs.allowed(info.context.known, self.row)

    @strawberry.field(description="What happened to it, oldest first.")
    async def events(self, info: Info, first: FirstRows = 50, after: After = None) -> EvalRunEventConnection:
        read = eval_runs.rows
        return await streams.page_of(info, EvalRunEventConnection, EvalRunEvent.of, read, self.row.id, "events", first, after)


@strawberry.type(description="A page of eval runs.")
class EvalRunConnection(Connection[EvalRun]): ...


@strawberry.type
class EvalRunQueries:
    @strawberry.field(description="A run of an eval; null where the account has no such one.")
    async def eval_run(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `run_…`.")]
    ) -> EvalRun | None:
        row = await info.context.loaders.eval_run.load(id)
        return None if row is None else EvalRun.of(row)

    @strawberry.field(description="Runs of an eval, or of all that the account has, newest first.")
    async def eval_runs(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        eval_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only those of this eval.")] = None,
        status: Annotated[list[EvalRunStatus] | None, strawberry.argument(description="Only those in one of these.")] = None,
        model: Annotated[str | None, strawberry.argument(description="Only those that name their model so.")] = None,
    ) -> EvalRunConnection:
        page = await eval_runs.page(
            info.context.known,
            eval_id=eval_id,
            status=None if status is None else [str(one.value) for one in status],
            model=model,
            limit=within(first),
            after=cursors.read_item(after, NOUN),
        )
        return connect_page(EvalRunConnection, NOUN, page, EvalRun.of, after)

    @strawberry.field(description="The answers of a run, in the order of the dataset.")
    async def eval_items(
        self,
        info: Info,
        run_id: Annotated[strawberry.ID, strawberry.argument(description="The run.")],
        filter: Annotated[EvalItemFilter, strawberry.argument(description="Which of them.")] = EvalItemFilter.ALL,
        first: First = 50,
        after: After = None,
    ) -> EvalItemConnection:
        which: Which = "failed" if filter is EvalItemFilter.FAILED else "all"
        start = None if after is None else place(cursors.read_position(after, run_id, "items"))
        page = await eval_items.page(info.context.known, run_id, which=which, limit=within(first), after=start)
        items = [EvalItem.of(row) for row in page.items]
        return connect(EvalItemConnection, [(item.cursor, item) for item in items], after=after, has_more=page.has_more)


def place_number(row: evaluation.EvalItem) -> int:
    """Return the place of an answer as one number, for its cursor."""
    return row.item_index * SAMPLES + row.sample


def place(number: int) -> Place:
    return Place(min(number // SAMPLES, eval_items.FAR), number % SAMPLES)
