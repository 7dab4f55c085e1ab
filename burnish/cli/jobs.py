"""`burnish jobs`: training jobs."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import completing, creating, fetching, jobfile, memory, planning, records, watch
from burnish.cli.client import Json
from burnish.cli.command import Cli, Limit, Yes, group, remote
from burnish.cli.exits import USAGE, CliError

FIELDS = (
    "id", "status", "output_name", "base_model", "method", "dataset_id", "reward_function_id", "current_step", "total_steps",
    "gpu_requested", "gpu", "cost_usd", "max_cost_usd", "error", "created_at", "started_at", "completed_at", "duration_seconds",
    "memory", "dropped_prompts", "resumed_from", "checkpoint_destination", "destination_url", "best_step", "hyperparameters",
)  # fmt: skip
COLUMNS = ("id", "status", "output_name", "base_model", "current_step", "total_steps", "gpu", "cost_usd", "created_at")
METHOD_COLUMNS = ("method", "name", "type", "default", "range", "description")
CHECKPOINT_COLUMNS = ("id", "step", "final", "score", "best", "size_bytes", "file_count", "created_at")

app = group("Training jobs.")
checkpoint = group("Checkpoints of a job: list them, download one.")
app.add_typer(checkpoint, name="checkpoint")

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job (job_…).", autocompletion=completing.jobs)]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.0, metavar="SECONDS", help="Give up waiting after this long: exit code 7.")
]
Which = Annotated[
    str | None, typer.Argument(metavar="[CHECKPOINT]", help="Id of a checkpoint (ckpt_…); the trained model by default.")
]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", help="Of a model trained as an adapter: merged, adapter or both. All that there are by default."),
]


@app.command("create")
@remote
def create(
    cli: Cli,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A job file (TOML). Flags and --set go over what it says.")
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set one value, such as hyperparameters.learning_rate=1e-6; repeat for more."
        ),
    ] = None,
    base_model: Annotated[
        str | None, typer.Option("--base-model", "-m", help="Hugging Face id, or the name of a registered model.")
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Id of a dataset, or a JSONL file to upload.")] = None,
    reward: Annotated[
        str | None, typer.Option("--reward", "-r", help="Id of a reward function, or a Python file to upload.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the trained model.")] = None,
    gpu: Annotated[
        str | None, typer.Option("--gpu", "-g", metavar="TYPE[:COUNT]", help="Hardware, such as CPU, H100 or A100-80GB:2.")
    ] = None,
    method: Annotated[str | None, typer.Option("--method", help="Training method: grpo by default.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Whose hardware; `local` is the installation's own.")] = None,
    resume_from: Annotated[
        str | None,
        typer.Option("--resume-from", metavar="CHECKPOINT", help="Go on from a checkpoint of another job: ckpt_… or JOB@STEP."),
    ] = None,
    max_cost: Annotated[
        str | None, typer.Option("--max-cost", metavar="USD", help="Before it costs more, it saves a checkpoint and stops.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Tell all that is wrong, the price, the credit and the memory; upload and create nothing."
        ),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until it has ended, with its log. Ctrl-C detaches.")] = False,
    timeout: Timeout = None,
    yes: Yes = False,
) -> None:
    """Start a training job, from a file, from flags or from both. Files it names are uploaded, unless they are there already."""
    spec = jobfile.read(file) if file else jobfile.JobFile()
    flags = {
        "base_model": base_model, "dataset": dataset, "reward": reward, "output_name": name, "gpu": gpu, "method": method,
        "provider": provider, "resume_from": resume_from, "max_cost_usd": max_cost,
    }  # fmt: skip
    jobfile.apply(spec, assign or [], flags)
    if timeout is not None and not wait:
        raise CliError("--timeout bounds --wait, which is not given.", USAGE)
    if dry_run:
        planning.try_out(cli, spec)
        return
    job = creating.create(cli, spec, ask=not yes)
    if wait:
        cli.out.say(f"{job['id']} is queued. Ctrl-C detaches; the job goes on.")
        job = watch.job(cli.api, cli.out, job["id"], lines=True, timeout_s=timeout)
        _show(cli, job)
        watch.check_completed(job)
        cli.out.say(_what_next(job))
    else:
        _show(cli, job)
        cli.out.say(f"Follow it with `burnish jobs logs -f {job['id']}`.")


@app.command("list")
@remote
def list_(
    cli: Cli,
    status: Annotated[
        str | None, typer.Option("--status", help="Only these: queued, provisioning, running, completed, failed or cancelled.")
    ] = None,
    limit: Limit = 20,
) -> None:
    """List jobs, the newest first."""
    found = cli.api.all("/v1/training_jobs", limit, status=status)
    cli.out.table(found, COLUMNS, "No jobs yet: `burnish jobs create -f job.toml`.")


@app.command("show")
@remote
def show(cli: Cli, job: JobId) -> None:
    """Show one job."""
    _show(cli, cli.api.get(f"/v1/training_jobs/{job}"))


@app.command("wait")
@remote
def wait(cli: Cli, job: JobId, timeout: Timeout = None) -> None:
    """Wait until a job has ended. Exit code 3 where it failed or was cancelled; Ctrl-C leaves it running."""
    found = watch.job(cli.api, cli.out, job, lines=False, timeout_s=timeout)
    _show(cli, found)
    watch.check_completed(found)


@app.command("cancel")
@remote
def cancel(cli: Cli, job: JobId) -> None:
    """Cancel a job. Its bill ends at once."""
    _show(cli, cli.api.post(f"/v1/training_jobs/{job}/cancel"))


@app.command("delete")
@remote
def delete(cli: Cli, job: JobId) -> None:
    """Delete a job that has ended, with its checkpoints, its log and its metrics. What it cost stays in the books."""
    cli.out.show(cli.api.delete(f"/v1/training_jobs/{job}"), ("id", "deleted"))


@app.command("heartbeat")
@remote
def heartbeat(cli: Cli, job: JobId) -> None:
    """Tell a job that its client is there, once. A job with `requires_heartbeat` ends without, after 300 seconds by default."""
    cli.out.show(cli.api.post(f"/v1/training_jobs/{job}/heartbeat"), ("id", "status", "heartbeat_at"))


@app.command("methods")
@remote
def methods(cli: Cli) -> None:
    """List the ways to train, with the defaults and ranges of their hyperparameters."""
    found = cli.api.get("/v1/training_jobs/methods")["items"]
    rows = [{"method": method["name"], **parameter} for method in found for parameter in method["hyperparameters"]]
    if cli.out.as_json:
        cli.out.json(found)
    else:
        cli.out.table([row | {"range": _range(row)} for row in rows], METHOD_COLUMNS, "")


@app.command("logs")
@remote
def logs(
    cli: Cli,
    job: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay for the lines to come, until the job has ended.")] = False,
    after: Annotated[
        str | None, typer.Option("--after", metavar="CURSOR", help="Go on after this cursor, which --json gives with each line.")
    ] = None,
) -> None:
    """Print a job's log. With --json: one object a line, each with its cursor."""
    records.job_logs(cli, job, follow=follow, after=after)


@app.command("metrics")
@remote
def metrics(
    cli: Cli,
    job: JobId,
    keys: Annotated[
        str | None,
        typer.Option(
            "--keys", "-k", metavar="KEY,KEY", help="These metrics, or `all`; a handful of the telling ones by default."
        ),
    ] = None,
    from_step: Annotated[int | None, typer.Option("--from-step", min=0, help="The first step to show.")] = None,
    to_step: Annotated[int | None, typer.Option("--to-step", min=0, help="The last step to show.")] = None,
    max_points: Annotated[
        int, typer.Option("--max-points", min=1, max=10_000, help="Thin longer series evenly to this many points.")
    ] = 500,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay for the steps to come, until the job has ended.")] = False,
    plot: Annotated[str | None, typer.Option("--plot", metavar="KEY", help="Draw one metric instead.")] = None,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Save all metrics, unthinned, as FILE: .parquet or .csv.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Print a job's metrics, a line a step. With --json -f: one object a line; the step is the cursor for --from-step."""
    asked = records.Asked(keys, from_step, to_step, max_points)
    if export:
        records.export_metrics(cli, job, export, force=force)
    elif plot:
        records.plot(cli, job, plot, asked)
    elif follow:
        records.follow_metrics(cli, job, asked)
    else:
        records.metrics(cli, job, asked)


@app.command("rollouts")
@remote
def rollouts(
    cli: Cli,
    job: JobId,
    step: Annotated[
        int | None, typer.Option("--step", min=0, help="The step whose completions to show; the newest by default.")
    ] = None,
    limit: Limit = 10,
) -> None:
    """Print what the model answered at a step, with rewards. With --json: one group a line, each with its cursor."""
    records.rollouts(cli, job, step, limit)


@app.command("download")
@remote
def download_files(
    cli: Cli,
    job: JobId,
    which: Which = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="The folder to write into; JOB by default.")
    ] = None,
    weights: WeightsOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there and are others.")] = False,
) -> None:
    """Download a job's trained model, or one of its checkpoints, into a folder: verified, and gone on with where it broke off."""
    fetching.download(cli, fetching.Source(job, which, weights), output or Path(which or job), force=force)


@checkpoint.command("list")
@remote
def list_checkpoints(cli: Cli, job: JobId, limit: Limit = 20) -> None:
    """List a job's checkpoints, the newest first."""
    cli.out.table(cli.api.all(f"/v1/training_jobs/{job}/checkpoints", limit), CHECKPOINT_COLUMNS, "No checkpoints yet.")


@checkpoint.command("download")
@remote
def download(
    cli: Cli,
    job: JobId,
    which: Which = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; JOB.tar.gz by default.")] = None,
    weights: WeightsOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Download a job's trained model, or one of its checkpoints, as a .tar.gz, and verify what is in it."""
    source = fetching.Source(job, which, weights)
    records.download(cli, source, output or Path(f"{which or job}.tar.gz"), force=force)


def _what_next(job: Json) -> str:
    """Return what is done with a trained model: one that makes clips is not served here."""
    if job["method"] == "sft_video_gen":
        return f"Download it with `burnish jobs download {job['id']}`."
    return f"Deploy it with `burnish deploy create {job['id']} -g {_hardware(job)} -w`."


def _show(cli: Cli, job: Json) -> None:
    cli.out.show(job if cli.out.as_json else memory.with_memory(job), FIELDS)


def _range(parameter: dict[str, object]) -> str:
    """Return the range of a hyperparameter as people write it, such as `0 < x ≤ 1`."""
    above, least, most, below = (parameter[key] for key in ("exclusive_minimum", "minimum", "maximum", "exclusive_maximum"))
    low = f"{above:g} < " if above is not None else f"{least:g} ≤ " if least is not None else ""
    high = f" < {below:g}" if below is not None else f" ≤ {most:g}" if most is not None else ""
    return f"{low}x{high}" if low or high else ""


def _hardware(job: dict[str, object]) -> str:
    asked = job["gpu_requested"]
    assert isinstance(asked, dict)
    return f"{asked['type']}:{asked['count']}" if asked["count"] != 1 else str(asked["type"])
