"""`burnish deploy requests|replicas|versions|decisions|metrics`: what a deployment has served, and with what."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from burnish.cli import chart, durations
from burnish.cli.command import Cli, Limit, remote
from burnish.cli.deployments import PATH, DeploymentId, resolved
from burnish.cli.exits import NOT_FOUND, USAGE, CliError

ASKED = ("id", "created_at", "status_code", "prompt_tokens", "completion_tokens", "latency_ms", "ttft_ms", "finish_reason")
REPLICAS = ("id", "status", "version", "engine", "gpu", "cost_per_hour_usd", "created_at", "ready_at", "ended_at", "reason")
VERSIONS = ("number", "status", "model", "source", "checkpoint_id", "revision", "created_at", "serving_at", "ended_at", "error")
DECISIONS = ("at", "from", "to", "reason", "rps", "p95_ms", "requests", "by_rps", "by_latency")
TOTALS = (
    "total_requests", "total_prompt_tokens", "total_completion_tokens", "total_cost_usd", "avg_latency_ms", "error_rate",
    "uptime_seconds",
)  # fmt: skip
SERIES = (
    "at", "requests_per_second", "tokens_per_second", "ttft_p50_ms", "ttft_p95_ms", "latency_p50_ms", "latency_p95_ms",
    "error_rate", "running", "waiting", "replicas_ready",
)  # fmt: skip
ROWS = 60


@remote
def requests(cli: Cli, deployment: DeploymentId, limit: Limit = 50) -> None:
    """List what a deployment was asked, the newest first: counts and times, never what was said."""
    path = f"{PATH}/{resolved(cli, deployment)}/requests"
    cli.out.table(cli.api.all(path, limit), ASKED, "Nobody has asked it yet.")


@remote
def replicas(
    cli: Cli,
    deployment: DeploymentId,
    every: Annotated[bool, typer.Option("--all", "-a", help="Those too that have ended.")] = False,
    limit: Limit = 50,
) -> None:
    """List a deployment's replicas, the newest first: where each is in its life, and why it failed or stopped."""
    found = cli.api.all(f"{PATH}/{resolved(cli, deployment)}/replicas", limit)
    rows = [one for one in found if every or one["ended_at"] is None]
    if not cli.out.as_json:
        rows = [{**one, "reason": one["error"] or one["stop_reason"]} for one in rows]
    cli.out.table(rows, REPLICAS, "No replica is up; --all shows those that have ended.")


@remote
def versions(cli: Cli, deployment: DeploymentId, limit: Limit = 50) -> None:
    """List what a deployment serves and has served, the newest first."""
    cli.out.table(cli.api.all(f"{PATH}/{resolved(cli, deployment)}/versions", limit), VERSIONS, "There is none.")


@remote
def decisions(cli: Cli, deployment: DeploymentId, limit: Limit = 50) -> None:
    """List how the autoscaler decided, the newest first, each time with the load and the reason."""
    path = f"{PATH}/{resolved(cli, deployment)}/decisions"
    cli.out.table(cli.api.all(path, limit), DECISIONS, "Nothing was decided yet.")


@remote
def metrics(
    cli: Cli,
    deployment: DeploymentId,
    since: Annotated[
        str | None, typer.Option("--since", help="The load over time instead, since then: 15m, 12h, 7d or a moment.")
    ] = None,
    interval: Annotated[
        str | None, typer.Option("--interval", metavar="LENGTH", help="What a row of it stands for: 60s, 5m; 60 rows by default.")
    ] = None,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="KEY", help="Draw one of its columns, such as latency_p95_ms.")
    ] = None,
) -> None:
    """Show what a deployment has served in all; with --since its load over time, and with --plot a drawing of that."""
    path = f"{PATH}/{resolved(cli, deployment)}/metrics"
    if since is None and plot is None:
        if interval is not None:
            raise CliError("--interval belongs to --since, which is not given.", USAGE)
        cli.out.show(cli.api.get(path), TOTALS)
        return
    begin = durations.moment(since or "1h", "--since")
    length = durations.seconds(interval, "--interval") if interval else _interval(begin)
    found = cli.api.get(f"{path}/timeseries", **{"from": begin, "interval": length})
    if cli.out.as_json:
        cli.out.json(found)
    elif plot:
        _plot(cli, found["data"], plot)
    else:
        cli.out.table(found["data"], SERIES, "Nothing was measured in that time.")


def _interval(begin: str) -> int:
    age_s = (datetime.now(UTC) - datetime.fromisoformat(begin)).total_seconds()
    return min(86_400, max(1, round(age_s / ROWS)))


def _plot(cli: Cli, rows: list[dict[str, object]], key: str) -> None:
    known = [name for name, value in (rows[0] if rows else {}).items() if name != "at" and isinstance(value, int | float | None)]
    if rows and key not in known:
        raise CliError(f"--plot: there is no column '{key}'.", NOT_FOUND, hint=f"There are: {', '.join(known)}.")
    values = [float(value) for row in rows if isinstance(value := row[key], int | float)]
    if not values:
        cli.out.say("Nothing was measured in that time.")
        return
    cli.out.text(f"{key}, from {rows[0]['at']} to {rows[-1]['at']}")
    for line in chart.area(values, unicode=cli.out.can_draw):
        cli.out.text(line)
