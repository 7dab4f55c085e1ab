"""What the commands share: the options that all of them have, and the platform that they talk to."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Concatenate, ParamSpec

import typer

from burnish.cli import connection
from burnish.cli.client import Api
from burnish.cli.exits import INTERRUPTED, ApiError, CliError
from burnish.cli.output import Output

P = ParamSpec("P")

BaseUrl = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="URL of the platform, before settings and environment.")
]
ApiKey = Annotated[str | None, typer.Option("--api-key", metavar="KEY", help="API key, before settings and environment.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one object, or one a line for streams.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before something that costs.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Show at most this many, the newest first.")]

COMMON = {"base_url": BaseUrl, "api_key": ApiKey, "as_json": AsJson}
DEFAULTS = {"base_url": None, "api_key": None, "as_json": False}


@dataclass
class Cli:
    """One run of a command: the API it talks to, and where it prints."""

    api: Api
    out: Output


def remote(command: Callable[Concatenate[Cli, P], None]) -> Callable[..., None]:
    """Turn a function of a `Cli` into a command that has the options of every command that talks to a platform."""

    @functools.wraps(command)
    def run(*args: P.args, **given: P.kwargs) -> None:
        base_url, api_key, as_json = (given.pop(name) for name in COMMON)
        out = Output(bool(as_json))
        with reported(out), Api(connection.resolve(_text(base_url), _text(api_key))) as api:
            command(Cli(api, out), *args, **given)

    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    kind = inspect.Parameter.KEYWORD_ONLY
    common = [inspect.Parameter(name, kind, default=DEFAULTS[name], annotation=annotation) for name, annotation in COMMON.items()]
    parameters = [parameter.replace(kind=kind) for parameter in own] + common
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


@contextmanager
def reported(out: Output) -> Iterator[None]:
    """End the command with the code of a CliError, told on stderr; an interruption ends it with 130."""
    try:
        yield
    except CliError as error:
        out.error(error)
        raise typer.Exit(error.code) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def naming(flags: Mapping[str, str]) -> Iterator[None]:
    """Put the flag or argument in front of what the platform says of a field."""
    try:
        yield
    except ApiError as error:
        flag = flags.get((error.param or "").partition(".")[0])
        if flag:
            error.message = f"{flag}: {error.message}"
        raise


def group(help: str) -> typer.Typer:
    """Return an empty group of commands, which prints its help where no command follows."""
    return typer.Typer(help=help, no_args_is_help=True)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
