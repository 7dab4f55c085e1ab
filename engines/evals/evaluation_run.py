"""A host's work on one run of an eval: ask the model, ask the judges, score, and say what it comes to.

queued -> running -> scoring -> completed        any -> failed | cancelled

What is asked goes through batches of the run's own (`inner`), which any host works on. Where a run stands follows from the rows
alone: its status, its batches and the number of its items. So another host, or this one after its restart, goes on from any
moment, and nothing is asked or scored twice.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any

import structlog
from obstore.exceptions import BaseError as StorageError
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from burnish.kit import clock
from burnish.kit.db import Session
from engines import protocol
from engines.bulk.sending import NOT_SERVING
from engines.data import reading
from engines.evals import ending, grading, inner, results, rows, scorers
from engines.evals.grading import Grading
from engines.evals.scorers import Judge, Reward, Scorer, ScorerProblem
from engines.leased import LeasedRun, first
from engines.protocol import ChildFailure
from engines.serving import addressing
from models import batch, events, transitions
from models import deployment as dep
from models import eval as evaluation
from models.account import Account
from models.batch import Batch
from models.dataset import Dataset
from models.deployment import Deployment
from models.eval import Eval, EvalItem, EvalRun
from models.leases import LeaseLost
from models.reward_function import RewardFunction

log = structlog.get_logger(__name__)
LOOK_S = 1.0
PAUSE_S, MOST_PAUSE_S = 0.5, 30.0
# What is not the database's or the storage's fault is tried so often in a row.
TRIES = 4
AWAY = (DBAPIError, StorageError, ConnectionError, TimeoutError)


class EvaluationRun(LeasedRun):
    """One host's work on one run. As many runs score at once as `grading` lets in: each reward function takes a process."""

    table = EvalRun
    noun = "Eval run"
    streams = evaluation.STREAMS
    terminal = evaluation.TERMINAL
    last_words = "It is ended."
    pays = False
    takes_room = False

    def __init__(self, *args: Any, grading: asyncio.Semaphore, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._grading = grading
        self._woken = asyncio.Event()
        self._told: dict[str, Any] = {}

    def look(self) -> None:
        super().look()
        self._woken.set()

    async def on_claim(self, session: Session, row: EvalRun) -> bool:
        row.attempt += 1
        self.attempt = row.attempt
        session.add(row)
        await session.flush()
        line = f"Attempt {row.attempt}: the host of this run is gone; going on here" if row.attempt > 1 else None
        metadata = {"attempt": row.attempt}
        await events.record(session, row.account_id, row.id, "submitted", metadata, attempt=row.attempt, line=line)
        return True

    async def stop_meter(self, session: Session) -> None:
        """A run is charged nothing itself."""

    # --- the steps ---

    async def work(self) -> None:
        """Take one step after the other; what is away for a while is waited for."""
        failures = 0
        while True:
            before = await self._standing()
            try:
                if await self._step():
                    return
                failures = 0
            except LeaseLost:
                raise
            except ChildFailure as failure:
                await self._end(evaluation.FAILED, failure)
            except Exception as error:
                failures = 1 if await self._standing() != before else failures + 1
                if failures >= TRIES and not isinstance(error, AWAY):
                    raise
                log.warning("eval_step_failed", resource=self.id, error=str(error), exc_info=True)
                await self._until(asyncio.sleep(min(PAUSE_S * 2**failures, MOST_PAUSE_S)))

    async def _standing(self) -> tuple[str, int] | None:
        """Return what tells whether there was any progress; None where that cannot be known now."""
        try:
            row = await self._row()
        except DBAPIError:
            return None
        return row.status, row.processed

    async def _row(self) -> EvalRun:
        async with self.core.db.read() as session:
            return await session.get_one(EvalRun, self.id)

    async def _step(self) -> bool:
        """Do what is next; True where there is nothing more to do here."""
        row = await self._row()
        if row.status in evaluation.TERMINAL:
            await inner.clear(self.core, row)
            await self.close(row.status)
            return True
        if self.halted.is_set():
            await self.hand_over(f"{self.why_halted}; the run goes on from what was answered and scored")
            return True
        if row.status == evaluation.QUEUED:
            await self._until(self._ask(row))
        elif row.status == evaluation.RUNNING:
            await self._until(self._wait(row))
        else:
            await self._until(self._score(row))
        return False

    async def _until(self, work: Coroutine[Any, Any, None]) -> None:
        """Work until it is done, the run has ended or the host stops, which cancel it."""
        task = asyncio.create_task(work)
        stop = asyncio.create_task(first(self.halted, self.ended))
        try:
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (task, stop):
                each.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)
        if not task.cancelled():
            task.result()

    # --- asking ---

    async def _ask(self, row: EvalRun) -> None:
        """Store what the model is to be asked and begin the batch that asks it."""
        await self._check(row)
        key = await self._rows_key(row)
        asking = rows.Asking(str(row.deployment_id), await self._generation(row), row.samples)
        count = size = 0
        most_bytes = self.settings.max_file_bytes

        async def lines() -> Any:
            nonlocal count, size
            async with aclosing(rows.rows(self.core.storage, key, row.rows)) as slices:
                async for some in slices:
                    count += len(some)
                    if count * row.samples > batch.MOST_LINES:
                        raise ChildFailure("dataset_error", f"A run asks {batch.MOST_LINES:,} times at most: take fewer rows.")
                    for one in some:
                        for line in asking.lines(one):
                            size += len(line)
                            if size > most_bytes:
                                message = f"What a run asks has at most {most_bytes} bytes in all: take fewer rows or samples."
                                raise ChildFailure("dataset_error", message)
                            yield line
                        await asyncio.sleep(0)

        input = await inner.store(self.core, row, self.token, inner.ANSWERS, lines())
        if not count:
            raise ChildFailure("dataset_error", "The dataset has no rows.")
        total = count * row.samples
        async with self.writing() as session:
            fresh = await session.get_one(EvalRun, self.id)
            if fresh.status != evaluation.QUEUED:
                return
            part = await inner.begin(session, fresh, inner.ANSWERS, input)
            line = f"Status: running, with {total} requests in the batch {part.id}"
            values: dict[str, Any] = {"total": total, "started_at": clock.now()}
            await transitions.move(session, fresh, evaluation.RUNNING, token=self.token, line=line, **values)
        self.wake(part.id)

    async def _check(self, row: EvalRun) -> None:
        """ChildFailure where what the run needs is not there: nothing is asked then."""
        async with self.core.db.read() as session:
            deployment = None if row.deployment_id is None else await session.get(Deployment, row.deployment_id)
            if deployment is None or deployment.status in dep.TERMINAL:
                why = "there is none" if deployment is None else _ended(deployment)
                raise ChildFailure(NOT_SERVING, f"The deployment that was to answer does not serve: {why}.")
            await self._rewards(session, await self._scorers(session, row))
            for scorer in await self._scorers(session, row):
                if isinstance(scorer, Judge):
                    await self._judge_id(session, scorer)

    async def _scorers(self, session: Session, row: EvalRun) -> list[Scorer]:
        try:
            return scorers.parse((await session.get_one(Eval, row.eval_id)).scorers)
        except ScorerProblem as problem:
            raise ChildFailure("config_error", str(problem)) from None

    async def _rewards(self, session: Session, found: list[Scorer]) -> dict[str, RewardFunction]:
        rewards: dict[str, RewardFunction] = {}
        for scorer in found:
            if not isinstance(scorer, Reward):
                continue
            reward = await session.get(RewardFunction, scorer.reward_function_id)
            if reward is None or reward.account_id != self.account_id or reward.deleted_at is not None:
                raise ChildFailure("config_error", f"The reward function {scorer.reward_function_id} is not there any more.")
            rewards[scorer.name] = reward
        return rewards

    async def _judge_id(self, session: Session, scorer: Judge) -> str:
        account = await session.get_one(Account, self.account_id)
        found = await addressing.by_reference(session, account, scorer.model)
        if found is None or found.status in dep.TERMINAL:
            raise ChildFailure(NOT_SERVING, f"The judge '{scorer.model}' names no active deployment of this account.")
        return found.id

    async def _rows_key(self, row: EvalRun) -> str:
        """Return where the rows are stored, after reading their source where nobody has yet."""
        async with self.core.db.read() as session:
            found = await session.get_one(Eval, row.eval_id)
            dataset = await session.get_one(Dataset, found.dataset_id)
        return await reading.materialise(self.core, dataset, self.say)

    async def _generation(self, row: EvalRun) -> dict[str, Any]:
        async with self.core.db.read() as session:
            found = await session.get_one(Eval, row.eval_id)
        return {**(found.generation or {}), **(row.generation or {})}

    # --- waiting ---

    async def _wait(self, row: EvalRun) -> None:
        """Wait for the model's answers, then have them scored."""
        part = await self._ended_part(inner.ANSWERS, row)
        async with self.core.db.read() as session:
            causes = await inner.causes(session, part.id)
        problem = self._unusable(part, causes)
        if problem is not None:
            raise problem
        line = f"Status: scoring {part.completed} answers" + (f"; {part.failed} requests failed" if part.failed else "")
        async with self.writing() as session:
            fresh = await session.get_one(EvalRun, self.id)
            if fresh.status == evaluation.RUNNING:
                await transitions.move(session, fresh, evaluation.SCORING, token=self.token, line=line)

    @staticmethod
    def _unusable(part: Batch, causes: list[tuple[str, int, str]]) -> ChildFailure | None:
        """Return why the answers cannot be scored, if they cannot: a part of them would not be what the model can do."""
        if part.status == batch.FAILED:
            problem = (part.errors or [{"code": "batch_failed", "message": "What was to be asked could not be."}])[0]
            return ChildFailure(problem["code"], problem["message"])
        if part.status == batch.CANCELLED:
            return ChildFailure(batch.CANCELLED_LINE, f"The batch {part.id}, which asked the model, was cancelled.")
        ended = next((message for code, _, message in causes if code == NOT_SERVING), None)
        if ended is not None:
            answered = f"{part.completed} of {part.total} requests were answered."
            return ChildFailure(NOT_SERVING, f"The deployment ended before it had answered all: {ended} {answered}")
        if not part.completed:
            said = "; ".join(f"{count} x {code}: {message}" for code, count, message in causes[:3])
            return ChildFailure(
                causes[0][0] if causes else "no_answer", f"None of the {part.total} requests was answered. {said}"
            )
        return None

    async def _ended_part(self, part: str, row: EvalRun) -> Batch:
        """Return a batch of the run once it has ended, telling meanwhile how far it is."""
        while True:
            self._woken.clear()
            async with self.core.db.read() as session:
                found = await inner.find(session, self.id, part)
            if found is None:
                raise LookupError(f"{self.id} has no part {part}")
            counts = {"answered": found.completed + found.failed, "failed": found.failed}
            if part != inner.ANSWERS:
                counts = {"judged": found.completed + found.failed}
            await self._tell(row, counts)
            if found.status in batch.TERMINAL:
                return found
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _tell(self, row: EvalRun, counts: dict[str, int]) -> None:
        """Tell a follower how far the run is, where that has changed."""
        told = {**self._told, "status": row.status, "total": row.total, "processed": row.processed, **counts}
        if told != self._told:
            self._told = told
            await self.put("progress", {"at": clock.now().isoformat(), **told})

    # --- scoring ---

    async def _score(self, row: EvalRun) -> None:
        async with self._grading:
            work = await self._prepared(row)
        judges = await self._judged(row, work)
        async with self._grading:
            graded = Grading(self.core, work.rows_key, work.most_rows, work.answers, work.scorers, judges, work.rewards)
            await self._grade(row, graded)
            found = await results.results(self.core, row, work.scorers, work.answers, list(judges.values()))
        score = found["score"]["mean"]
        line = "Status: completed" + (f", with a score of {score:.4f}" if score is not None else "; nothing could be scored")
        await self._end(evaluation.COMPLETED, None, line=line, results=found)

    async def _prepared(self, row: EvalRun) -> Grading:
        async with self.core.db.read() as session:
            found = await self._scorers(session, row)
            rewards = await self._rewards(session, found)
            answers = await inner.find(session, self.id, inner.ANSWERS)
        if answers is None:
            raise LookupError(f"{self.id} has no answers")
        return Grading(self.core, await self._rows_key(row), row.rows, answers, found, {}, rewards)

    async def _judged(self, row: EvalRun, work: Grading) -> dict[str, Batch]:
        """Return the batches of the judges, once all have ended."""
        found = [(place, scorer) for place, scorer in enumerate(work.scorers) if isinstance(scorer, Judge)]
        for place, scorer in found:
            await self._ask_judge(row, work, inner.judging(place), scorer)
        judges = {scorer.name: await self._ended_part(inner.judging(place), row) for place, scorer in found}
        for name, part in judges.items():
            async with self.core.db.read() as session:
                causes = await inner.causes(session, part.id)
            # Answers that were judged until then would not be a fair part of all.
            if part.status in (batch.FAILED, batch.CANCELLED) or any(code == NOT_SERVING for code, _, _ in causes):
                problem = self._unusable(part, causes)
                if problem is not None:
                    raise ChildFailure(problem.code, f"The scorer {name}: {problem.message}")
        return judges

    async def _ask_judge(self, row: EvalRun, work: Grading, part: str, scorer: Judge) -> None:
        async with self.core.db.read() as session:
            if await inner.find(session, self.id, part) is not None:
                return
            model = await self._judge_id(session, scorer)
        input = await inner.store(self.core, row, self.token, part, grading.judged_lines(work, scorer, model))
        async with self.writing() as session:
            fresh = await session.get_one(EvalRun, self.id)
            if fresh.status != evaluation.SCORING:
                return
            asked = await inner.begin(session, fresh, part, input)
        await self.say(f"Asking the judge {scorer.model} in the batch {asked.id}")
        self.wake(asked.id)

    async def _grade(self, row: EvalRun, graded: Grading) -> None:
        """Score what is not scored yet and write it, a page in a transaction with the count."""
        table: Any = EvalItem
        async with aclosing(graded.pages(row.processed)) as pages:
            async for page in pages:
                async with self.writing() as session:
                    fresh = await session.get_one(EvalRun, self.id)
                    if fresh.status != evaluation.SCORING:
                        return
                    await (await session.connection()).execute(
                        insert(table.__table__), [{"run_id": self.id, **item} for item in page]
                    )
                    fresh.processed += len(page)
                    fresh.updated_at = clock.now()
                    session.add(fresh)
                await self._tell(fresh, {})

    # --- ends ---

    async def _end(self, to: str, failure: ChildFailure | None, *, line: str | None = None, **values: Any) -> None:
        """Move the run to its end with all that hangs on it; what is buffered of its log comes before."""
        level = "info"
        if failure is not None:
            values["error"] = failure.message
            line, level = f"Status: failed ({failure.code}): {failure.message}", "error"
        await self.flush()
        async with self.writing() as session:
            row = await session.get_one(EvalRun, self.id)
            await ending.end(session, row, to, token=self.token, line=line, level=level, **values)

    async def fail(self, failure: protocol.ChildFailure) -> None:
        await self._end(evaluation.FAILED, failure)
        await self.close((await self._row()).status)


def _ended(row: Deployment) -> str:
    return f"{row.name} is {row.status}" + (f" ({row.error})" if row.error else "")
