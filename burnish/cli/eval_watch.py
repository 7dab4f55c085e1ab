"""Waiting for a run of an eval, visibly, and what it came to."""

from typing import Any

from burnish.cli.client import Json
from burnish.cli.command import Cli
from burnish.cli.exits import FAILED, NOT_FOUND, CliError
from burnish.cli.patience import patiently
from burnish.cli.watch import detaching, until_ended, waiting

ENDED = ("completed", "failed", "cancelled")
RUN = """query Run($id: ID!) { evalRun(id: $id) {
  status eval { id } progress { answered processed total etaSeconds }
  results { score { ...F } scorers { name figures { ...F } } } } }
  fragment F on EvalFigures { mean low high count missing passAtK { k value } }"""


def look(cli: Cli, run_id: str) -> Json:
    """Return what is known of a run; CliError where there is none."""
    found: Json | None = patiently(lambda: cli.api.graphql(RUN, id=run_id), cli.out.say)["evalRun"]
    if found is None:
        raise CliError(f"No such eval run: {run_id}", NOT_FOUND)
    return found


def path_of(cli: Cli, run_id: str) -> str:
    """Return the path of a run, which is below its eval's."""
    return f"/v1/evals/{look(cli, run_id)['eval']['id']}/runs/{run_id}"


def wait(cli: Cli, run_id: str, timeout_s: float | None = None) -> Json:
    """Return a run once it has ended. CliError (`TIMED_OUT`) after `timeout_s`; an interruption leaves it running."""
    path = path_of(cli, run_id)
    with detaching(cli.out, run_id, lambda: f"burnish evals wait {run_id}", f"burnish evals cancel {run_id}"):
        with waiting(cli.out, run_id) as tell:

            def show(found: Json) -> None:
                if found["status"].lower() not in ENDED:
                    tell(f"{run_id} {_far(found)}")

            until_ended(run_id, ENDED, lambda: look(cli, run_id), show, timeout_s)
        return patiently(lambda: cli.api.get(path), cli.out.say)


def check_completed(found: Json) -> None:
    """CliError (`FAILED`) where a run has ended without its figures."""
    if found["status"] != "completed":
        why = f": {found['error_message']}" if found["error_message"] else "."
        raise CliError(f"{found['id']} is {found['status']}{why}", FAILED)


def figures(found: Json) -> list[Json]:
    """Return the figures of a run as rows of a table: the whole score first, then each scorer's."""
    results = found["results"]
    if results is None:
        return []
    rows = [("score", results["score"]), *((one["name"], one["figures"]) for one in results["scorers"])]
    return [{"scorer": name, **_figures(of)} for name, of in rows]


def _figures(of: Json) -> dict[str, Any]:
    interval = None if of["low"] is None else f"{of['low']:.4g} to {of['high']:.4g}"
    chances = ", ".join(f"{one['k']}: {one['value']:.4g}" for one in of["passAtK"])
    return {"mean": of["mean"], "interval_95": interval, "pass_at_k": chances, "scored": of["count"], "missing": of["missing"]}


def _far(found: Json) -> str:
    state = found["progress"]
    total = f"/{state['total']}" if state["total"] else ""
    return f"{found['status'].lower()}: {state['answered']}{total} answered, {state['processed']}{total} scored"
