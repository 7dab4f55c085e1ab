"""What the shell completes arguments with: ids that the platform knows, where it answers at once, else nothing."""

from collections.abc import Callable
from typing import Any

import typer

from burnish.cli import connection
from burnish.cli.client import Api

ANSWER_S = 1.0
MOST = 100
Completer = Callable[[typer.Context, str], list[tuple[str, str]]]


def listed(path: str, *, value: str = "id", label: str = "name") -> Completer:
    """Return what completes with the newest things of a list, each with what it is called."""

    def complete(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        try:
            target = connection.resolve(_given(ctx, "base_url"), _given(ctx, "api_key"))
            with Api(target, ANSWER_S) as api:
                found: list[dict[str, Any]] = api.get(path, limit=MOST)["data"]
        except Exception:
            # Whatever is wrong: a shell in the middle of a line is no place to say it.
            return []
        return [(str(item[value]), str(item.get(label) or "")) for item in found if str(item[value]).startswith(incomplete)]

    return complete


def words(*known: str) -> Callable[[str], list[str]]:
    """Return what completes with fixed words."""
    return lambda incomplete: [word for word in known if word.startswith(incomplete)]


def _given(ctx: typer.Context, name: str) -> str | None:
    found = ctx.params.get(name)
    return found if isinstance(found, str) else None


api_keys = listed("/v1/api_keys")
batches = listed("/v1/batches", label="status")
datasets = listed("/v1/datasets")
deployments = listed("/v1/deployments")
evals = listed("/v1/evals")
files = listed("/v1/files", label="filename")
jobs = listed("/v1/training_jobs", label="output_name")
reward_functions = listed("/v1/reward_functions")
ssh_keys = listed("/v1/ssh_keys")
