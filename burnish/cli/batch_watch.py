"""Waiting for a batch, visibly: a bar with its counts, rate and time left on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from burnish.cli.client import Json
from burnish.cli.command import Cli
from burnish.cli.exits import FAILED, NOT_FOUND, CliError
from burnish.cli.output import STYLES
from burnish.cli.patience import patiently
from burnish.cli.watch import PLAIN_EVERY_S, detaching, until_ended

ENDED = ("completed", "failed", "expired", "cancelled")
MOST_PROBLEMS = 20
PROGRESS = """query Progress($id: ID!) { batch(id: $id) {
  status counts { total completed failed } progress { done total inFlight perSecond etaSeconds } } }"""


def wait(cli: Cli, batch_id: str, timeout_s: float | None = None) -> Json:
    """Return a batch once it has ended. CliError (`TIMED_OUT`) after `timeout_s`.

    An interruption leaves the batch alone and says how to come back; an outage of the platform is waited out.
    """
    with detaching(cli.out, batch_id, lambda: f"burnish batch wait {batch_id}", f"burnish batch cancel {batch_id}"):
        with _bar(cli) as (progress, task):
            told: tuple[str, float] = ("", 0.0)

            def show(found: Json) -> None:
                nonlocal told
                told = _show(cli, batch_id, found, progress, task, told)

            until_ended(batch_id, ENDED, lambda: _look(cli, batch_id), show, timeout_s)
        return patiently(lambda: cli.api.get(f"/v1/batches/{batch_id}"), cli.out.say)


def _look(cli: Cli, batch_id: str) -> Json:
    found: Json | None = patiently(lambda: cli.api.graphql(PROGRESS, id=batch_id), cli.out.say)["batch"]
    if found is None:
        raise CliError(f"No such batch: {batch_id}", NOT_FOUND)
    return found


def _show(cli: Cli, batch_id: str, found: Json, progress: Progress, task: TaskID, told: tuple[str, float]) -> tuple[str, float]:
    """Show how far a batch is; return what plain lines said last, and when."""
    status, numbers, state = found["status"].lower(), _numbers(found), found["progress"]
    if not progress.disable:
        shown = f"[{STYLES[status]}]{status}[/]" if status in STYLES else status
        progress.update(task, description=shown, completed=state["done"], total=state["total"], numbers=numbers)
        return told
    if status == told[0] and time.monotonic() - told[1] < PLAIN_EVERY_S:
        return told
    done = f"{state['done']}/{state['total']}" if state["total"] else ""
    cli.out.say(" ".join(filter(None, [batch_id, status, done, numbers])))
    return status, time.monotonic()


def _numbers(found: Json) -> str:
    state, failed = found["progress"], found["counts"]["failed"]
    parts = [
        f"{failed} failed" if failed else "",
        f"{state['perSecond']:.3g}/s" if state["perSecond"] else "",
        f"{timedelta(seconds=state['etaSeconds'])} left" if state["etaSeconds"] is not None else "",
    ]
    return "  ".join(filter(None, parts))


@contextmanager
def _bar(cli: Cli) -> Iterator[tuple[Progress, TaskID]]:
    columns: Any = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[numbers]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=cli.out.err, disable=not cli.out.err.is_terminal) as progress:
        yield progress, progress.add_task("waiting", total=None, numbers="")


def problems(found: Json) -> list[str]:
    """Return what is wrong with the file of a batch, by line."""
    listed = (found.get("errors") or {}).get("data") or []
    return [f"line {item['line']}: {item['message']}" if item["line"] else item["message"] for item in listed]


def check_completed(found: Json) -> None:
    """CliError (`FAILED`) where a batch has ended before all its lines were asked; else nothing, also where lines failed."""
    status, batch_id = found["status"], found["id"]
    if status == "completed":
        return
    wrong = problems(found)
    if wrong:
        more = len(wrong) > MOST_PROBLEMS or found["error_file_id"]
        hint = f"burnish batch download {batch_id} --errors has all problems." if more else None
        raise CliError(f"{batch_id} is {status}: {wrong[0]}", FAILED, details=wrong[1:MOST_PROBLEMS], hint=hint)
    kept = f"burnish batch download {batch_id}" if found["output_file_id"] else None
    raise CliError(f"{batch_id} is {status}.", FAILED, hint=kept and f"{kept} has what was answered.")
