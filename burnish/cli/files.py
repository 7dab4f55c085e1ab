"""`burnish files`: what batches read and write."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import completing, durations, saving
from burnish.cli.client import Json, open_file
from burnish.cli.command import Cli, Limit, group, naming, remote
from burnish.cli.output import counted
from burnish.cli.times import readable

FIELDS = ("id", "filename", "purpose", "bytes", "created_at", "expires_at")
PURPOSES = ("batch", "fine-tune", "user_data", "evals")
TIMES = ("created_at", "expires_at")

app = group("Files: the requests of batches, and what batches have written.")
FileId = Annotated[str, typer.Argument(metavar="FILE", help="Id of the file (file-…).", autocompletion=completing.files)]


@app.command("list")
@remote
def list_(
    cli: Cli,
    purpose: Annotated[
        str | None,
        typer.Option(
            "--purpose",
            help="Only those for this: batch, batch_output, fine-tune, user_data or evals.",
            autocompletion=completing.words(*PURPOSES, "batch_output"),
        ),
    ] = None,
    limit: Limit = 20,
) -> None:
    """List files, the newest first."""
    with naming({"purpose": "--purpose"}):
        found = cli.api.all("/v1/files", limit, purpose=purpose)
    shown = found if cli.out.as_json else [readable(row, TIMES) for row in found]
    cli.out.table(shown, FIELDS, "No files yet: `burnish files upload FILE`.")


@app.command("show")
@remote
def show(cli: Cli, file: FileId) -> None:
    """Show one file."""
    _show(cli, cli.api.get(f"/v1/files/{file}"))


@app.command("upload")
@remote
def upload(
    cli: Cli,
    file: Annotated[Path, typer.Argument(help="The file; for a batch, JSONL with a request a line.")],
    purpose: Annotated[
        str,
        typer.Option(
            "--purpose", help="What it is for: batch, fine-tune, user_data or evals.", autocompletion=completing.words(*PURPOSES)
        ),
    ] = "batch",
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="TIME", help="Have it deleted by itself after this long: 1h to 30d; never by default."),
    ] = None,
) -> None:
    """Upload a file. What it holds is checked when a batch is made of it."""
    _show(cli, send(cli, file, purpose, None if expires is None else durations.seconds(expires, "--expires")))


def send(cli: Cli, file: Path, purpose: str, expires_s: int | None = None) -> Json:
    """Upload a file with a progress bar; it is read while it is sent."""
    fields = {"purpose": purpose}
    if expires_s is not None:
        fields |= {"expires_after[anchor]": "created_at", "expires_after[seconds]": str(expires_s)}
    flags = {"purpose": "--purpose", "expires_after": "--expires", "file": str(file)}
    with naming(flags), open_file(file) as opened, counted(cli.out, file, opened) as shown:
        return cli.api.upload("/v1/files", fields, file.name, shown)


@app.command("download")
@remote
def download(
    cli: Cli,
    file: FileId,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; its own name by default.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Download a file."""
    found = cli.api.get(f"/v1/files/{file}")
    # What a file is called is its maker's own: nothing of it but a plain name is a place on this machine.
    target = output or Path(Path(found["filename"]).name or file)
    saving.fetch(cli, "--output", target, f"/v1/files/{file}/content", force=force)


@app.command("delete")
@remote
def delete(cli: Cli, file: FileId) -> None:
    """Delete a file. Refused while a batch that has not ended needs it."""
    gone = cli.api.delete(f"/v1/files/{file}")
    if cli.out.as_json:
        cli.out.json(gone)
    else:
        cli.out.say(f"{file} is deleted.")


def _show(cli: Cli, found: Json) -> None:
    cli.out.show(found if cli.out.as_json else readable(found, TIMES), FIELDS)
