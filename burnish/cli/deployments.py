"""What the commands of `burnish deploy` share: how a deployment is named, what it can serve, and the words for its fields."""

import re
from typing import Annotated, Any

import typer

from burnish.cli import completing
from burnish.cli.client import Json
from burnish.cli.command import Cli
from burnish.cli.exits import USAGE, CliError

PATH = "/v1/deployments"
FIELDS = (
    "id", "status", "name", "model", "revision", "source", "version", "endpoint_url", "gpu", "provider", "engine",
    "engine_reason", "min_replicas", "max_replicas", "desired_replicas", "target_rps", "target_latency_p95_ms",
    "stabilisation_window", "max_batch_size", "extra_args", "cost_per_hour_usd", "total_cost_usd", "total_requests", "error",
    "created_at", "started_at", "paused_at", "stopped_at",
)  # fmt: skip
# The flag of each field that the platform may refuse.
FLAGS = {
    "model": "MODEL", "name": "--name", "gpu": "--gpu", "provider": "--provider", "min_replicas": "--min-replicas",
    "max_replicas": "--max-replicas", "target_rps": "--target-rps", "target_latency_p95_ms": "--target-latency",
    "stabilisation_window": "--stabilisation", "hf_token": "--hf-token", "revision": "--revision",
    "max_batch_size": "--max-batch-size", "extra_args": "--extra-arg",
}  # fmt: skip
TRAINED = ("job_", "ckpt_")

DeploymentId = Annotated[
    str,
    typer.Argument(
        metavar="DEPLOYMENT",
        help="Id of the deployment (dep_…), or the name of an active one.",
        autocompletion=completing.deployments,
    ),
]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|JOB",
        help="Id of a completed job (job_…) or a checkpoint (ckpt_…), a registered model or a Hugging Face id.",
    ),
]
Revision = Annotated[str | None, typer.Option("--revision", help="Commit, branch or tag of a Hugging Face model.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.0, metavar="SECONDS", help="Give up waiting after this long: exit code 7.")
]


def resolved(cli: Cli, reference: str) -> str:
    """Return the id behind an id or the name of an active deployment."""
    if reference.startswith("dep_"):
        return reference
    for status in ("serving", "unhealthy", "provisioning", "queued"):
        for found in cli.api.all(PATH, 1000, status=status):
            if found["name"] == reference:
                return str(found["id"])
    return reference


def source_of(model: str) -> str:
    return "training_job" if model.startswith(TRAINED) else "huggingface"


def name_for(cli: Cli, model: str) -> str:
    """Return what a deployment of a model is called where nobody says otherwise."""
    plain = cli.api.get(f"/v1/training_jobs/{model}")["output_name"] if model.startswith("job_") else model.rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._-]", "-", str(plain))


def given(**fields: Any) -> Json:
    """Return the fields that were given."""
    return {name: value for name, value in fields.items() if value not in (None, [])}


def bounds_of_waiting(wait: bool, timeout: float | None) -> None:
    if timeout is not None and not wait:
        raise CliError("--timeout bounds --wait, which is not given.", USAGE)
