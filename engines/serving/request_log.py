"""The log of inference requests: each is a row of its table, a part of its deployment's totals and a row of the deployment's
stream `requests`; all three at once, and exactly once.

Written in batches, off the path of the answers. Rows wait in memory while the database is away or refuses. What it will never
take is left out, and so is what comes while `MOST_WAITING` rows wait already: both are said in the program's own log.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Dialect, bindparam, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from burnish.kit import clock, stream
from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.errors import Invalid
from models.deployment import Deployment, InferenceRequest

log = structlog.get_logger(__name__)
FLUSH_S = 0.5
# Of one transaction: SQLite's lock is held for some 20 ms.
MOST_AT_ONCE = 2500
# Some 50 MB.
MOST_WAITING = 100_000
LONGEST_ERROR = 4000
# What says that the fault lies with a row rather than with the database.
OF_A_ROW = (IntegrityError, DataError, Invalid, ValueError, TypeError, OverflowError)


class Logged(NamedTuple):
    """One call of a deployment, as `InferenceRequest` keeps it; it arrived at `created_micros`, and latencies count from then.

    `replica_id` is null where no replica took it: the gateway refused it, or its caller left while it waited.
    """

    id: str
    account_id: str
    deployment_id: str
    replica_id: str | None
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float
    ttft_ms: float | None
    status_code: int
    streamed: bool
    finish_reason: str | None
    client_cancelled: bool
    error_message: str | None
    created_micros: int

    def as_row(self) -> dict[str, Any]:
        """Return the call as a row of its deployment's stream `requests`; `at` is when it arrived."""
        return {
            "id": self.id,
            "at": clock.text(self.created_micros),
            "replica_id": self.replica_id,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "latency_ms": self.latency_ms,
            "ttft_ms": self.ttft_ms,
            "status_code": self.status_code,
            "streamed": self.streamed,
            "finish_reason": self.finish_reason,
            "client_cancelled": self.client_cancelled,
            "error_message": self.error_message,
        }


# In the order of the fields above.
COLUMNS = ("created_at" if name == "created_micros" else name for name in Logged._fields)
INSERT = insert(InferenceRequest).values(dict.fromkeys(COLUMNS))
ADD_TOTALS = (
    update(Deployment)
    .where(col(Deployment.id) == bindparam("deployment"))
    .values(
        total_requests=col(Deployment.total_requests) + bindparam("requests"),
        total_prompt_tokens=col(Deployment.total_prompt_tokens) + bindparam("prompt_tokens"),
        total_completion_tokens=col(Deployment.total_completion_tokens) + bindparam("completion_tokens"),
    )
)


class RequestLog:
    """The log of one API process. `run()` writes it; `close()` writes what is left of it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._waiting: list[Logged] = []
        self._dropped = 0
        self._turn = asyncio.Lock()
        self._writing: set[asyncio.Task[None]] = set()
        self._is_doubtful = False

    async def run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except Exception as error:
                log.warning("request_log_waits", error=str(error), waiting=len(self._waiting))

    async def close(self) -> None:
        try:
            await self.flush()
        except Exception as error:
            log.error("request_log_lost", requests=len(self._waiting), error=str(error))

    def add(self, row: Logged) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        if row.error_message is not None:
            # An engine quotes what it was asked, whatever that was.
            told = row.error_message[:LONGEST_ERROR].replace("\0", "\ufffd").encode(errors="replace").decode()
            row = row._replace(error_message=told)
        self._waiting.append(row)

    async def flush(self) -> None:
        """Write what waits; what is refused waits on. A caller that is cancelled leaves the writing to go on."""
        task = asyncio.create_task(self._write())
        self._writing.add(task)
        task.add_done_callback(self._written)
        await asyncio.shield(task)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        # Whoever waited for it has the error; without this it is reported where nobody does.
        _ = task.cancelled() or task.exception()

    async def _write(self) -> None:
        async with self._turn:
            left = len(self._waiting)
            while left > 0:
                rows = self._waiting[: min(left, MOST_AT_ONCE)]
                await self._write_some(rows)
                # Not before they are written, so that they wait on however that ends.
                del self._waiting[: len(rows)]
                left -= len(rows)
            if self._dropped:
                log.error("request_log_dropped", requests=self._dropped, most_waiting=MOST_WAITING)
                self._dropped = 0

    async def _write_some(self, rows: Sequence[Logged]) -> None:
        """Write rows, by halves where one of them is refused, which is left out once it is found."""
        try:
            await self._transact(rows)
        except Exception as error:
            if not _is_of_a_row(error):
                raise
            if len(rows) == 1:
                log.error("request_log_row_refused", id=rows[0].id, deployment=rows[0].deployment_id, error=str(error))
                return
            middle = len(rows) // 2
            await self._write_some(rows[:middle])
            await self._write_some(rows[middle:])

    async def _transact(self, rows: Sequence[Logged]) -> None:
        """Write rows in one transaction.

        Also those of a deployment that has ended, and whose stream may be marked so: who reads it later finds these rows too.
        """
        # A commit that was cut off may have happened.
        is_repeated, self._is_doubtful = self._is_doubtful, True
        async with self._core.db.transaction() as session:
            if is_repeated:
                rows = await _unwritten(await session.connection(), rows)
            if rows:
                await record(session, rows)
        self._is_doubtful = False


async def record(session: Session, rows: Sequence[Logged]) -> None:
    """Write calls in the caller's transaction: their rows, their deployments' totals and streams.

    In one order, and deployments before streams, as their hosts lock them.
    """
    connection = await session.connection()
    # Plain tuples: SQLite's driver has a fast way for these alone.
    await connection.exec_driver_sql(_insert(connection.dialect), [tuple(row) for row in rows])
    groups = sorted(_by_deployment(rows).items())
    await connection.execute(ADD_TOTALS, [_totals(deployment_id, its) for deployment_id, its in groups])
    told = {deployment_id: [row.as_row() for row in its] for deployment_id, its in groups}
    await stream.append_each(session, "requests", told)


@lru_cache(maxsize=2)
def _insert(dialect: Dialect) -> str:
    """Return the statement that takes rows as they are: as one of Core's, each value would pass a function."""
    return INSERT.compile(dialect=dialect).string


async def _unwritten(connection: AsyncConnection, rows: Sequence[Logged]) -> list[Logged]:
    known = await connection.execute(
        select(col(InferenceRequest.id)).where(col(InferenceRequest.id).in_([row.id for row in rows]))
    )
    written = set(known.scalars())
    return [row for row in rows if row.id not in written]


def _by_deployment(rows: Iterable[Logged]) -> dict[str, list[Logged]]:
    found: dict[str, list[Logged]] = defaultdict(list)
    for row in rows:
        found[row.deployment_id].append(row)
    return found


def _totals(deployment_id: str, rows: Sequence[Logged]) -> dict[str, Any]:
    return {
        "deployment": deployment_id,
        "requests": len(rows),
        "prompt_tokens": sum(row.prompt_tokens for row in rows),
        "completion_tokens": sum(row.completion_tokens for row in rows),
    }


def _is_of_a_row(error: BaseException | None) -> bool:
    """Say whether a row is at fault; drivers tell some of that only in what caused their error."""
    while error is not None:
        if isinstance(error, OF_A_ROW):
            return True
        error = error.__cause__
    return False
