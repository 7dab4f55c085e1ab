"""A host's work on one batch: look through its file, have its lines answered, write what became of them, store it as files.

validating -> in_progress -> finalizing -> completed | expired        cancelling -> cancelled        any -> failed

Where it stands follows from the rows alone: the status, and the lines that have an outcome. So another host, or this one after
its restart, goes on from any moment; a line that was sent and whose outcome was not written is sent once more.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from time import monotonic
from typing import Any

import structlog
from obstore.exceptions import BaseError as StorageError
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.db import Session
from engines import protocol
from engines.bulk import feeding, files, outcomes, validate
from engines.bulk.feeding import Feed, Room
from engines.bulk.outcomes import Ended, Outcomes
from engines.bulk.pool import Pool
from engines.leased import LeasedRun
from models import batch, events, transitions
from models.batch import Batch, BatchOutcome
from models.file import File
from models.leases import LeaseLost

log = structlog.get_logger(__name__)
# How many problems the batch itself tells; its error file has all.
TOLD_PROBLEMS = 100
REST_AT_ONCE = 1000
PAUSE_S, MOST_PAUSE_S = 0.5, 30.0
# What is not the database's or the storage's fault is tried so often in a row.
TRIES = 4
AWAY = (DBAPIError, StorageError, ConnectionError, TimeoutError)
SAID = {
    batch.EXPIRED_LINE: "The batch's completion window had passed before this request was answered.",
    batch.CANCELLED_LINE: "The batch was cancelled before this request was answered.",
}


class BatchRun(LeasedRun):
    """One host's work on one batch, through the pool that all batches of the host share."""

    table = Batch
    noun = "Batch"
    streams = batch.STREAMS
    terminal = batch.TERMINAL
    last_words = "It is ended."
    pays = False
    takes_room = False
    # What its files hold is to be taken out of the rows.
    lingers = True

    def __init__(self, *args: Any, pool: Pool, room: Room, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pool = pool
        self.room = room
        self.outcomes = Outcomes(self)
        self.cancelling = asyncio.Event()
        self.expired = asyncio.Event()
        self.sending_since = 0.0
        self._feed: Feed | None = None

    @property
    def in_flight(self) -> int:
        return 0 if self._feed is None else self._feed.in_flight

    def written(self, some: list[Ended]) -> None:
        """Take note of outcomes that are in the database."""
        if self._feed is not None:
            self._feed.written(some)

    def told(self, kind: str) -> None:
        """Take note of a row that was written to a stream beside the buffers, so that it is packed."""
        count, chunks = self._unpacked.get(kind, (0, 0))
        self._unpacked[kind] = count + 1, chunks + 1
        self._buffered.set()

    async def on_claim(self, session: Session, row: Batch) -> bool:
        if row.status in batch.TERMINAL:
            return True
        row.attempt += 1
        self.attempt = row.attempt
        session.add(row)
        await session.flush()
        line = f"Attempt {row.attempt}: the host of this batch is gone; going on here" if row.attempt > 1 else None
        await events.record(
            session, row.account_id, row.id, "submitted", {"attempt": row.attempt}, attempt=row.attempt, line=line
        )
        return True

    async def stop_meter(self, session: Session) -> None:
        """A batch is charged nothing itself."""

    async def _watch(self) -> None:
        async with self.core.db.read() as session:
            row = await session.get_one(Batch, self.id)
        if row.status == batch.CANCELLING:
            self.cancelling.set()
        if clock.now() >= row.expires_at:
            self.expired.set()
        if row.status in batch.TERMINAL:
            self.ended.set()

    # --- the steps ---

    async def work(self) -> None:
        """Take one step after the other; what is away for a while is waited for."""
        failures = 0
        self.room.batches += 1
        try:
            while True:
                before = await self._standing()
                try:
                    if await self._step():
                        return
                    failures = 0
                except LeaseLost:
                    raise
                except Exception as error:
                    moved = await self._standing() != before
                    failures = 1 if moved else failures + 1
                    if failures >= TRIES and not isinstance(error, AWAY):
                        raise
                    log.warning("batch_step_failed", resource=self.id, error=str(error), exc_info=True)
                    await self._pause(min(PAUSE_S * 2**failures, MOST_PAUSE_S))
        finally:
            self.room.batches -= 1

    async def _standing(self) -> tuple[str, int] | None:
        """Return what tells whether there was any progress; None where that cannot be known now."""
        try:
            row = await self._row()
        except DBAPIError:
            return None
        return row.status, row.completed + row.failed

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.halted.wait()
        except TimeoutError:
            pass

    async def _row(self) -> Batch:
        async with self.core.db.read() as session:
            return await session.get_one(Batch, self.id)

    async def _step(self) -> bool:
        """Do what is next; True where there is nothing more to do here."""
        row = await self._row()
        if row.status in batch.TERMINAL:
            return await self._tidy(row)
        if clock.now() >= row.expires_at:
            self.expired.set()
        if self.halted.is_set():
            await self.hand_over(f"{self.why_halted}; the batch goes on from its answered lines")
            return True
        if row.status == batch.VALIDATING:
            await self._until(self._validate(row), self.halted, self.cancelling)
        elif row.status == batch.IN_PROGRESS:
            await self._send(row)
        elif row.status == batch.FINALIZING:
            await self._until(self._finalize(row, await self._result()), self.halted)
        else:
            await self._until(self._cancel(row), self.halted)
        return False

    async def _until(self, work: Coroutine[Any, Any, None], *events: asyncio.Event) -> bool:
        """Work until it is done or any of the events is set, which cancels it; say whether it is done."""
        task = asyncio.create_task(work)
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait((task, *waits), return_when=asyncio.FIRST_COMPLETED)
            is_done = task.done()
        finally:
            for each in (task, *waits):
                each.cancel()
            await asyncio.gather(task, *waits, return_exceptions=True)
        if not task.cancelled():
            task.result()
        return is_done

    async def _input_key(self, row: Batch) -> str:
        """Return where the input is stored; FileNotFoundError where it was deleted."""
        async with self.core.db.read() as session:
            found = await session.get_one(File, row.input_file_id)
        if found.deleted_at is not None:
            raise FileNotFoundError(found.id)
        return found.storage_key

    async def _validate(self, row: Batch) -> None:
        try:
            async with self.room.validating:
                report = await validate.validate(self.core, row, await self._input_key(row))
        except FileNotFoundError:
            message = f"The input file {row.input_file_id} was deleted."
            report = validate.Report(problems=[validate.Problem(None, "file_not_found", message)])
        if report.problems:
            await self._refuse(row, report.problems)
            return
        model = report.models[0] if len(report.models) == 1 else None
        line = f"Status: in_progress, with {report.total} requests"
        await self._move(row, batch.IN_PROGRESS, line=line, total=report.total, model=model, in_progress_at=clock.now())

    async def _refuse(self, row: Batch, problems: list[validate.Problem]) -> None:
        file = await files.store(self.core, row, self.token, files.ERRORS, validate.problem_lines(problems))
        told = [problem.as_json() for problem in problems[:TOLD_PROBLEMS]]
        line = f"Status: failed: {problems[0].message}" + (f" And {len(problems) - 1} more" if problems[1:] else "")
        values = {"errors": told, "problem_count": len(problems), "failed_at": clock.now()}
        await self._move(row, batch.FAILED, {"error_file_id": file}, line=line, level="error", **values)

    async def _send(self, row: Batch) -> None:
        done = await self._done()
        try:
            key = await self._input_key(row)
            if len(done) < row.total and not self.expired.is_set():
                self._feed = Feed(self, key, done, row.endpoint)
                self.sending_since = monotonic()
                try:
                    is_done = await self._until(self._feed.run(), self.halted, self.cancelling, self.expired)
                finally:
                    await self.outcomes.flush()
                    self._feed = None
                if not is_done and not self.expired.is_set():
                    return
            if self.expired.is_set() and not await self._until(
                self._end_rest(row, key, batch.EXPIRED_LINE), self.halted, self.cancelling
            ):
                return
        except FileNotFoundError:
            await self._give_up(row, "file_not_found", f"The input file {row.input_file_id} was deleted before all was sent.")
            return
        await self._move(row, batch.FINALIZING, finalizing_at=clock.now())

    async def _end_rest(self, row: Batch, key: str, code: str) -> None:
        """Give each line that has no outcome one that says why."""
        done = await self._done()
        if len(done) >= row.total:
            return
        count = 0
        async with aclosing(feeding.requests(self.core, key, done)) as lines:
            async for number, text in lines:
                request = await feeding.parse(number, text)
                outcome = outcomes.unanswered(self.id, number, request.custom_id, code, SAID[code])
                self.outcomes.add(Ended(outcome, (), 0))
                count += 1
                if count % REST_AT_ONCE == 0:
                    await self.outcomes.flush()
        await self.outcomes.flush()

    async def _done(self) -> set[int]:
        """Return the lines that have an outcome."""
        await self.outcomes.flush()
        statement = select(BatchOutcome.line).where(BatchOutcome.batch_id == self.id)
        async with self.core.db.read() as session:
            return set((await session.exec(statement)).all())

    async def _result(self) -> str:
        late = (BatchOutcome.batch_id == self.id, col(BatchOutcome.ok).is_(False), BatchOutcome.code == batch.EXPIRED_LINE)
        statement = select(BatchOutcome.line).where(*late, col(BatchOutcome.status_code).is_(None)).limit(1)
        async with self.core.db.read() as session:
            return batch.COMPLETED if (await session.exec(statement)).first() is None else batch.EXPIRED

    async def _cancel(self, row: Batch) -> None:
        # One whose file was not looked through yet has no lines.
        if row.in_progress_at is not None:
            try:
                await self._end_rest(row, await self._input_key(row), batch.CANCELLED_LINE)
            except FileNotFoundError:
                message = f"The input file {row.input_file_id} was deleted before all lines had an outcome."
                await self._give_up(row, "file_not_found", message)
                return
        await self._finalize(row, batch.CANCELLED)

    async def _finalize(self, row: Batch, to: str) -> None:
        await self._move(row, to, await self._files(row), **{f"{to}_at": clock.now()})

    async def _files(self, row: Batch) -> dict[str, File | None]:
        parts = {"output_file_id": (files.OUTPUT, True), "error_file_id": (files.ERRORS, False)}
        return {
            column: await files.store(self.core, row, self.token, name, files.payloads(self.core, self.id, ok=ok))
            for column, (name, ok) in parts.items()
        }

    async def _give_up(self, row: Batch, code: str, message: str) -> None:
        """End the batch as failed; what was answered stays."""
        problem = validate.Problem(None, code, message).as_json()
        values = {"errors": [problem], "problem_count": 1, "failed_at": clock.now()}
        await self._move(row, batch.FAILED, await self._files(row), line=f"Status: failed: {message}", level="error", **values)

    async def _move(self, row: Batch, to: str, made: dict[str, File | None] | None = None, **values: Any) -> None:
        """Move the batch on from where `row` has it, with the files that were made; another may have moved it meanwhile."""
        async with self.writing() as session:
            fresh = await session.get_one(Batch, self.id)
            if fresh.status != row.status:
                return
            for column, file in (made or {}).items():
                if file is not None:
                    session.add(file)
                    values[column] = file.id
            await session.flush()
            await transitions.move(session, fresh, to, token=self.token, **values)

    async def _tidy(self, row: Batch) -> bool:
        """Take out of the rows what the files hold, and give the batch back for good."""
        await files.clear(self.core, row)
        last: int | None = 0
        while last is not None:
            last = await files.forget(self.core, self.id, last)
        await self.close(row.status)
        if row.parent_id is not None:
            self.wake(row.parent_id)
        return True

    async def fail(self, failure: protocol.ChildFailure) -> None:
        row = await self._row()
        if row.status not in batch.TERMINAL:
            try:
                await self._give_up(row, failure.code, failure.message)
            except AWAY:
                raise
            except Exception:
                # What is wrong with its files must not keep it from ending.
                log.error("batch_files_lost", resource=self.id, exc_info=True)
                problem = validate.Problem(None, failure.code, failure.message).as_json()
                await self._move(row, batch.FAILED, level="error", errors=[problem], problem_count=1, failed_at=clock.now())
        await self._tidy(await self._row())
