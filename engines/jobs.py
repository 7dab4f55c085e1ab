"""Running a training job: from the lease to the stored model.

A child trains; this side writes what it says, uploads its checkpoints and moves the job's status. A child that dies without a
word is started again from the newest checkpoint, as the job of a dead host is; a job that dies again and again without getting
any further fails.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from burnish.kit import clock, ids, stream
from burnish.kit.db import Session
from engines import evidence, job_spec, protocol
from engines.compute import hardware
from engines.data import reading
from engines.delivery import send
from engines.leased import LeasedRun, first
from engines.spawn import Child
from models import events, job, transitions
from models.job import Checkpoint, Job
from models.leases import LeaseLost
from models.outlook import Limit

log = structlog.get_logger(__name__)
DEATHS_WITHOUT_PROGRESS = 3
STOP_GRACE_S = 10.0


class JobRun(LeasedRun):
    """One host's work on one job; several children, if they die."""

    table = Job
    noun = "Training job"
    streams = job.STREAMS
    terminal = job.TERMINAL
    last_words = "Saving a checkpoint, then stopping."

    async def on_claim(self, session: Session, row: Job) -> bool:
        resumed = row.attempt > 0
        row.attempt += 1
        self.attempt = row.attempt
        row.gpu = hardware.as_json(self.placement.shape)
        row.provider = "local"
        row.phase = "validating"
        session.add(row)
        await session.flush()
        await self.start_meter(session, row)
        metadata = {"attempt": self.attempt, "gpu": row.gpu}
        line = f"Attempt {self.attempt}: the host that ran this job is gone; going on here" if resumed else None
        await events.record(session, row.account_id, row.id, "submitted", metadata, attempt=self.attempt, line=line)
        if row.status == job.QUEUED:
            line = f"Status: provisioning, on {self.placement.shape.count} x {self.placement.shape.type}"
            await transitions.move(session, row, job.PROVISIONING, token=self.token, line=line)
        return True

    async def work(self) -> None:
        deaths, furthest = 0, await self._furthest()
        while True:
            # An earlier holder may have had the trained model stored, and no time to say so.
            failure = None if await self._is_trained() else await self._attempt()
            if self.halted.is_set():
                return await self.hand_over(f"{self.why_halted}; the job goes on from its newest checkpoint")
            if failure is None and not self.ended.is_set():
                await send.deliver(self)
                if self.halted.is_set():
                    return await self.hand_over(f"{self.why_halted}; the delivery of the model goes on elsewhere")
            if not isinstance(failure, _Died):
                return await self._finish(failure)
            if self.ended.is_set():
                return await self._finish(None)
            if self.purse.limit is not None:
                return await self._finish(self._limited(self.purse.limit))
            reached = await self._furthest()
            deaths, furthest = (1, reached) if reached > furthest else (deaths + 1, furthest)
            if deaths >= DEATHS_WITHOUT_PROGRESS:
                message = f"The trainer died {deaths} times without getting further; the last time of {failure.why}."
                return await self.fail(protocol.ChildFailure("worker_lost", message, "platform"))
            await self._next_attempt(failure.why)

    async def _attempt(self) -> "protocol.ChildFailure | _Died | None":
        """Run one child to its end; return None for success, and why it failed otherwise."""
        folder = self.settings.work / f"{self.id}-{self.attempt}-{self.token}"
        try:
            folder.mkdir(mode=0o700, parents=True)
            stops = (self.ended, self.limited, self.halted)
            # What it fetches may be many gigabytes: nobody waits for that to stop.
            built = await reading.unless_stopped(job_spec.build(self, folder), stops)
            return await _Session(self, folder).run(*built)
        except protocol.ChildFailure as failure:
            return failure
        except reading.Interrupted:
            limit = None if self.ended.is_set() or self.halted.is_set() else self.purse.limit
            return None if limit is None else self._limited(limit)
        except (LeaseLost, DBAPIError):
            raise
        except Exception as error:
            # A full disk or a store that is away: worth another try, and no more of them than a trainer that dies gets.
            log.warning("attempt_failed", resource=self.id, exc_info=error)
            return _Died(f"an error of the platform ({type(error).__name__})")
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, True)

    async def _furthest(self) -> int:
        async with self.core.db.read() as session:
            return (await session.get_one(Job, self.id)).current_step

    async def _is_trained(self) -> bool:
        async with self.core.db.read() as session:
            return await send.trained(session, self.id) is not None

    async def _next_attempt(self, why: str) -> None:
        await self.flush()
        async with self.writing() as session:
            row = await session.get_one(Job, self.id)
            row.attempt += 1
            self.attempt, self.heard_of = row.attempt, clock.now()
            session.add(row)
            await session.flush()
            await self.start_meter(session, row)
            line = f"The trainer died of {why}; attempt {self.attempt} goes on from the newest checkpoint"
            metadata = {"attempt": self.attempt, "reason": why}
            await events.record(
                session, row.account_id, row.id, "submitted", metadata, attempt=self.attempt, line=line, level="warning"
            )

    async def fail(self, failure: protocol.ChildFailure) -> None:
        await self._finish(failure)

    @staticmethod
    def _limited(limit: Limit) -> protocol.ChildFailure:
        message = f"{limit.message} A new job can go on from the last checkpoint with resume_from."
        return protocol.ChildFailure("QUOTA_EXCEEDED", message, "user")

    async def _finish(self, failure: protocol.ChildFailure | None) -> None:
        """Move the job to its end with its final billing, close its streams and give the lease back, all at once.

        A job that the user has ended keeps its end; None is success.
        """
        await self.flush()
        async with self.writing() as session:
            row = await session.get_one(Job, self.id, with_for_update=True)
            if row.status not in self.terminal:
                await self._end(session, row, failure)
            await self._close(session, row.status)

    async def _end(self, session: Session, row: Job, failure: protocol.ChildFailure | None) -> None:
        cost = await self.settle(session, refund=failure is not None and failure.attribution == "platform")
        values: dict[str, Any] = {"cost_micros": cost, "completed_at": clock.now(), "phase": None}
        if row.status == job.PROVISIONING and failure is None:
            await transitions.move(session, row, job.RUNNING, token=self.token, started_at=clock.now())
        if failure is None:
            await transitions.move(session, row, job.COMPLETED, token=self.token, **values)
            return
        error = {
            "code": failure.code,
            "message": failure.message,
            "attribution": failure.attribution,
            "user_code_line": failure.user_code_line,
        }
        line = f"Status: failed ({failure.code}): {failure.message}"
        metadata = {"code": failure.code, "message": failure.message}
        await transitions.move(
            session, row, job.FAILED, token=self.token, metadata=metadata, line=line, level="error", error=error, **values
        )

    # --- what the child says, applied to the job's own row ---

    async def on_flush(self, session: Session, buffers: dict[str, list[stream.Data]]) -> None:
        metrics = buffers.get("metrics")
        if not metrics:
            return
        row = await session.get_one(Job, self.id)
        row.take_metrics(metrics)
        row.updated_at = clock.now()
        session.add(row)

    async def _note(self, **values: Any) -> None:
        """Write columns of the job's row."""
        async with self.writing() as session:
            row = await session.get_one(Job, self.id)
            session.add(row.sqlmodel_update(values))

    async def set_phase(self, phase: str) -> None:
        await self._note(phase=phase)

    async def begin(self, total_steps: int) -> None:
        """The model is loaded and training begins."""
        async with self.writing() as session:
            row = await session.get_one(Job, self.id, with_for_update=True)
            row.total_steps = total_steps
            session.add(row)
            await session.flush()
            if row.status == job.PROVISIONING:
                line = f"Status: running, {total_steps} steps"
                await transitions.move(session, row, job.RUNNING, token=self.token, line=line, started_at=clock.now())

    async def pin(self, revision: str) -> None:
        await self._note(base_revision=revision)

    async def take_prompts(self, total: int, dropped: int, limit: int) -> None:
        """Note how many prompts, or rows, are longer than the limit; the first attempt tells of it."""
        async with self.writing() as session:
            row = await session.get_one(Job, self.id)
            told, row.dropped_prompts = row.dropped_prompts is not None, dropped
            session.add(row)
            if dropped and not told:
                name = "max_prompt_length" if "max_prompt_length" in row.hyperparameters else "max_length"
                metadata = {"dropped": dropped, "total": total, name: limit}
                await events.record(session, self.account_id, self.id, "prompts_dropped", metadata, attempt=self.attempt)

    async def take_memory(self, peak_bytes: int) -> None:
        """Note the most memory that the trainer has taken, of all attempts, beside what was estimated."""
        async with self.writing() as session:
            row = await session.get_one(Job, self.id)
            row.peak_memory_bytes = max(row.peak_memory_bytes or 0, peak_bytes)
            session.add(row)

    async def take_best(self, step: int) -> None:
        """Note the step with the best score on the held-out rows so far."""
        await self._note(best_step=step)

    async def keep_media(self, path: Path) -> str:
        """Store a clip that a step made, delete it here, and return its key."""
        key = f"{self.account_id}/{self.id}/{self.attempt}/media/{ids.new('media')}{path.suffix}"
        await self.core.storage.put(key, path)
        path.unlink(missing_ok=True)
        return key

    async def save(self, step: int, folder: Path, final: bool, score: float | None) -> None:
        """Store a checkpoint, whole before its row exists, under a key that only this attempt writes."""
        prefix = f"{self.account_id}/{self.id}/{self.attempt}/{'final' if final else step}"
        stored = await self.core.storage.put_folder(prefix, folder)
        async with self.writing() as session:
            session.add(
                Checkpoint(
                    id=ids.new("ckpt"),
                    job_id=self.id,
                    account_id=self.account_id,
                    attempt=self.attempt,
                    step=step,
                    final=final,
                    storage_prefix=prefix,
                    file_count=stored.file_count,
                    size_bytes=stored.size_bytes,
                    checksums=stored.checksums,
                    adapter_rank=evidence.adapter_rank(folder) if final else None,
                    score=score,
                    created_at=clock.now(),
                )
            )
            what = "The trained model" if final else f"The checkpoint of step {step}"
            line = f"{what} is stored: {stored.file_count} files, {stored.size_bytes / 2**20:.1f} MiB"
            metadata = {"step": step, "final": final, "size_bytes": stored.size_bytes}
            await events.record(session, self.account_id, self.id, "checkpoint_saved", metadata, attempt=self.attempt, line=line)


class _Died(Exception):
    """The child ended without saying why."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Session:
    """One child of a job, listened to until it ends."""

    def __init__(self, run: JobRun, folder: Path) -> None:
        self.run_of = run
        self.folder = folder
        self.failure: protocol.ChildFailure | None = None
        self.done = False

    async def run(self, task: str, spec: Mapping[str, Any]) -> protocol.ChildFailure | _Died | None:
        env = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, self.run_of.placement.gpu_indices)), "TMPDIR": str(self.folder)}
        child = await Child.task(task, spec, cwd=self.folder, env=env)
        watching = asyncio.create_task(self._stop_when_told(child))
        listening = [asyncio.create_task(self._listen(child)), asyncio.create_task(self._read_log(child))]
        try:
            await asyncio.gather(*listening)
            code = await child.wait()
        finally:
            child.kill()
            for each in (watching, *listening):
                each.cancel()
            await asyncio.gather(watching, *listening, return_exceptions=True)
        await self.run_of.flush()
        if self.failure is not None and self.failure.code == "worker_lost":
            # Said with its last breath, of an outage perhaps: as good as any other death, and tried again like one.
            return _Died(self.failure.message.rstrip("."))
        if self.failure is not None or self.done:
            return self.failure
        return _Died(f"exit code {code}")

    async def _listen(self, child: Child) -> None:
        async for message in child.messages():
            handler = getattr(self, f"_on_{message['type']}", None)
            if handler is not None:
                await handler(child, message)

    async def _read_log(self, child: Child) -> None:
        async for line in child.log():
            if line:
                await self.run_of.say(line, source="trainer")

    async def _on_phase(self, child: Child, message: protocol.Message) -> None:
        if message["phase"] in job.PHASES:
            await self.run_of.set_phase(message["phase"])

    async def _on_plan(self, child: Child, message: protocol.Message) -> None:
        await self.run_of.begin(int(message["total_steps"]))

    async def _on_model(self, child: Child, message: protocol.Message) -> None:
        await self.run_of.pin(str(message["revision"]))

    async def _on_prompts(self, child: Child, message: protocol.Message) -> None:
        await self.run_of.take_prompts(int(message["total"]), int(message["dropped"]), int(message["limit"]))

    async def _on_metrics(self, child: Child, message: protocol.Message) -> None:
        await self.run_of.put("metrics", {"step": int(message["step"]), "values": message["values"]})

    async def _on_rollouts(self, child: Child, message: protocol.Message) -> None:
        for completion in (item for group in message["groups"] for item in group["completions"]):
            if completion.get("media") is not None:
                completion["media"] = await self.run_of.keep_media(self._own(completion["media"]))
        row = {"step": int(message["step"]), "groups": message["groups"], "stdout": message.get("stdout", "")}
        await self.run_of.put("rollouts", row)

    async def _on_memory(self, child: Child, message: protocol.Message) -> None:
        await self.run_of.take_memory(int(message["peak_bytes"]))

    async def _on_best(self, child: Child, message: protocol.Message) -> None:
        await self.run_of.take_best(int(message["step"]))

    async def _on_log(self, child: Child, message: protocol.Message) -> None:
        await self.run_of.say(message["message"], level=message["level"], source=message["source"])

    async def _on_checkpoint(self, child: Child, message: protocol.Message) -> None:
        folder = self._own(message["path"])
        await self.run_of.flush()
        await self.run_of.save(int(message["step"]), folder, bool(message["final"]), message.get("score"))
        await child.send("uploaded", step=int(message["step"]))

    def _own(self, path: str) -> Path:
        """Return a path that the child names, resolved; ChildFailure where it is not its own."""
        found = Path(path).resolve()
        if not found.is_relative_to(self.folder.resolve()):
            raise protocol.ChildFailure("worker_lost", "The trainer offered what is not its own.", "platform")
        return found

    async def _on_failed(self, child: Child, message: protocol.Message) -> None:
        self.failure = protocol.ChildFailure(
            message["code"], message["message"], message["attribution"], message.get("user_code_line")
        )

    async def _on_done(self, child: Child, message: protocol.Message) -> None:
        self.done = True

    async def _stop_when_told(self, child: Child) -> None:
        """End the child when the user has cancelled, when a limit is reached or when the host stops; patiently, then not.

        At a limit the child is asked to save first, and has as long for that as the money lasts; so it is when its host drains.
        """
        run = self.run_of
        await first(run.ended, run.limited, run.halted)
        if run.saving_s and not run.ended.is_set():
            await child.send("stop", save=True)
            told = (run.ended,) if run.halted.is_set() else (run.ended, run.halted)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(first(*told), run.saving_s)
        if not run.ended.is_set():
            child.kill()
            return
        await child.send("stop")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), min(STOP_GRACE_S, run.settings.drain_s))
        child.kill()
