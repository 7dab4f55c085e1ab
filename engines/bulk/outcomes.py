"""What became of the lines of a batch, on its way into the database: written together with the batch's counts and the log of
the requests, in one transaction that proves the lease. So each line has one outcome, exactly once, and the sums are those of
the outcomes.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import structlog
from sqlalchemy import Dialect, insert, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from burnish.kit import clock, stream
from burnish.kit.db import Session
from engines.bulk.sending import Answer
from engines.serving import request_log
from models.batch import Batch, BatchOutcome

if TYPE_CHECKING:
    from engines.bulk.batch_run import BatchRun

log = structlog.get_logger(__name__)
FLUSH_S = 0.25
RETRY_S = 1.0
PROGRESS_S = 0.5
RATE_S = 5.0
# Of one transaction.
MOST_AT_ONCE, BYTES_AT_ONCE = 1000, 4 * 2**20
LONGEST_CODE, LONGEST_MESSAGE = 64, 4000


class Outcome(NamedTuple):
    """A row of `BatchOutcome`, in the order of its columns; `ended_micros` is when."""

    batch_id: str
    line: int
    custom_id: str
    ok: bool
    status_code: int | None
    code: str | None
    message: str | None
    deployment_id: str | None
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float | None
    cost_nanos: int
    attempts: int
    payload: bytes
    ended_micros: int


COLUMNS = ("ended_at" if name == "ended_micros" else name for name in Outcome._fields)
INSERT = insert(BatchOutcome).values(dict.fromkeys(COLUMNS))


class Ended(NamedTuple):
    """An outcome and the calls that it took; `held_bytes` is what its line takes until it is written."""

    outcome: Outcome
    logged: tuple[request_log.Logged, ...]
    held_bytes: int


def answered(batch_id: str, line: int, custom_id: str, deployment_id: str | None, answer: Answer) -> Outcome:
    """Return the outcome that an answer is, with the line of the file that it goes to."""
    ok = answer.status_code is not None and 200 <= answer.status_code < 300
    code = message = None
    if not ok:
        code, message = plain(answer.code or "error", LONGEST_CODE), plain(answer.message or "", LONGEST_MESSAGE)
    if answer.status_code is None:
        response, error = b"null", orjson.dumps({"code": code, "message": message})
    else:
        request_id = orjson.dumps(answer.logged[-1].id if answer.logged else None)
        response = b'{"status_code":%d,"request_id":%b,"body":%b}' % (answer.status_code, request_id, _body(answer.body))
        error = b"null"
    return Outcome(
        batch_id,
        line,
        custom_id,
        ok,
        answer.status_code,
        code,
        message,
        deployment_id,
        answer.prompt_tokens,
        answer.completion_tokens,
        answer.latency_ms,
        answer.cost_nanos,
        answer.attempts,
        b'{"id":%b,"custom_id":%b,"response":%b,"error":%b}\n'
        % (orjson.dumps(line_id(batch_id, line)), orjson.dumps(custom_id), response, error),
        clock.now_micros(),
    )


def unanswered(batch_id: str, line: int, custom_id: str, code: str, message: str) -> Outcome:
    """Return the outcome of a line that was never sent, or that nothing answered."""
    return answered(batch_id, line, custom_id, None, Answer(None, b"", code, message))


def line_id(batch_id: str, line: int) -> str:
    return f"batch_req_{batch_id.removeprefix('batch_')}_{line}"


def plain(text: str, longest: int) -> str:
    """Return a text as every database can hold it."""
    return text[:longest].replace("\0", "\ufffd").encode(errors="replace").decode()


def _body(body: bytes) -> bytes:
    """Return an answer as a part of a line: as it came where it is JSON without line ends, else as near to it as can be."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return orjson.dumps(body.decode(errors="replace"))
    return orjson.dumps(value) if b"\n" in body or b"\r" in body else body


class Outcomes:
    """The outcomes of one run that wait to be written. `run()` writes them; `flush()` writes all that there are."""

    def __init__(self, run: "BatchRun") -> None:
        self._run = run
        self._waiting: deque[Ended] = deque()
        self.waiting_bytes = 0
        self._due = asyncio.Event()
        self._turn = asyncio.Lock()
        # What was being written when a commit was cut off: it may have happened.
        self._doubtful: tuple[list[Ended], int] | None = None
        self._told_at = -PROGRESS_S
        self._recent: deque[tuple[float, int]] = deque()

    def add(self, ended: Ended) -> None:
        self._waiting.append(ended)
        self.waiting_bytes += len(ended.outcome.payload)
        if len(self._waiting) >= MOST_AT_ONCE or self.waiting_bytes >= BYTES_AT_ONCE:
            self._due.set()

    async def run(self) -> None:
        """Write what comes, each quarter of a second or when it is much, for ever; a database that is away is waited for."""
        while True:
            try:
                async with asyncio.timeout(FLUSH_S):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            try:
                await self.flush()
            except DBAPIError as error:
                log.warning("outcomes_wait", resource=self._run.id, waiting=len(self._waiting), error=str(error.orig))
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Write what waits, to the end: a caller that is cancelled leaves after it."""
        writing = asyncio.create_task(self._flush())
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.gather(writing, return_exceptions=True)
            raise

    async def _flush(self) -> None:
        async with self._turn:
            while self._waiting:
                some, size = self._doubtful or self._some()
                await self._write(some, size)
                for _ in some:
                    self._waiting.popleft()
                self.waiting_bytes -= size
                self._run.written(some)

    def _some(self) -> tuple[list[Ended], int]:
        some: list[Ended] = []
        size = 0
        for ended in self._waiting:
            if some and (len(some) >= MOST_AT_ONCE or size >= BYTES_AT_ONCE):
                break
            some.append(ended)
            size += len(ended.outcome.payload)
        return some, size

    async def _write(self, some: list[Ended], size: int) -> None:
        # Just these once more: of a commit that may have happened, all of it has or nothing.
        is_repeated, self._doubtful = self._doubtful is not None, (some, size)
        async with self._run.writing() as session:
            if not (is_repeated and await _is_written(session, some[0].outcome)):
                await self._record(session, some)
        self._doubtful = None

    async def _record(self, session: Session, some: Sequence[Ended]) -> None:
        connection = await session.connection()
        # Plain tuples: SQLite's driver has a fast way for these alone.
        await connection.exec_driver_sql(_insert(connection.dialect), [tuple(ended.outcome) for ended in some])
        counts = (await session.exec(_counting(self._run.id, [ended.outcome for ended in some]))).one()
        logged = [row for ended in some for row in ended.logged]
        if logged:
            await request_log.record(session, logged)
        if self._is_time_to_tell(len(some), counts.completed + counts.failed >= counts.total):
            row = {"at": clock.now().isoformat(), **counts._asdict(), **self._pace()}
            await stream.append(session, self._run.id, "progress", [row], attempt=self._run.attempt)
            self._run.told("progress")

    def _is_time_to_tell(self, count: int, is_last: bool) -> bool:
        now = monotonic()
        self._recent.append((now, count))
        while self._recent[0][0] < now - RATE_S:
            self._recent.popleft()
        if not is_last and now - self._told_at < PROGRESS_S:
            return False
        self._told_at = now
        return True

    def _pace(self) -> dict[str, Any]:
        now = monotonic()
        since = max(now - self._run.sending_since, 1e-3)
        per_second = sum(count for _, count in self._recent) / min(since, RATE_S)
        return {"in_flight": self._run.in_flight, "per_second": round(per_second, 2)}


async def _is_written(session: Session, outcome: Outcome) -> bool:
    statement = select(BatchOutcome.line).where(BatchOutcome.batch_id == outcome.batch_id, BatchOutcome.line == outcome.line)
    return (await session.exec(statement)).first() is not None


def _counting(batch_id: str, outcomes: Sequence[Outcome]) -> Any:
    completed = sum(outcome.ok for outcome in outcomes)
    added = {
        "completed": completed,
        "failed": len(outcomes) - completed,
        "prompt_tokens": sum(outcome.prompt_tokens for outcome in outcomes),
        "completion_tokens": sum(outcome.completion_tokens for outcome in outcomes),
        "cost_nanos": sum(outcome.cost_nanos for outcome in outcomes),
    }
    columns: dict[str, Any] = {name: getattr(Batch, name) for name in added}
    values: dict[str, Any] = {name: col(columns[name]) + count for name, count in added.items()}
    statement = update(Batch).where(col(Batch.id) == batch_id).values(**values, updated_at=clock.now())
    return statement.returning(col(Batch.total), *columns.values()).execution_options(synchronize_session=False)


@lru_cache(maxsize=2)
def _insert(dialect: Dialect) -> str:
    """Return the statement that takes rows as they are: as one of Core's, each value would pass a function."""
    return INSERT.compile(dialect=dialect).string
