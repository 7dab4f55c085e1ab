"""Batches: listed and read, with their progress, the outcomes of their lines and why lines failed."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Self

import strawberry

from burnish.kit.paging import Span
from models import batch
from resolvers import batch_outcomes, batch_progress, batches, cursors
from resolvers.batch_progress import Progress
from schema import streams
from schema.context import Info
from schema.files import File
from schema.logs import Logged
from schema.nodes import MOST_ROWS, After, Connection, First, FirstRows, Money, Node, connect, connect_page, within
from schema.scalars import JSON, BigInt
from schema.streams import BatchEvent, BatchEventConnection

NOUN = "batches"


@strawberry.enum(description="Where a batch stands.")
class BatchStatus(Enum):
    VALIDATING = strawberry.enum_value("validating", description="Its file is checked.")
    FAILED = strawberry.enum_value("failed", description="Its file has problems, or could not be worked on.")
    IN_PROGRESS = strawberry.enum_value("in_progress", description="Its lines are sent.")
    FINALIZING = strawberry.enum_value("finalizing", description="All lines have an outcome; its files are written.")
    COMPLETED = strawberry.enum_value("completed", description="It is done.")
    EXPIRED = strawberry.enum_value("expired", description="Its time ended before all lines were answered; the others are kept.")
    CANCELLING = strawberry.enum_value("cancelling", description="It was cancelled; its files are written.")
    CANCELLED = strawberry.enum_value("cancelled", description="It was cancelled; what was answered before is kept.")


@strawberry.enum(description="What the lines of a batch ask.")
class BatchEndpoint(Enum):
    CHAT_COMPLETIONS = strawberry.enum_value("/v1/chat/completions", description="Answers to conversations.")
    COMPLETIONS = strawberry.enum_value("/v1/completions", description="Continuations of texts.")


@strawberry.type(description="A problem that keeps a file from being worked through.")
class BatchProblem:
    line: int | None = strawberry.field(description="The line, from 1; null where it is the file as a whole.")
    code: str | None = strawberry.field(description="A fixed word, such as `duplicate_custom_id`.")
    message: str = strawberry.field(description="What is wrong there.")
    param: str | None = strawberry.field(description="The field that it is about.")


@strawberry.type(description="The lines of a batch by what has become of them.")
class BatchCounts:
    total: int = strawberry.field(description="All lines; 0 until the file was checked.")
    completed: int = strawberry.field(description="Those that were answered well: they are in the output file.")
    failed: int = strawberry.field(description="Those that were not: they are in the error file.")


@strawberry.type(description="What the lines of a batch have used.")
class BatchUsage:
    prompt_tokens: BigInt = strawberry.field(description="The tokens of the prompts.")
    completion_tokens: BigInt = strawberry.field(description="The tokens of the answers.")
    total_tokens: BigInt = strawberry.field(description="Both.")


@strawberry.type(description="How far a batch is.")
class BatchProgress:
    done: int = strawberry.field(description="The lines that have an outcome.")
    total: int | None = strawberry.field(description="The lines there are, once that is known.")
    fraction: float | None = strawberry.field(description="The share that is done, 0 to 1.")
    in_flight: int = strawberry.field(description="The lines that are being answered.")
    per_second: float | None = strawberry.field(description="The lines done per second, lately; while it is in progress.")
    eta_seconds: int | None = strawberry.field(description="The time left, estimated from that.")

    @classmethod
    def of(cls, found: Progress) -> Self:
        return cls(
            done=found.done,
            total=found.total,
            fraction=found.fraction,
            in_flight=found.in_flight,
            per_second=found.per_second,
            eta_seconds=found.eta_s,
        )


@strawberry.type(description="What became of one line.")
class BatchOutcome:
    line: int = strawberry.field(description="The line of the input file, from 1.")
    custom_id: str = strawberry.field(description="What its maker calls it.")
    ok: bool = strawberry.field(description="Whether it was answered well.")
    status_code: int | None = strawberry.field(description="The HTTP status of its answer; null where there was none.")
    code: str | None = strawberry.field(description="Why it failed, as a fixed word.")
    message: str | None = strawberry.field(description="Why it failed, for a person.")
    deployment_id: strawberry.ID | None = strawberry.field(description="The deployment that it asked.")
    prompt_tokens: int = strawberry.field(description="The tokens of its prompt.")
    completion_tokens: int = strawberry.field(description="The tokens of its answer.")
    latency_ms: float | None = strawberry.field(description="How long the attempt that counted took.")
    cost: Money = strawberry.field(description="Its share of its replica's time.")
    attempts: int = strawberry.field(description="How often it was sent.")
    ended_at: datetime = strawberry.field(description="When it was settled.")

    @classmethod
    def of(cls, row: batch.BatchOutcome) -> Self:
        return cls(
            line=row.line,
            custom_id=row.custom_id,
            ok=row.ok,
            status_code=row.status_code,
            code=row.code,
            message=row.message,
            deployment_id=None if row.deployment_id is None else strawberry.ID(row.deployment_id),
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            latency_ms=row.latency_ms,
            cost=dollars(row.cost_nanos),
            attempts=row.attempts,
            ended_at=row.ended_at,
        )


@strawberry.type(description="A page of outcomes, in the order of the input.")
class BatchOutcomeConnection(Connection[BatchOutcome]): ...


@strawberry.type(description="Why lines failed, and how many.")
class BatchCause:
    code: str | None = strawberry.field(description="The reason, as a fixed word: `outcomes` takes it.")
    deployment_id: strawberry.ID | None = strawberry.field(description="The deployment that they asked.")
    count: int = strawberry.field(description="How many lines.")
    sample: BatchOutcome = strawberry.field(description="The first of them.")


def dollars(nanos: int) -> Money:
    """Return billionths of a dollar as money."""
    return Money(amount=Decimal(nanos).scaleb(-9), currency="USD")


@strawberry.type(
    description="A file of requests that is worked through below the interactive traffic: each line ends in exactly one of its "
    "output and its error file."
)
class Batch(Node, Logged):
    log = batches.streams

    row: strawberry.Private[batch.Batch]
    status: BatchStatus = strawberry.field(description="Where it stands.")
    endpoint: BatchEndpoint = strawberry.field(description="What its lines ask.")
    input_file_id: strawberry.ID = strawberry.field(description="The file of requests.")
    output_file_id: strawberry.ID | None = strawberry.field(
        description="The file of answers, once it has ended; null where there are none."
    )
    error_file_id: strawberry.ID | None = strawberry.field(
        description="The file of the lines that failed, or of all problems of the input, once it has ended; null where there "
        "are none."
    )
    completion_window_seconds: int = strawberry.field(description="How long its lines may take altogether.")
    output_expires_after_seconds: int | None = strawberry.field(
        description="How long its output and error files are kept; null for ever."
    )
    metadata: JSON | None = strawberry.field(description="Its labels: an object of texts.")
    model: str | None = strawberry.field(description="What its lines name as their model; null where they name several.")
    problems: list[BatchProblem] = strawberry.field(description="The first problems of its file.")
    problem_count: int = strawberry.field(description="How many problems its file has.")
    counts: BatchCounts = strawberry.field(description="Its lines.")
    usage: BatchUsage = strawberry.field(description="What they have used.")
    cost: Money = strawberry.field(
        description="Their share of their replicas' time. It is told, not charged: the deployments are."
    )
    attempt: int = strawberry.field(description="How many times a host has taken it up.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    expires_at: datetime = strawberry.field(description="When what is not answered fails.")
    in_progress_at: datetime | None = strawberry.field(description="When its first lines could be sent.")
    finalizing_at: datetime | None = strawberry.field(description="When all of them had an outcome.")
    cancelling_at: datetime | None = strawberry.field(description="When it was cancelled.")
    ended_at: datetime | None = strawberry.field(description="When it ended, in whatever way.")

    @classmethod
    def of(cls, row: batch.Batch) -> Self:
        return cls(
            row=row,
            id=strawberry.ID(row.id),
            status=BatchStatus(row.status),
            endpoint=BatchEndpoint(row.endpoint),
            input_file_id=strawberry.ID(row.input_file_id),
            output_file_id=None if row.output_file_id is None else strawberry.ID(row.output_file_id),
            error_file_id=None if row.error_file_id is None else strawberry.ID(row.error_file_id),
            completion_window_seconds=row.completion_window_s,
            output_expires_after_seconds=row.output_expires_after_s,
            metadata=None if row.labels is None else JSON(row.labels),
            model=row.model,
            problems=[
                BatchProblem(line=item.get("line"), code=item.get("code"), message=item["message"], param=item.get("param"))
                for item in row.errors or ()
            ],
            problem_count=row.problem_count,
            counts=BatchCounts(total=row.total, completed=row.completed, failed=row.failed),
            usage=BatchUsage(
                prompt_tokens=BigInt(row.prompt_tokens),
                completion_tokens=BigInt(row.completion_tokens),
                total_tokens=BigInt(row.prompt_tokens + row.completion_tokens),
            ),
            cost=dollars(row.cost_nanos),
            attempt=row.attempt,
            created_at=row.created_at,
            updated_at=row.updated_at,
            expires_at=row.expires_at,
            in_progress_at=row.in_progress_at,
            finalizing_at=row.finalizing_at,
            cancelling_at=row.cancelling_at,
            ended_at=row.completed_at or row.failed_at or row.expired_at or row.cancelled_at,
        )

    @strawberry.field(description="What the key in use may do to it as it stands: `cancel`, `download`, `retry`.")
    def viewer_can(self, info: Info) -> list[str]:
        return batches.allowed(info.context.known, self.row)

    @strawberry.field(description="How far it is.")
    async def progress(self, info: Info) -> BatchProgress:
        last = await info.context.loaders.progress_of_batch.load(self.row.id)
        return BatchProgress.of(batch_progress.of(self.row, last))

    @strawberry.field(description="The file of requests; null where it was deleted.")
    async def input_file(self, info: Info) -> File | None:
        return await _file(info, self.row.input_file_id)

    @strawberry.field(description="The file of answers, once it has ended; null where there are none, or it was deleted.")
    async def output_file(self, info: Info) -> File | None:
        return await _file(info, self.row.output_file_id)

    @strawberry.field(
        description="The file of the lines that failed, or of all problems of the input, once it has ended; null where there are "
        "none, or it was deleted."
    )
    async def error_file(self, info: Info) -> File | None:
        return await _file(info, self.row.error_file_id)

    @strawberry.field(description="The batch whose failed lines these are.")
    async def retry_of(self, info: Info) -> Annotated["Batch", strawberry.lazy("schema.batches")] | None:
        wanted = self.row.retry_of
        row = None if wanted is None else await info.context.loaders.batch.load(wanted)
        return None if row is None else Batch.of(row)

    @strawberry.field(description="Why lines failed, the most frequent reason first; the first 100 reasons.")
    async def causes(self, info: Info) -> list[BatchCause]:
        return [
            BatchCause(
                code=cause.code,
                deployment_id=None if cause.deployment_id is None else strawberry.ID(cause.deployment_id),
                count=cause.count,
                sample=BatchOutcome.of(cause.first),
            )
            for cause in await batch_outcomes.causes(info.context.known, self.row.id)
        ]

    @strawberry.field(description="What became of its lines, in the order of the input; those that wait have none.")
    async def outcomes(
        self,
        info: Info,
        first: FirstRows = 50,
        after: After = None,
        ok: Annotated[bool | None, strawberry.argument(description="Only those that were answered well, or only others.")] = None,
        code: Annotated[str | None, strawberry.argument(description="Only those that failed for this reason.")] = None,
        deployment_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only those that asked this deployment.")
        ] = None,
    ) -> BatchOutcomeConnection:
        start = 0 if after is None else cursors.read_position(after, self.row.id, "outcomes")
        page = await batch_outcomes.page(
            info.context.known,
            self.row.id,
            ok=ok,
            code=code,
            deployment_id=deployment_id,
            limit=within(first, MOST_ROWS),
            after=start,
        )
        pairs = [(cursors.position(self.row.id, "outcomes", row.line), BatchOutcome.of(row)) for row in page.items]
        return connect(BatchOutcomeConnection, pairs, after=after, has_more=page.has_more)

    @strawberry.field(
        description="A URL of its output file as far as there is one, also while it runs; it needs no key and works for a "
        "limited time."
    )
    def output_url(self, info: Info) -> str:
        return batch_outcomes.url(info.context.known.core, self.row, True)

    @strawberry.field(description="The same of its error file. Of a file with problems it has them all.")
    def errors_url(self, info: Info) -> str:
        return batch_outcomes.url(info.context.known.core, self.row, False)

    @strawberry.field(description="What happened to it, oldest first.")
    async def events(self, info: Info, first: FirstRows = 50, after: After = None) -> BatchEventConnection:
        return await streams.page_of(info, BatchEventConnection, BatchEvent.of, batches.rows, self.row.id, "events", first, after)


async def _file(info: Info, file_id: str | None) -> File | None:
    row = None if file_id is None else await info.context.loaders.file.load(file_id)
    return None if row is None else File.of(row)


@strawberry.type(description="A page of batches.")
class BatchConnection(Connection[Batch]): ...


@strawberry.input(description="Which batches to list.")
class BatchFilter:
    status: list[BatchStatus] | None = strawberry.field(default=None, description="Only those in one of these.")
    search: str | None = strawberry.field(
        default=None,
        description="Only those whose input file's name, metadata or model contains this, whatever its case, and the one with "
        "this id.",
    )
    created_after: datetime | None = strawberry.field(default=None, description="Only those made at this moment or later.")
    created_before: datetime | None = strawberry.field(default=None, description="Only those made before this moment.")

    @property
    def terms(self) -> dict[str, Any]:
        """What `resolvers.batches.page` calls it."""
        return {
            "status": None if self.status is None else [str(status.value) for status in self.status],
            "search": self.search,
            "created": Span(self.created_after, self.created_before),
        }


@strawberry.type
class BatchQueries:
    @strawberry.field(description="A batch; null where the account has no such batch.")
    async def batch(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `batch_…`.")]
    ) -> Batch | None:
        row = await info.context.loaders.batch.load(id)
        return None if row is None else Batch.of(row)

    @strawberry.field(description="The account's batches, newest first.")
    async def batches(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        filter: Annotated[BatchFilter | None, strawberry.argument(description="Which to list; all by default.")] = None,
    ) -> BatchConnection:
        terms = {} if filter is None else filter.terms
        page = await batches.page(info.context.known, limit=within(first), after=cursors.read_item(after, NOUN), **terms)
        return connect_page(BatchConnection, NOUN, page, Batch.of, after)
