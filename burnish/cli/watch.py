"""Waiting for jobs, visibly: a bar and the newest numbers on a terminal, plain lines elsewhere."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from burnish.cli.client import LAST_LINE, Api, Json
from burnish.cli.exits import FAILED, INTERRUPTED, TIMED_OUT, CliError, Unreachable
from burnish.cli.output import STYLES, Output
from burnish.cli.patience import OUTAGE_S

JOB_ENDED = ("completed", "failed", "cancelled")
POLL_S = 1.0
# How long the last lines may take after a job has ended: a cancelled one drains.
DRAIN_S = 35.0
PLAIN_EVERY_S = 10.0
SHOWN = {"reward": "reward", "kl": "KL", "completions/mean_length": "length"}
# Without a reward the loss tells, which with one does not.
SHOWN_OF_LOSS = {"loss": "loss", "eval_loss": "held out", "rewards/margins": "margin"}


def job(api: Api, out: Output, job_id: str, *, lines: bool, timeout_s: float | None = None) -> Json:
    """Return the job once it has ended, its log written to stderr meanwhile where `lines` says so.

    CliError (`TIMED_OUT`) after `timeout_s`; an interruption leaves the job alone and says how to come back.
    """
    with detaching(out, job_id, lambda: f"burnish jobs wait {job_id}", f"burnish jobs cancel {job_id}"):
        return JobWatch(api, out, job_id, lines).run(timeout_s)


@contextmanager
def detaching(out: Output, what: str, back: Callable[[], str], stop: str) -> Iterator[None]:
    """Turn Ctrl-C into leaving, and say how to come back; also where the platform has gone."""
    try:
        yield
    except KeyboardInterrupt:
        out.say(f"\nDetached: {what} goes on. Come back with `{back()}`; end it with `{stop}`.")
        raise CliError("interrupted", INTERRUPTED) from None
    except Unreachable as error:
        error.hint = error.hint or f"Come back with `{back()}`."
        raise


class JobWatch:
    """Follows one job's log from a thread of its own, and its numbers by polling."""

    def __init__(self, api: Api, out: Output, job_id: str, lines: bool) -> None:
        self._api, self._out, self._id, self._lines = api, out, job_id, lines
        self._log_api = Api(api.target)
        self._log: queue.Queue[str | None] = queue.Queue()
        self._log_is_over = False
        self._left = threading.Event()
        self._job: Json = {"status": "waiting"}
        self._ended_at: float | None = None
        self._answered_at = float("-inf")
        self._next_step = 0
        self._values: dict[str, float] = {}
        self._told = ("", 0.0)

    def run(self, timeout_s: float | None = None) -> Json:
        """Return the job once it has ended; an instance runs once."""
        threading.Thread(target=self._read_log, name="job-log", daemon=True).start()
        try:
            with self._bar() as (progress, task):
                self._follow(progress, task, time.monotonic() + (float("inf") if timeout_s is None else timeout_s))
        finally:
            self._left.set()
            self._log_api.close()
        return self._api.get(f"/v1/training_jobs/{self._id}")

    def _follow(self, progress: Progress, task: TaskID, deadline: float) -> None:
        while not self._is_over():
            self._poll()
            self._show(progress, task)
            if self._ended_at is None and time.monotonic() > deadline:
                raise CliError(f"{self._id} is {self._job['status']} at the end of --timeout; it goes on.", TIMED_OUT)
            self._pass_on_lines(POLL_S)

    def _is_over(self) -> bool:
        return self._ended_at is not None and (self._log_is_over or time.monotonic() - self._ended_at > DRAIN_S)

    def _read_log(self) -> None:
        try:
            for line in self._log_api.follow(f"/v1/training_jobs/{self._id}/logs", last=LAST_LINE):
                self._log.put(line.data)
        except Exception as error:
            # A client that is closed under a reader ends it with whatever it was doing.
            if not self._left.is_set():
                self._log.put(f"[the log could not be read: {error}]")
        finally:
            self._log.put(None)

    def _pass_on_lines(self, seconds: float) -> None:
        """Write the lines that come within `seconds`; the end of the log ends the wait, because it is news of the job."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                line = self._log.get(timeout=left)
            except queue.Empty:
                return
            if line is None:
                self._log_is_over = True
                return
            if self._lines:
                self._out.say(line, style="dim")

    def _poll(self) -> None:
        """Take in the job and its newest numbers, unless the platform restarts just now."""
        path = f"/v1/training_jobs/{self._id}"
        try:
            self._job = self._api.get(path)
            metrics = self._api.get(f"{path}/metrics", keys=",".join(SHOWN | SHOWN_OF_LOSS), from_step=self._next_step)
        except Unreachable:
            if time.monotonic() - self._answered_at > OUTAGE_S:
                raise
            return
        self._answered_at = time.monotonic()
        for point in metrics["metrics"]:
            self._values.update(point["values"])
            self._next_step = point["step"]
        if self._job["status"] in JOB_ENDED and self._ended_at is None:
            self._ended_at = time.monotonic()

    def _show(self, progress: Progress, task: TaskID) -> None:
        status, done, total = self._job["status"], self._job.get("current_step") or 0, self._job.get("total_steps")
        shown = SHOWN if "reward" in self._values else SHOWN_OF_LOSS
        numbers = "  ".join(f"{label} {self._values[key]:.3g}" for key, label in shown.items() if key in self._values)
        if not progress.disable:
            shown = f"[{STYLES[status]}]{status}[/]" if status in STYLES else status
            progress.update(task, description=shown, completed=done, total=total, numbers=numbers)
        elif not self._lines and (status != self._told[0] or time.monotonic() - self._told[1] > PLAIN_EVERY_S):
            self._told = (status, time.monotonic())
            self._out.say(" ".join(filter(None, [self._id, status, f"step {done}/{total}" if total else "", numbers])))

    @contextmanager
    def _bar(self) -> Iterator[tuple[Progress, TaskID]]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._out.err, disable=not self._out.err.is_terminal) as progress:
            yield progress, progress.add_task("waiting", total=None, numbers="")


def until_ended(
    item_id: str, ended: tuple[str, ...], look: Callable[[], Json], show: Callable[[Json], None], timeout_s: float | None
) -> None:
    """Look each second and show what was found, until its status is one of `ended`. CliError (`TIMED_OUT`) after `timeout_s`."""
    deadline = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
    while True:
        found = look()
        show(found)
        status = found["status"].lower()
        if status in ended:
            return
        if time.monotonic() >= deadline:
            raise CliError(f"{item_id} is {status} at the end of --timeout; it goes on.", TIMED_OUT)
        time.sleep(min(POLL_S, max(0.0, deadline - time.monotonic())))


@contextmanager
def waiting(out: Output, label: str) -> Iterator[Any]:
    """Show that something goes on. Yields a function that changes what is said of it; without a terminal only changes are."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=out.err, disable=not out.err.is_terminal, transient=True) as progress:
        task = progress.add_task(label, total=None)
        said = ""

        def tell(text: str) -> None:
            nonlocal said
            progress.update(task, description=text)
            if progress.disable and text != said:
                out.say(text)
            said = text

        yield tell


def reason(found: Json) -> str:
    """Return why a job or deployment ended, as it follows its status."""
    error = found.get("error")
    if not error:
        return ""
    return f": {error}" if isinstance(error, str) else f": {error.get('code')}: {error.get('message')}"


def check_completed(found: Json) -> None:
    """CliError (`FAILED`) where a job has ended without its model."""
    if found["status"] != "completed":
        hint = f"burnish jobs logs {found['id']}"
        raise CliError(f"{found['id']} is {found['status']}{reason(found)}", FAILED, hint=hint)
