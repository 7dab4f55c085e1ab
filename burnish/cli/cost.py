"""`burnish cost`: what was spent, and what things would come to."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from burnish.cli import jobfile
from burnish.cli.client import Json
from burnish.cli.command import ApiKey, AsJson, BaseUrl, Cli, group, naming, remote
from burnish.cli.exits import USAGE, CliError

SUMMARY = ("period_days", "total_cost_usd", "job_count", "avg_cost_per_job_usd", "total_gpu_hours")
ESTIMATE = (
    "cost_usd", "gpu_cost_usd", "storage_cost_usd", "overhead_cost_usd", "markup_multiplier", "duration_seconds", "gpu_type",
    "gpu_count", "provider",
)  # fmt: skip
PROJECTION = ("total_jobs", "avg_cost_per_job_usd", "total_monthly_usd", "keep_warm_monthly_usd", "with_keep_warm_usd")
OFFERS = ("provider", "gpu_type", "gpu_count", "rate_per_hour_usd", "cost_usd", "available")
DIMENSIONS = {"job": "RESOURCE", "gpu": "GPU_TYPE", "provider": "PROVIDER", "kind": "KIND"}
COLUMNS = {"job": "resource_id", "gpu": "gpu_type", "provider": "provider", "kind": "kind"}
SINCE = re.compile(r"(\d{1,5})([hdw])")
UNITS = {"h": "hours", "d": "days", "w": "weeks"}
COSTS = """query Costs($range: TimeRange!, $by: [CostDimension!]!) { costs(range: $range, groupBy: $by) {
  groups { provider gpuType kind resourceId cost { amount } hours jobCount } buckets { startsAt cost { amount } } } }"""
FLAGS = {
    "gpu_type": "--gpu", "gpu_count": "--gpu", "duration_minutes": "--hours", "avg_duration_minutes": "--minutes",
    "provider": "--provider", "markup": "--markup", "jobs_per_day": "--jobs-per-day", "days": "--since",
}  # fmt: skip

app = group("Costs: what was spent, and what things would come to.")
app.info.no_args_is_help = False

By = Annotated[str | None, typer.Option("--by", help="Tell costs apart by job, gpu, provider, kind or day.")]
Since = Annotated[str, typer.Option("--since", metavar="TIME", help="How far back: 7d, 12h, 4w, or a date such as 2026-01-31.")]
Gpu = Annotated[str, typer.Option("--gpu", "-g", metavar="TYPE[:COUNT]", help="Hardware, such as CPU, H100 or A100-80GB:2.")]
Hours = Annotated[float, typer.Option("--hours", min=0.0, help="How long it is used.")]
Provider = Annotated[str | None, typer.Option("--provider", help="Whose hardware; the cheapest that has it by default.")]


@app.command("summary")
@remote
def summary(cli: Cli, by: By = None, since: Since = "30d") -> None:
    """Show what was spent: in all or, with --by, in its parts, the dearest first. Running work counts up to its last posting."""
    start = _start(since)
    if by is None:
        days = max(1, -(-int((datetime.now(UTC) - start).total_seconds()) // 86_400))
        with naming(FLAGS):
            cli.out.show(cli.api.get("/v1/cost/summary", days=days), SUMMARY)
        return
    if by != "day" and by not in DIMENSIONS:
        raise CliError(f"--by: costs are told apart by {', '.join(DIMENSIONS)} or day, not by '{by}'.", USAGE)
    given = {"range": {"from": start.isoformat()}, "by": [] if by == "day" else [DIMENSIONS[by]]}
    found = cli.api.graphql(COSTS, **given)["costs"]
    if by == "day":
        rows = [{"day": row["startsAt"][:10], "cost_usd": float(row["cost"]["amount"])} for row in found["buckets"]]
        cli.out.table(rows, ("day", "cost_usd"), "Nothing was spent.")
        return
    rows = [_row(by, group) for group in found["groups"]]
    shown = (COLUMNS[by], "cost_usd", "hours", *(() if by == "job" else ("job_count",)))
    cli.out.table(rows, shown, "Nothing was spent.")


@app.callback(invoke_without_command=True)
def cost(
    ctx: typer.Context,
    by: By = None,
    since: Since = "30d",
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Costs: what was spent, and what things would come to. Without a command: the summary."""
    if ctx.invoked_subcommand is None:
        summary(by=by, since=since, base_url=base_url, api_key=api_key, as_json=as_json)


@app.command("estimate")
@remote
def estimate(
    cli: Cli,
    gpu: Gpu,
    hours: Hours = 1.0,
    provider: Provider = None,
    markup: Annotated[float | None, typer.Option("--markup", min=0.0, help="What rented hardware is multiplied by.")] = None,
) -> None:
    """Estimate what work would cost."""
    with naming(FLAGS):
        found = cli.api.get(
            "/v1/cost/estimate", **_shape(gpu), duration_minutes=_minutes(hours), provider=provider, markup=markup
        )
    cli.out.show(found, ESTIMATE)


@app.command("compare")
@remote
def compare(cli: Cli, gpu: Gpu, hours: Hours = 1.0) -> None:
    """Compare what the providers ask for the same hardware, the cheapest first."""
    with naming(FLAGS):
        found = cli.api.get("/v1/cost/compare", **_shape(gpu), duration_minutes=_minutes(hours))
    rows: list[Json] = list(found)  # type: ignore[arg-type]  # a bare array
    cli.out.table(rows, OFFERS, "No providers.")


@app.command("projection")
@remote
def projection(
    cli: Cli,
    gpu: Gpu,
    jobs_per_day: Annotated[int, typer.Option("--jobs-per-day", min=0, help="How many jobs a day.")],
    minutes: Annotated[float, typer.Option("--minutes", min=0.0, help="How many minutes each takes.")],
    provider: Provider = None,
) -> None:
    """Project what a habit would cost in a month of 30 days."""
    given = {**_shape(gpu), "jobs_per_day": jobs_per_day, "avg_duration_minutes": minutes, "provider": provider}
    with naming(FLAGS):
        cli.out.show(cli.api.get("/v1/cost/monthly_projection", **given), PROJECTION)


@app.command("rates")
@remote
def rates(cli: Cli, provider: Provider = None) -> None:
    """Show what an hour of one GPU costs, by provider."""
    found = cli.api.get("/v1/cost/rates")
    if cli.out.as_json:
        cli.out.json(found)
        return
    rows = [
        {"provider": name, "gpu_type": gpu, "usd_per_hour": usd}
        for name, gpus in found["rates"].items()
        for gpu, usd in gpus.items()
        if provider in (None, name)
    ]
    cli.out.table(rows, ("provider", "gpu_type", "usd_per_hour"), "No rates.")


def _row(by: str, group: Json) -> Json:
    values = {"provider": group["provider"], "gpu": group["gpuType"], "kind": group["kind"], "job": group["resourceId"]}
    return {
        COLUMNS[by]: values[by].lower() if by == "kind" else values[by],
        "cost_usd": float(group["cost"]["amount"]),
        "hours": float(group["hours"]),
        "job_count": group["jobCount"],
    }


def _start(text: str) -> datetime:
    now = datetime.now(UTC)
    if found := SINCE.fullmatch(text):
        return now - timedelta(**{UNITS[found[2]]: int(found[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(f"--since: '{text}' is neither a span such as 7d, 12h or 4w nor a date.", USAGE) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _shape(gpu: str) -> Json:
    found = jobfile.gpu(gpu, "--gpu")
    return {"gpu_type": found["type"], "gpu_count": found["count"]}


def _minutes(hours: float) -> float:
    return round(hours * 60, 6)
