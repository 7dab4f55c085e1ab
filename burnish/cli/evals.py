"""`burnish evals`: datasets that models answer, scored and compared."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli import completing, eval_watch, jobfile
from burnish.cli.client import PAGE, Json
from burnish.cli.command import Cli, Limit, group, naming, remote
from burnish.cli.creating import upload
from burnish.cli.exits import USAGE, CliError

FIELDS = ("id", "name", "dataset_id", "scorers", "generation_params", "created_at")
COLUMNS = ("id", "name", "dataset_id", "created_at")
RUN_FIELDS = (
    "id", "status", "eval_id", "model", "deployment_id", "num_samples", "generation_params", "processed_items", "total_items",
    "prompt_tokens", "completion_tokens", "cost_usd", "error_message", "created_at", "started_at", "completed_at",
)  # fmt: skip
RUN_COLUMNS = ("id", "status", "model", "processed_items", "total_items", "created_at")
ITEM_COLUMNS = ("item_index", "sample", "score", "output", "label", "error_message")
FIGURE_COLUMNS = ("scorer", "mean", "interval_95", "pass_at_k", "scored", "missing")
COMPARED_COLUMNS = ("item_index", "score", "other_score", "difference", "output", "other_output", "label")
PAIRED_FIELDS = ("rows", "better", "worse", "same", "difference", "ci_low", "ci_high")
RUN_ID = "run_"

app = group("Evals: datasets that models answer, scored and compared.")
EvalId = Annotated[str, typer.Argument(metavar="EVAL", help="Id of the eval (eval_…).", autocompletion=completing.evals)]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run (run_…).")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.0, metavar="SECONDS", help="Give up waiting after this long: exit code 7.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="How answers are sampled, such as temperature=0.6 or n=4; repeat for more."),
]


@app.command("create")
@remote
def create(
    cli: Cli,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Id of a dataset, or a JSONL file to upload.")],
    name: Annotated[str, typer.Option("--name", "-n", help="What to call it.")],
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            "--scorer",
            "-s",
            metavar="TYPE|JSON",
            help='exact-match by default; or such as \'{"type": "regex", "pattern": "…"}\', @FILE for one in a file; repeat.',
        ),
    ] = None,
    assign: Parameters = None,
) -> None:
    """Make an eval of a dataset. Nothing is asked before `burnish evals run`."""
    scorers, parameters = [_scorer(text) for text in scorer or ["exact-match"]], _parameters(assign or [])
    dataset_id = dataset if dataset.startswith("ds_") else upload(cli.api, cli.out, "dataset", Path(dataset))
    body = {"name": name, "dataset_id": dataset_id, "scorers": scorers, "generation_params": parameters}
    with naming({"name": "--name", "dataset_id": "--dataset", "scorers": "--scorer", "generation_params": "--set"}):
        made = cli.api.post("/v1/evals", _given(body))
    cli.out.show(made, FIELDS)
    cli.out.say(f"Run it with `burnish evals run {made['id']} MODEL -w`.")


@app.command("list")
@remote
def list_(cli: Cli, limit: Limit = 20) -> None:
    """List evals, the newest first."""
    found = cli.api.all("/v1/evals", limit)
    cli.out.table(found, COLUMNS, "No evals yet: `burnish evals create -d FILE -n NAME`.")


@app.command("show")
@remote
def show(cli: Cli, item: Annotated[str, typer.Argument(metavar="EVAL|RUN", help="Id of an eval, or of a run of one.")]) -> None:
    """Show one eval, or one run with its figures."""
    if item.startswith(RUN_ID):
        _show_run(cli, cli.api.get(eval_watch.path_of(cli, item)))
    else:
        cli.out.show(cli.api.get(f"/v1/evals/{item}"), FIELDS)


@app.command("run")
@remote
def run(
    cli: Cli,
    eval_id: EvalId,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A deployment's id or name, a job or checkpoint, or the name of a model.")
    ],
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="How many rows to ask, from the first on; else all.")] = None,
    assign: Parameters = None,
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", "-g", metavar="TYPE[:COUNT]", help="Hardware of a deployment that has to be made for it."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until it has ended. Ctrl-C detaches.")] = False,
    timeout: Timeout = None,
) -> None:
    """Have a model answer an eval's dataset. Where no deployment of it is active, one is made and stopped at the end."""
    if timeout is not None and not wait:
        raise CliError("--timeout bounds --wait, which is not given.", USAGE)
    hardware = None if gpu is None else jobfile.gpu(gpu, "--gpu")
    body = {"model": model, "num_samples": rows, "generation_params": _parameters(assign or []), "gpu": hardware}
    with naming({"model": "MODEL", "num_samples": "--rows", "generation_params": "--set", "gpu": "--gpu", "eval_id": "EVAL"}):
        made = cli.api.post(f"/v1/evals/{eval_id}/runs", _given(body))
    if wait:
        cli.out.say(f"{made['id']} is queued. Ctrl-C detaches; the run goes on.")
        _waited(cli, made["id"], timeout)
    else:
        cli.out.show(made, RUN_FIELDS)
        cli.out.say(f"Wait for it with `burnish evals wait {made['id']}`.")


@app.command("wait")
@remote
def wait_(cli: Cli, run_id: RunId, timeout: Timeout = None) -> None:
    """Wait until a run has ended, and show its figures. Exit code 3 where it failed or was cancelled."""
    _waited(cli, run_id, timeout)


@app.command("runs")
@remote
def runs(cli: Cli, eval_id: EvalId, limit: Limit = 20) -> None:
    """List the runs of an eval, the newest first."""
    found = cli.api.all(f"/v1/evals/{eval_id}/runs", limit)
    cli.out.table(found, RUN_COLUMNS, f"No runs yet: `burnish evals run {eval_id} MODEL`.")


@app.command("items")
@remote
def items(
    cli: Cli,
    run_id: RunId,
    failed: Annotated[bool, typer.Option("--failed", help="Only those not given, not scored, or scored below 1.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Show at most this many.")] = 50,
) -> None:
    """List the answers of a run, in the order of the dataset."""
    found = cli.api.all(f"{eval_watch.path_of(cli, run_id)}/items", limit, filter="failed" if failed else "all")
    cli.out.table(found, ITEM_COLUMNS, "No failed answers." if failed else "No answers yet.")


@app.command("compare")
@remote
def compare(
    cli: Cli,
    run_id: RunId,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Id of the run of the same eval that is measured against it.")],
    everything: Annotated[bool, typer.Option("--all", help="Rows that both score the same, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=PAGE, help="Show at most this many rows.")] = 20,
) -> None:
    """Compare two runs row by row, those first whose score differs most. A positive difference says that OTHER is better."""
    query = {"other": other, "changed": str(not everything).lower(), "limit": limit}
    with naming({"other": "OTHER"}):
        found = cli.api.get(f"{eval_watch.path_of(cli, run_id)}/compare", **query)
    if cli.out.as_json:
        cli.out.json(found)
        return
    cli.out.show(found["figures"], PAIRED_FIELDS)
    cli.out.table([_compared(row) for row in found["data"]], COMPARED_COLUMNS, "No row is scored differently.")


@app.command("cancel")
@remote
def cancel(cli: Cli, run_id: RunId) -> None:
    """Cancel a run. A deployment that was made for it stops."""
    cli.out.show(cli.api.post(f"{eval_watch.path_of(cli, run_id)}/cancel"), RUN_FIELDS)


@app.command("delete")
@remote
def delete(cli: Cli, eval_id: EvalId) -> None:
    """Delete an eval with its runs and their answers, unless one of them goes on."""
    cli.out.show(cli.api.delete(f"/v1/evals/{eval_id}"), ("id", "deleted"))


def _waited(cli: Cli, run_id: str, timeout: float | None) -> None:
    found = eval_watch.wait(cli, run_id, timeout)
    _show_run(cli, found)
    eval_watch.check_completed(found)


def _show_run(cli: Cli, found: Json) -> None:
    cli.out.show(found, RUN_FIELDS)
    rows = [] if cli.out.as_json else eval_watch.figures(eval_watch.look(cli, found["id"]))
    if rows:
        cli.out.table(rows, FIGURE_COLUMNS, "")


def _compared(row: Json) -> Json:
    first: Json = next(iter(row["items"]), {})
    second: Json = next(iter(row["other_items"]), {})
    told = {"output": first.get("output"), "other_output": second.get("output")}
    return {**row, **told, "label": first.get("label", second.get("label"))}


def _scorer(text: str) -> Json:
    """Return a scorer: of its type alone, of JSON, or of JSON in a file."""
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"--scorer: {text}: {error}", USAGE) from None
    if not text.lstrip().startswith("{"):
        return {"type": text}
    try:
        found: Json = json.loads(text)
    except ValueError as error:
        raise CliError(f"--scorer: {error}: {text[:100]}", USAGE) from None
    return found


def _parameters(given: list[str]) -> Json | None:
    """Return what `--set` says; a value is JSON where it can be, else a text."""
    found: Json = {}
    for one in given:
        key, sign, text = one.partition("=")
        if not key or not sign:
            raise CliError(f"--set: '{one}' is not KEY=VALUE.", USAGE)
        try:
            found[key.strip()] = json.loads(text)
        except ValueError:
            found[key.strip()] = text
    return found or None


def _given(body: dict[str, Any]) -> Json:
    return {key: value for key, value in body.items() if value is not None}
