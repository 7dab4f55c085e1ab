"""`burnish batch`: files of requests that are worked through below the interactive traffic."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import batch_watch, completing, files, saving
from burnish.cli.client import Json, open_file
from burnish.cli.command import Cli, Limit, Yes, group, naming, remote
from burnish.cli.exits import ERROR, NOT_FOUND, USAGE, CliError
from burnish.cli.times import readable

ENDPOINTS = ("/v1/chat/completions", "/v1/completions")
MOMENTS = (
    "created_at",
    "in_progress_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
)
FIELDS = (
    "id", "status", "endpoint", "model", "lines", "completed", "failed", "input_tokens", "output_tokens", "input_file_id",
    "output_file_id", "error_file_id", "completion_window", "metadata", *MOMENTS, "expires_at",
)  # fmt: skip
COLUMNS = ("id", "status", "endpoint", "model", "lines", "completed", "failed", "created_at")

app = group("Batches: files of requests, each line answered exactly once, below the interactive traffic.")
BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="Id of the batch (batch_…).", autocompletion=completing.batches)]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Stay until it has ended, with a progress bar. Ctrl-C detaches.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.0, metavar="SECONDS", help="Give up waiting after this long: exit code 7.")
]


@app.command("create")
@remote
def create(
    cli: Cli,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A JSONL file with a request a line, or the id of an uploaded one (file-…)."),
    ],
    endpoint: Annotated[
        str,
        typer.Option("--endpoint", "-e", help="What every line asks, its `url`.", autocompletion=completing.words(*ENDPOINTS)),
    ] = ENDPOINTS[0],
    window: Annotated[
        str, typer.Option("--window", metavar="HOURS", help="What is not answered in this time fails: 1h to 168h.")
    ] = "24h",
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="NAME=TEXT", help="A label; repeat for up to 16.")
    ] = None,
    wait: Wait = False,
    timeout: Timeout = None,
    yes: Yes = False,
) -> None:
    """Upload a file of requests and begin a batch of it. The whole file is checked first, and every problem told by its line."""
    labels = _labels(metadata or [])
    _check_timeout(wait, timeout)
    path = Path(file)
    if path.exists() or not file.startswith("file-"):
        if not yes:
            _agree(cli, path)
        file = str(files.send(cli, path, "batch")["id"])
        cli.out.say(f"{path.name}: uploaded as {file}")
    body = {"input_file_id": file, "endpoint": endpoint, "completion_window": window, "metadata": labels or None}
    flags = {"input_file_id": "FILE", "endpoint": "--endpoint", "completion_window": "--window", "metadata": "--metadata"}
    with naming(flags):
        made = cli.api.post("/v1/batches", body)
    _follow(cli, made, wait, timeout)


def _agree(cli: Cli, path: Path) -> None:
    with open_file(path) as opened:
        count = sum(1 for _ in opened)
    cli.out.say(
        f"{path.name} has {count:,} lines. What is charged is the time of the deployments that answer them;"
        " one that is scaled to zero is woken."
    )
    if not cli.out.confirm("Go on?"):
        raise CliError("Nothing was started.", ERROR)


def _labels(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        name, sign, text = one.partition("=")
        if not name or not sign:
            raise CliError(f"--metadata: '{one}' is not NAME=TEXT.", USAGE)
        found[name] = text
    return found


@app.command("list")
@remote
def list_(cli: Cli, limit: Limit = 20) -> None:
    """List batches, the newest first."""
    found = cli.api.all("/v1/batches", limit)
    shown = found if cli.out.as_json else [_plain(row) for row in found]
    cli.out.table(shown, COLUMNS, "No batches yet: `burnish batch create FILE`.")


@app.command("show")
@remote
def show(cli: Cli, batch: BatchId) -> None:
    """Show one batch, and what is wrong with its file by line."""
    found = cli.api.get(f"/v1/batches/{batch}")
    _show(cli, found)
    if not cli.out.as_json:
        for problem in batch_watch.problems(found):
            cli.out.text(problem)


@app.command("wait")
@remote
def wait_(cli: Cli, batch: BatchId, timeout: Timeout = None) -> None:
    """Wait until a batch has ended. Exit code 3 where it failed, expired or was cancelled; Ctrl-C leaves it running."""
    _ended(cli, batch, timeout)


@app.command("cancel")
@remote
def cancel(cli: Cli, batch: BatchId) -> None:
    """Cancel a batch: no more of it is asked, and what was answered is kept."""
    _show(cli, cli.api.post(f"/v1/batches/{batch}/cancel"))


@app.command("retry")
@remote
def retry(cli: Cli, batch: BatchId, wait: Wait = False, timeout: Timeout = None) -> None:
    """Begin a batch of just the lines of another that failed, once that has ended."""
    _check_timeout(wait, timeout)
    _follow(cli, cli.api.post(f"/v1/batches/{batch}/retry", patient=True), wait, timeout)


@app.command("download")
@remote
def download(
    cli: Cli,
    batch: BatchId,
    errors: Annotated[bool, typer.Option("--errors", help="The lines that failed, or all problems of its file.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="What there is so far, of one that has not ended.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; BATCH_output.jsonl or BATCH_errors.jsonl else."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Download the answers of a batch, or with --errors what failed, in the order of its input."""
    found, part = cli.api.get(f"/v1/batches/{batch}"), "errors" if errors else "output"
    if found["status"] not in batch_watch.ENDED:
        if not partial:
            message = f"{batch} is {found['status']}: its files are written when it has ended."
            raise CliError(message, ERROR, hint="--partial downloads what there is so far.")
    elif found["error_file_id" if errors else "output_file_id"] is None:
        raise CliError(f"No line of {batch} failed." if errors else f"No line of {batch} was answered.", NOT_FOUND)
    target = output or Path(f"{batch}_{part}.jsonl")
    saving.fetch(cli, "--output", target, f"/v1/batches/{batch}/{part}", force=force)


def _check_timeout(wait: bool, timeout: float | None) -> None:
    if timeout is not None and not wait:
        raise CliError("--timeout bounds --wait, which is not given.", USAGE)


def _follow(cli: Cli, made: Json, wait: bool, timeout: float | None) -> None:
    if wait:
        cli.out.say(f"{made['id']} is begun. Ctrl-C detaches; the batch goes on.")
        _ended(cli, made["id"], timeout)
    else:
        _show(cli, made)
        cli.out.say(f"Follow it with `burnish batch wait {made['id']}`.")


def _ended(cli: Cli, batch_id: str, timeout: float | None) -> None:
    found = batch_watch.wait(cli, batch_id, timeout)
    _show(cli, found)
    batch_watch.check_completed(found)
    counts = found["request_counts"]
    if counts["failed"]:
        cli.out.say(
            f"{counts['failed']} of {counts['total']} lines failed: `burnish batch download {batch_id} --errors` says why,"
            f" `burnish batch retry {batch_id}` tries them again.",
            style="yellow",
        )
    if counts["completed"]:
        cli.out.say(f"Get the answers with `burnish batch download {batch_id}`.")


def _show(cli: Cli, found: Json) -> None:
    cli.out.show(found if cli.out.as_json else _plain(found), FIELDS)


def _plain(found: Json) -> Json:
    """Return a batch as a person reads it, in one level."""
    counts, usage = found["request_counts"], found["usage"]
    flat = {"lines": counts["total"], "completed": counts["completed"], "failed": counts["failed"]}
    tokens = {"input_tokens": usage["input_tokens"], "output_tokens": usage["output_tokens"]}
    return readable({**found, **flat, **tokens}, (*MOMENTS, "expires_at"))
