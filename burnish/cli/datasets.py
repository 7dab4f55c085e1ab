"""`burnish datasets`: rows to learn from, uploaded as a file or read from a connected source."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli import completing, dataset_files, dataset_sources
from burnish.cli.client import open_file
from burnish.cli.command import AsJson, Cli, Limit, group, naming, remote, reported
from burnish.cli.exits import ERROR, TIMED_OUT, USAGE, ApiError, CliError
from burnish.cli.output import Output, counted

FIELDS = ("id", "name", "source_type", "source_uri", "huggingface_dataset", "num_rows", "sha256", "created_at")
COLUMNS = ("id", "name", "source_type", "num_rows", "created_at")
NO_METHOD = (
    "these rows serve no method by themselves; a grpo job with environments takes them, as its tasks where they have "
    "task_index or task"
)
COUNTING_S = 1800.0
ASK_AGAIN_S = 2.0

app = group("Datasets: rows to learn from, as each method of training wants them.")
DatasetId = Annotated[
    str, typer.Argument(metavar="DATASET", help="Id of the dataset (ds_…).", autocompletion=completing.datasets)
]


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="A JSONL file, also in gzip or zstd, or an archive of video rows.")],
    method: Annotated[
        str | None, typer.Option("--method", metavar="METHOD", help="Also whether a job of this method could learn from it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a file as an upload would, without the platform: every problem with its line, and what it holds."""
    out = Output(as_json)
    with reported(out):
        taken = dataset_files.check(file)
        if taken.problems:
            details = [f"line {problem['line']}: {problem['message']}" for problem in taken.problems]
            raise CliError(f"{file}: {details[0]}", ERROR, details=details[1:])
        unfit = dataset_files.problems_for(taken, method) if method is not None else []
        if unfit:
            raise CliError(f"{file}: {unfit[0]}", ERROR, details=unfit[1:])
        found = dataset_files.holdings(taken)
        if as_json:
            out.json({**found, "sha256": taken.sha256})
            return
        out.say(f"{file} is a dataset{f' for {method}' if method is not None else ''}.", style="green")
        dataset_files.show(out, found)
        if not any(fit["num_rows"] for fit in found["methods"]):
            out.say(_serves(found["methods"], found["num_rows"]))


@app.command("upload")
@remote
def upload(
    cli: Cli,
    file: Annotated[Path, typer.Argument(help="A JSONL file, one JSON object a line, or an archive of clips with one.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call it; the file's name by default.")] = None,
) -> None:
    """Upload a dataset. Every problem of the file is told with its line, and then nothing is kept of it."""
    flags = {"name": "--name", "file": str(file)}
    with naming(flags), open_file(file) as opened, counted(cli.out, file, opened) as shown:
        made = cli.api.upload("/v1/datasets", {"name": name or file.stem}, file.name, shown)
    cli.out.show(made, FIELDS)
    if not cli.out.as_json:
        found = cli.api.get(f"/v1/datasets/{made['id']}/statistics")
        cli.out.say(_serves(found["methods"], found["num_rows"]))


@app.command("connect")
@remote
def connect(
    cli: Cli,
    source: Annotated[
        str,
        typer.Argument(
            help="hf:OWNER/NAME, s3://, gs:// or az:// and an object, https://…, postgres://… or mysql://…; - for stdin."
        ),
    ],
    name: Annotated[str | None, typer.Option("--name", help="What to call it; made from the source by default.")] = None,
    split: Annotated[str | None, typer.Option("--split", help="hf: the split; train by default.")] = None,
    config: Annotated[str | None, typer.Option("--config", help="hf: the configuration (subset).")] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="COLUMN=NAME", help="Call a column something too; repeat for several.")
    ] = None,
    query: Annotated[str | None, typer.Option("--query", help="postgres, mysql: one SELECT.")] = None,
    credentials: Annotated[
        Path | None,
        typer.Option("--credentials", metavar="FILE", help="A JSON file of what the source wants to see. It is not stored."),
    ] = None,
    look: Annotated[
        bool, typer.Option("--look", help="Show the first rows and what is wrong with them, and make nothing.")
    ] = False,
) -> None:
    """Connect a source: its first job reads it. With credentials it is read now, because they are never stored."""
    given = sys.stdin.readline().strip() if source == "-" else source
    body = dataset_sources.body(given, split=split, config=config, mapping=map_ or [], query=query)
    if credentials is not None:
        body["credentials"] = dataset_sources.read_credentials(credentials)
    with naming(dataset_sources.FLAGS):
        if look:
            return _show_look(cli, cli.api.post("/v1/datasets/connect/validate", body, patient=True))
        made = cli.api.post("/v1/datasets/connect", {"name": name or dataset_sources.name_of(given), **body}, patient=True)
    cli.out.show(made, FIELDS)


def _show_look(cli: Cli, found: dict[str, Any]) -> None:
    if cli.out.as_json:
        cli.out.json(found)
    else:
        for row in found["sample"]:
            cli.out.text(json.dumps(row, ensure_ascii=False))
    if found["columns"] and not cli.out.as_json:
        rows = "an unknown number of rows" if found["num_rows"] is None else f"{found['num_rows']:,} rows"
        cli.out.say(f"{rows}; columns: {', '.join(found['mapped_columns']) or 'none'}")
        cli.out.say(_serves(found["methods"], found["looked_at"]))
    if not found["valid"]:
        problems = [f"line {item['line']}: {item['message']}" if item["line"] else item["message"] for item in found["errors"]]
        raise CliError(problems[0], USAGE if found["errors"][0]["line"] else ERROR, details=problems[1:])


def _serves(methods: list[dict[str, Any]], rows: int) -> str:
    """Return which methods all of so many rows serve, and how many rows others have where it is not none."""
    whole = [fit["name"] for fit in methods if rows and fit["num_rows"] == rows]
    parts = [f"{fit['num_rows']:,} of {rows:,} serve {fit['name']}" for fit in methods if 0 < fit["num_rows"] < rows]
    return "; ".join([f"these rows serve {', '.join(whole)}"] * bool(whole) + parts) or NO_METHOD


@app.command("list")
@remote
def list_(cli: Cli, limit: Limit = 20) -> None:
    """List datasets, the newest first."""
    cli.out.table(cli.api.all("/v1/datasets", limit), COLUMNS, "No datasets yet: `burnish datasets upload FILE`.")


@app.command("show")
@remote
def show(
    cli: Cli,
    dataset: DatasetId,
    statistics: Annotated[bool, typer.Option("--statistics", help="Also what its columns hold, and repeated prompts.")] = False,
    base_model: Annotated[
        str | None, typer.Option("--base-model", metavar="MODEL", help="Also how long its rows are for this model, in tokens.")
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", metavar="METHOD", help="As this method reads the rows; else the first they serve.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--max-prompt-length", min=1, metavar="TOKENS", help="grpo: also how many prompts are longer.")
    ] = None,
    length: Annotated[
        int | None, typer.Option("--max-length", min=1, metavar="TOKENS", help="sft, dpo: also how many rows are longer.")
    ] = None,
) -> None:
    """Show one dataset, and with the options what it holds."""
    found = cli.api.get(f"/v1/datasets/{dataset}")
    wanted = {"base_model": base_model, "method": method, "max_prompt_length": limit, "max_length": length}
    if not statistics and not any(wanted.values()):
        cli.out.show(found, FIELDS)
        return
    with naming({name: f"--{name.replace('_', '-')}" for name in wanted}):
        counted_ = _statistics(cli, dataset, wanted)
    if cli.out.as_json:
        cli.out.json({**found, "statistics": counted_})
        return
    cli.out.show(found, FIELDS)
    dataset_files.show(cli.out, counted_)


def _statistics(cli: Cli, dataset: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the statistics, waiting while tokens are being counted."""
    until = time.monotonic() + COUNTING_S
    while True:
        try:
            return cli.api.get(f"/v1/datasets/{dataset}/statistics", **wanted)
        except ApiError as error:
            if error.status != 503:
                raise
            if time.monotonic() > until:
                raise CliError("The tokens are still being counted.", TIMED_OUT) from None
            time.sleep(ASK_AGAIN_S)


@app.command("delete")
@remote
def delete(cli: Cli, dataset: DatasetId) -> None:
    """Delete a dataset and its files. Refused while a job that has not ended needs it."""
    gone = cli.api.delete(f"/v1/datasets/{dataset}")
    if cli.out.as_json:
        cli.out.json(gone)
    else:
        cli.out.say(f"{dataset} is deleted.")
