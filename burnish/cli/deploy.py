"""`burnish deploy`: models kept ready to answer."""

import sys
from typing import Annotated

import typer

from burnish.cli import deploy_changes, deploy_figures, jobfile, price, records, serving_watch
from burnish.cli.asking import MAX_BYTES
from burnish.cli.command import Cli, Limit, Yes, group, naming, remote
from burnish.cli.deployments import (
    FIELDS,
    FLAGS,
    PATH,
    DeploymentId,
    Model,
    Revision,
    Timeout,
    bounds_of_waiting,
    given,
    name_for,
    resolved,
    source_of,
)

COLUMNS = ("id", "status", "name", "model", "gpu", "cost_per_hour_usd", "total_cost_usd", "total_requests", "created_at")

app = group("Deployments: trained checkpoints and other models, kept ready to answer.")


@app.command("create")
@remote
def create(
    cli: Cli,
    model: Model,
    gpu: Annotated[
        str,
        typer.Option(
            "--gpu",
            "-g",
            metavar="PROFILE|TYPE[:COUNT]",
            help="Hardware of each replica: a profile such as gpu.h100 or cpu, or a type such as H100 or A100-80GB:2.",
        ),
    ] = "gpu.a100",
    min_replicas: Annotated[
        int, typer.Option("--min-replicas", min=0, help="Replicas kept warm at least; 0 lets it sleep while nobody asks.")
    ] = 1,
    max_replicas: Annotated[int, typer.Option("--max-replicas", min=1, help="Replicas that it may scale to.")] = 1,
    target_rps: Annotated[float, typer.Option("--target-rps", help="Requests a second that a replica is to get.")] = 10.0,
    target_latency: Annotated[
        float, typer.Option("--target-latency", help="95th percentile of latency to stay under, in ms.")
    ] = (5000.0),
    stabilisation: Annotated[
        int, typer.Option("--stabilisation", min=0, help="Seconds for which fewer replicas must have been enough.")
    ] = 300,
    hf_token: Annotated[
        str | None,
        typer.Option("--hf-token", "-t", help="Hugging Face token for gated models; `-` reads it from standard input."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until a replica is healthy. Ctrl-C detaches.")] = False,
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="What calls name it by; made from the model's name by default.")
    ] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Whose hardware; `local` is the installation's own.")] = None,
    revision: Revision = None,
    max_batch_size: Annotated[
        int | None, typer.Option("--max-batch-size", min=1, help="Requests that a replica works on at once.")
    ] = None,
    extra_arg: Annotated[
        list[str] | None,
        typer.Option(
            "--extra-arg", metavar="FLAG", help="A flag for the engine, as in --extra-arg=--max-model-len=4096; repeat."
        ),
    ] = None,
    timeout: Timeout = None,
    yes: Yes = False,
) -> None:
    """Deploy the model of a completed job, or a model by name. With --wait the exit code says whether it serves: 3 where not."""
    bounds_of_waiting(wait, timeout)
    hardware = jobfile.gpu(gpu, "--gpu")
    called = name or name_for(cli, model)
    body = given(
        model=model,
        source=source_of(model),
        name=called,
        gpu=hardware,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        target_rps=target_rps,
        target_latency_p95_ms=target_latency,
        stabilisation_window=stabilisation,
        hf_token=_token(hf_token),
        provider=provider,
        revision=revision,
        max_batch_size=max_batch_size,
        extra_args=extra_arg,
    )
    if not yes:
        price.agree(cli, hardware, "The deployment", replicas=(max(1, min_replicas), max_replicas))
    with naming(FLAGS):
        made = cli.api.post(PATH, body)
    if wait:
        made = serving_watch.ready(cli.api, cli.out, made["id"], timeout)
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
    cli.out.table(cli.api.all(PATH, limit, status=status), COLUMNS, "No deployments yet: `burnish deploy create JOB -g CPU -w`.")


@app.command("show")
@remote
def show(cli: Cli, deployment: DeploymentId) -> None:
    """Show one deployment."""
    cli.out.show(cli.api.get(f"{PATH}/{resolved(cli, deployment)}"), FIELDS)


app.command("scale")(deploy_changes.scale)
app.command("update")(deploy_changes.update)
app.command("pause")(deploy_changes.pause)
app.command("resume")(deploy_changes.resume)


@app.command("stop")
@remote
def stop(cli: Cli, deployment: DeploymentId) -> None:
    """Stop a deployment. Its bill ends at once; one that has ended is shown as it is."""
    cli.out.show(cli.api.post(f"{PATH}/{resolved(cli, deployment)}/stop"), FIELDS)


@app.command("delete")
@remote
def delete(cli: Cli, deployment: DeploymentId) -> None:
    """Delete a deployment that has ended, named by its id, with its log. What it cost stays in the books."""
    cli.out.show(cli.api.delete(f"{PATH}/{deployment}"), ("id", "deleted"))


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


app.command("requests")(deploy_figures.requests)
app.command("replicas")(deploy_figures.replicas)
app.command("versions")(deploy_figures.versions)
app.command("decisions")(deploy_figures.decisions)
app.command("metrics")(deploy_figures.metrics)


def _token(given: str | None) -> str | None:
    return sys.stdin.read(MAX_BYTES).strip() if given == "-" else given
