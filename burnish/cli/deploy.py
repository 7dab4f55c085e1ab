"""`burnish deploy`: models kept ready to answer."""

import re
from typing import Annotated

import typer

from burnish.cli import completing, jobfile, price, records, watch
from burnish.cli.command import Cli, Limit, Yes, group, naming, remote
from burnish.cli.exits import USAGE, CliError

FIELDS = (
    "id", "status", "name", "model", "source", "endpoint_url", "gpu", "provider", "cost_per_hour_usd", "total_cost_usd",
    "total_requests", "error", "created_at", "started_at", "stopped_at",
)  # fmt: skip
FLAGS = {"model": "MODEL", "name": "--name", "gpu": "--gpu", "provider": "--provider"}
COLUMNS = ("id", "status", "name", "model", "gpu", "cost_per_hour_usd", "total_cost_usd", "total_requests", "created_at")

ASKED = ("id", "created_at", "status_code", "prompt_tokens", "completion_tokens", "latency_ms", "ttft_ms", "finish_reason")

app = group("Deployments: trained checkpoints and other models, kept ready to answer.")

DeploymentId = Annotated[
    str,
    typer.Argument(
        metavar="DEPLOYMENT",
        help="Id of the deployment (dep_…), or the name of an active one.",
        autocompletion=completing.deployments,
    ),
]


@app.command("create")
@remote
def create(
    cli: Cli,
    model: Annotated[
        str, typer.Argument(metavar="MODEL|JOB", help="Id of a completed job (job_…), a registered model or a Hugging Face id.")
    ],
    gpu: Annotated[str, typer.Option("--gpu", "-g", metavar="TYPE[:COUNT]", help="Hardware, such as CPU, H100 or A100-80GB:2.")],
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="What calls name it by; made from the model's name by default.")
    ] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Whose hardware; `local` is the installation's own.")] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until it serves. Ctrl-C detaches.")] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0.0, metavar="SECONDS", help="Give up waiting after this long: exit code 7.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Deploy the model of a completed job, or a model by name."""
    if timeout is not None and not wait:
        raise CliError("--timeout bounds --wait, which is not given.", USAGE)
    hardware = jobfile.gpu(gpu, "--gpu")
    from_job = model.startswith("job_")
    called = name or _name_for(cli, model, from_job)
    source = "training_job" if from_job else "huggingface"
    body = {"model": model, "source": source, "name": called, "gpu": hardware, "provider": provider}
    if not yes:
        price.agree(cli, hardware, "The deployment")
    with naming(FLAGS):
        made = cli.api.post("/v1/deployments", {key: value for key, value in body.items() if value is not None})
    if wait:
        made = watch.deployment(cli.api, cli.out, made["id"], timeout)
    cli.out.show(made, FIELDS)
    after = (
        f'Ask it with `burnish chat -d {called} "hi"`' if wait else f"It serves when `burnish deploy show {made['id']}` says so"
    )
    cli.out.say(f"{after}; stop it with `burnish deploy stop {made['id']}`.")


@app.command("list")
@remote
def list_(
    cli: Cli,
    status: Annotated[
        str | None, typer.Option("--status", help="Only these: queued, provisioning, serving, unhealthy, stopped or failed.")
    ] = None,
    limit: Limit = 50,
) -> None:
    """List deployments, the newest first."""
    cli.out.table(
        cli.api.all("/v1/deployments", limit, status=status),
        COLUMNS,
        "No deployments yet: `burnish deploy create JOB -g CPU -w`.",
    )


@app.command("show")
@remote
def show(cli: Cli, deployment: DeploymentId) -> None:
    """Show one deployment."""
    cli.out.show(cli.api.get(f"/v1/deployments/{resolved(cli, deployment)}"), FIELDS)


@app.command("stop")
@remote
def stop(cli: Cli, deployment: DeploymentId) -> None:
    """Stop a deployment. Its bill ends at once; one that has ended is shown as it is."""
    cli.out.show(cli.api.post(f"/v1/deployments/{resolved(cli, deployment)}/stop"), FIELDS)


@app.command("delete")
@remote
def delete(cli: Cli, deployment: DeploymentId) -> None:
    """Delete a deployment that has ended, named by its id, with its log. What it cost stays in the books."""
    cli.out.show(cli.api.delete(f"/v1/deployments/{deployment}"), ("id", "deleted"))


@app.command("logs")
@remote
def logs(
    cli: Cli,
    deployment: DeploymentId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay for the lines to come, until it has ended.")] = False,
    after: Annotated[
        str | None, typer.Option("--after", metavar="CURSOR", help="Go on after this cursor, which --json gives with each line.")
    ] = None,
) -> None:
    """Print a deployment's log. With --json: one object a line, each with its cursor."""
    records.deployment_logs(cli, resolved(cli, deployment), follow=follow, after=after)


@app.command("requests")
@remote
def requests(cli: Cli, deployment: DeploymentId, limit: Limit = 50) -> None:
    """List what a deployment was asked, the newest first: counts and times, never what was said."""
    path = f"/v1/deployments/{resolved(cli, deployment)}/requests"
    cli.out.table(cli.api.all(path, limit), ASKED, "Nobody has asked it yet.")


def resolved(cli: Cli, reference: str) -> str:
    """Return the id behind an id or the name of an active deployment."""
    if reference.startswith("dep_"):
        return reference
    for status in ("serving", "unhealthy", "provisioning", "queued"):
        for found in cli.api.all("/v1/deployments", 1000, status=status):
            if found["name"] == reference:
                return str(found["id"])
    return reference


def _name_for(cli: Cli, model: str, from_job: bool) -> str:
    plain = cli.api.get(f"/v1/training_jobs/{model}")["output_name"] if from_job else model.rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._-]", "-", str(plain))
