"""`burnish deploy scale|update|pause|resume`: changes of a deployment that serves."""

from typing import Annotated

import typer

from burnish.cli import serving_watch
from burnish.cli.command import Cli, naming, remote
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
    resolved,
    source_of,
)
from burnish.cli.exits import USAGE, CliError

Wait = Annotated[bool, typer.Option("--wait", "-w", help="Stay until it serves. Ctrl-C detaches.")]


@remote
def scale(
    cli: Cli,
    deployment: DeploymentId,
    min_replicas: Annotated[int | None, typer.Option("--min-replicas", "--min", min=0, help="Replicas kept at least.")] = None,
    max_replicas: Annotated[
        int | None, typer.Option("--max-replicas", "--max", min=1, help="Replicas that it may scale to.")
    ] = None,
    target_rps: Annotated[float | None, typer.Option("--target-rps", help="Requests a second that a replica is to get.")] = None,
    target_latency: Annotated[
        float | None, typer.Option("--target-latency", help="95th percentile of latency to stay under, in ms.")
    ] = None,
    stabilisation: Annotated[
        int | None, typer.Option("--stabilisation", min=0, help="Seconds for which fewer replicas must have been enough.")
    ] = None,
) -> None:
    """Change how a deployment scales; what is not given stays as it is. Nothing is interrupted."""
    body = given(
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        target_rps=target_rps,
        target_latency_p95_ms=target_latency,
        stabilisation_window=stabilisation,
    )
    if not body:
        flags = "--min-replicas, --max-replicas, --target-rps, --target-latency or --stabilisation"
        raise CliError(f"Say what changes: {flags}.", USAGE)
    with naming(FLAGS):
        cli.out.show(cli.api.patch(f"{PATH}/{resolved(cli, deployment)}", body), FIELDS)


@remote
def update(
    cli: Cli,
    deployment: DeploymentId,
    model: Model,
    revision: Revision = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until it serves this. Ctrl-C detaches.")] = False,
    timeout: Timeout = None,
) -> None:
    """Serve another model under the same name: its replicas take over one by one, and no request fails. With --wait the exit
    code says whether it serves: 3 where not, and then the version before goes on.
    """
    bounds_of_waiting(wait, timeout)
    body = given(model=model, source=source_of(model), revision=revision)
    with naming(FLAGS):
        found = cli.api.post(f"{PATH}/{resolved(cli, deployment)}/versions", body)
    if wait:
        found = serving_watch.updated(cli.api, cli.out, found["id"], found["version"], timeout)
    cli.out.show(found, FIELDS)
    if not wait:
        cli.out.say(f"Version {found['version']} takes over when it is ready: `burnish deploy versions {found['id']}`.")


@remote
def pause(cli: Cli, deployment: DeploymentId) -> None:
    """Pause a deployment: it ends what it has begun, and costs nothing until it is resumed."""
    found = cli.api.post(f"{PATH}/{resolved(cli, deployment)}/pause")
    cli.out.show(found, FIELDS)
    cli.out.say(f"Bring it back with `burnish deploy resume {found['id']}`.")


@remote
def resume(cli: Cli, deployment: DeploymentId, wait: Wait = False, timeout: Timeout = None) -> None:
    """Resume a paused deployment; an hour of what it will run on is set aside."""
    bounds_of_waiting(wait, timeout)
    found = cli.api.post(f"{PATH}/{resolved(cli, deployment)}/resume")
    if wait:
        found = serving_watch.ready(cli.api, cli.out, found["id"], timeout)
    cli.out.show(found, FIELDS)
