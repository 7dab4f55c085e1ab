"""Waiting for deployments, visibly: the phases that their replicas go through, and what came of it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from burnish.cli.client import Api, Json
from burnish.cli.exits import FAILED, TIMED_OUT, CliError, Unreachable
from burnish.cli.output import Output
from burnish.cli.patience import OUTAGE_S
from burnish.cli.watch import POLL_S, detaching

ENDED = ("stopped", "failed")
# What a replica goes through until it takes traffic, in this order.
PHASES = ("pending", "pulling", "loading", "warming", "running")
WORDS = {"pending": "waiting for room", "pulling": "pulling the model"}
Tell = Callable[[str, int], None]
# Says whether what is waited for is there; CliError where it never will be.
Reached = Callable[[Json], bool]


def ready(api: Api, out: Output, deployment_id: str, timeout_s: float | None = None) -> Json:
    """Return the deployment once it serves, as `serving` does; an interruption leaves it alone and says how to come back."""
    with _detaching(out, deployment_id):
        return serving(api, out, deployment_id, timeout_s)


def serving(api: Api, out: Output, deployment_id: str, timeout_s: float | None = None) -> Json:
    """Return the deployment once it serves. CliError: `FAILED` where it ends instead, `TIMED_OUT` after `timeout_s`."""
    return _Watch(api, out, deployment_id, lambda found: found["status"] == "serving").run(timeout_s)


def updated(api: Api, out: Output, deployment_id: str, version: int, timeout_s: float | None = None) -> Json:
    """Return the deployment once it serves a version. CliError: `FAILED` where that never will, `TIMED_OUT` as above."""

    def reached(found: Json) -> bool:
        its = next(one for one in api.all(f"{_path(deployment_id)}/versions", 100) if one["number"] == version)
        if its["status"] in ("failed", "replaced"):
            first, *others = (its["error"] or "another version took its place").splitlines()
            message = f"Version {version} of {deployment_id} is {its['status']}: {first}"
            raise CliError(message, FAILED, details=others, hint=f"It goes on with version {found['version']}.")
        return bool(its["status"] == "serving")

    with _detaching(out, deployment_id):
        return _Watch(api, out, deployment_id, reached).run(timeout_s)


class _Watch:
    """Looks at one deployment each second, over restarts of the platform, and shows where its replicas are."""

    def __init__(self, api: Api, out: Output, deployment_id: str, reached: Reached) -> None:
        self._api, self._out, self._id, self._reached = api, out, deployment_id, reached
        self._answered_at = float("-inf")
        self._failed: set[str] = set()

    def run(self, timeout_s: float | None) -> Json:
        started, status = time.monotonic(), "waiting"
        with _progress(self._out) as tell:
            while True:
                try:
                    found = self._look(tell)
                except Unreachable:
                    if time.monotonic() - self._answered_at > OUTAGE_S:
                        raise
                else:
                    status = found["status"]
                    if self._is_over(found):
                        return found
                if timeout_s is not None and time.monotonic() - started > timeout_s:
                    raise CliError(f"{self._id} is {status} at the end of --timeout; it goes on.", TIMED_OUT)
                time.sleep(POLL_S)

    def _look(self, tell: Tell) -> Json:
        found = self._api.get(_path(self._id))
        replicas = self._api.get(f"{_path(self._id)}/replicas", limit=100)["data"]
        self._answered_at = time.monotonic()
        its = [one for one in replicas if one["version"] == found["version"]]
        for one in reversed(its):
            if one["status"] == "failed" and one["id"] not in self._failed:
                self._failed.add(one["id"])
                self._out.say(f"{one['id']} failed: {(one['error'] or 'for no known reason').splitlines()[0]}", style="yellow")
        tell(*phase(found, its))
        return found

    def _is_over(self, found: Json) -> bool:
        if found["status"] in ENDED:
            raise ended(found)
        return self._reached(found)


def phase(deployment: Json, replicas: Sequence[Json]) -> tuple[str, int]:
    """Return what a deployment's replicas are doing, and how many of `PHASES` the one that is farthest has reached."""
    counts = Counter(one["status"] for one in replicas if one["status"] in PHASES)
    if not counts:
        return "paused" if deployment.get("paused_at") else str(deployment["status"]), 0
    wanted = max(deployment["desired_replicas"], counts.total())
    starting = [name for name in PHASES[:-1] if counts[name]]
    if wanted == 1:
        farthest = next(name for name in reversed(PHASES) if counts[name])
        return WORDS.get(farthest, farthest), PHASES.index(farthest) + 1
    parts = [f"{counts[name]} {WORDS.get(name, name)}" for name in reversed(starting)]
    farthest = next(name for name in reversed(PHASES) if counts[name])
    return ", ".join([f"{counts['running']} of {wanted} running", *parts]), PHASES.index(farthest) + 1


def ended(found: Json) -> CliError:
    """Return how a deployment ended instead of serving: the reason first, the engine's last lines below it."""
    first, *others = (found.get("error") or "").splitlines() or [""]
    told = f"{found['id']} is {found['status']}" + (f": {first}" if first else "")
    return CliError(told, FAILED, details=others, hint=f"burnish deploy logs {found['id']}")


def _path(deployment_id: str) -> str:
    return f"/v1/deployments/{deployment_id}"


@contextmanager
def _detaching(out: Output, deployment_id: str) -> Iterator[None]:
    with detaching(out, deployment_id, lambda: f"burnish deploy show {deployment_id}", f"burnish deploy stop {deployment_id}"):
        yield


@contextmanager
def _progress(out: Output) -> Iterator[Tell]:
    """Show a bar of the phases. Yields what moves it; without a terminal each new phase is a line."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out.err, disable=not out.err.is_terminal, transient=True) as progress:
        task = progress.add_task("waiting", total=len(PHASES))
        said = ""

        def tell(text: str, reached: int) -> None:
            nonlocal said
            progress.update(task, description=text, completed=reached)
            if progress.disable and text != said:
                out.say(text)
            said = text

        yield tell
