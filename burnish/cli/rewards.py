"""`burnish rewards`: Python files that score completions."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli import operator, samples
from burnish.cli.client import open_file
from burnish.cli.command import AsJson, Cli, Limit, group, naming, remote, reported
from burnish.cli.exits import ERROR
from burnish.cli.output import Output, counted

FIELDS = ("id", "name", "file_name", "format", "weights", "sha256", "created_at")
COLUMNS = ("id", "name", "format", "created_at")

app = group("Reward functions: Python files that score completions. They run in a jail.")

File = Annotated[Path, typer.Argument(help="A Python file that defines `reward(prompts, completions, **columns)`.")]
Format = Annotated[str, typer.Option("--format", help="How the function is called: trl, miles or verl.")]
Weights = Annotated[
    list[str] | None, typer.Option("--weight", metavar="NAME=FACTOR", help="What a named component counts; 1 by default.")
]
SamplesFile = Annotated[
    Path | None,
    typer.Option("--samples", help="A JSONL file of what to score: `prompt`, `completion` and columns; else made-up ones."),
]
Random = Annotated[
    bool, typer.Option("--allow-nondeterministic", help="Take a function that gives different answers for the same batch.")
]
Id = Annotated[str, typer.Argument(metavar="REWARD", help="Id of the reward function (rf_…).")]


@dataclass(frozen=True)
class Given:
    """What the options say, read and checked."""

    weights: dict[str, float]
    samples: list[dict[str, Any]] | None


def _given(weight: list[str] | None, file: Path | None) -> Given:
    return Given(samples.weights(weight or []), None if file is None else samples.read(file))


@app.command("check")
def check(
    file: File,
    format_: Format = "trl",
    weight: Weights = None,
    samples_file: SamplesFile = None,
    allow_nondeterministic: Random = False,
    as_json: AsJson = False,
) -> None:
    """Test a reward function on this machine, as an upload does, without a platform. Exit code 2 where it would be refused."""
    # Loaded here only: the jail is what no other command needs.
    from burnish.cli import rewardcheck

    out = Output(as_json)
    with reported(out):
        given = _given(weight, samples_file)
        found = rewardcheck.run(
            operator.read_settings(), file, format_, given.weights, given.samples, allow_nondeterministic=allow_nondeterministic
        )
        _warn(out, file.name, found)
        if out.as_json:
            out.json(found)
        elif found["rewards"] is not None:
            samples.show(out, found["rewards"], found["components"])


@app.command("upload")
@remote
def upload(
    cli: Cli,
    file: File,
    name: Annotated[str | None, typer.Option("--name", help="What to call it; the file's name by default.")] = None,
    format_: Format = "trl",
    weight: Weights = None,
    samples_file: SamplesFile = None,
    allow_nondeterministic: Random = False,
) -> None:
    """Upload a reward function. It is tried first; a file that cannot be used is refused with the line."""
    given = _given(weight, samples_file)
    fields = {"name": name or file.stem, "format": format_}
    fields |= {"weights": json.dumps(given.weights)} if given.weights else {}
    fields |= {"samples": json.dumps(given.samples)} if given.samples else {}
    fields |= {"allow_nondeterministic": "true"} if allow_nondeterministic else {}
    flags = {
        "name": "--name",
        "file": str(file),
        "format": "--format",
        "weights": "--weight",
        "samples": "--samples",
    }
    with naming(flags), open_file(file) as opened, counted(cli.out, file, opened) as shown:
        made = cli.api.upload("/v1/reward_functions", fields, file.name, shown)
    _warn(cli.out, file.name, made["trial"] or {})
    cli.out.show(made, FIELDS)


@app.command("test")
@remote
def try_(cli: Cli, reward: Id, samples_file: SamplesFile = None) -> None:
    """Score completions with a stored reward function. Exit code 1 where it does anything wrong."""
    body = {} if samples_file is None else {"samples": samples.read(samples_file)}
    with naming({"samples": "--samples"}):
        tested = cli.api.post(f"/v1/reward_functions/{reward}/test", body)
    if cli.out.as_json:
        cli.out.json(tested)
    else:
        samples.show(cli.out, tested["rewards"], tested["components"])
        for line in tested["stdout"].splitlines():
            cli.out.say(f"printed: {line}")
        for error in tested["errors"]:
            cli.out.say(_told(error), style="red")
    if tested["errors"]:
        raise typer.Exit(ERROR)


@app.command("list")
@remote
def list_(cli: Cli, limit: Limit = 20) -> None:
    """List reward functions, the newest first."""
    found = cli.api.all("/v1/reward_functions", limit)
    cli.out.table(found, COLUMNS, "No reward functions yet: `burnish rewards upload FILE`.")


@app.command("show")
@remote
def show(cli: Cli, reward: Id) -> None:
    """Show one reward function, and on stderr what its test could not cover."""
    found = cli.api.get(f"/v1/reward_functions/{reward}")
    _warn(cli.out, found["file_name"], found["trial"] or {})
    cli.out.show(found, FIELDS)


@app.command("delete")
@remote
def delete(cli: Cli, reward: Id) -> None:
    """Delete a reward function that no job in progress uses."""
    cli.out.show(cli.api.delete(f"/v1/reward_functions/{reward}"), ("id", "deleted"))


def _told(error: dict[str, Any]) -> str:
    which = "" if error["sample"] is None else f"sample {error['sample']}: "
    where = error["file"] if error["line"] is None else f"{error['file']}, line {error['line']}"
    return f"{which}{where}: {error['message']}"


def _warn(out: Output, file: str, trial: dict[str, Any]) -> None:
    for warning in trial.get("warnings", ()):
        where = file if warning["line"] is None else f"{file}, line {warning['line']}"
        out.say(f"Warning: {where}: {warning['message']}", style="yellow")
