"""What is downloaded goes beside its place first, with a progress bar, and is moved there once it is whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from burnish.cli.client import Advance
from burnish.cli.command import Cli
from burnish.cli.exits import ERROR, USAGE, CliError

Start = Callable[[int | None], Advance]


def save(cli: Cli, option: str, target: Path, fetch: Callable[[BinaryIO, Start], None], *, force: bool) -> None:
    """Fetch a file beside its place and move it there once it is whole."""
    if target.exists() and not force:
        raise CliError(f"{option}: {target} is there already.", USAGE, hint="--force replaces it.")
    draft = target.with_name(f"{target.name}.part")
    try:
        with draft.open("wb") as file, cli.out.transfer(target.name) as start:
            fetch(file, start)
        size = draft.stat().st_size
        draft.replace(target)
    except OSError as error:
        raise CliError(f"{option}: {target}: {error.strerror}", ERROR) from None
    finally:
        draft.unlink(missing_ok=True)
    if cli.out.as_json:
        cli.out.json({"path": str(target), "size_bytes": size})
    else:
        cli.out.say(f"Saved {target} ({size / 1e6:.1f} MB).")


def fetch(cli: Cli, option: str, target: Path, path: str, *, force: bool, **query: Any) -> None:
    """Save what a path of the platform answers, as it comes."""

    def read(file: BinaryIO, start: Start) -> None:
        with cli.api.stream("GET", path, params=query) as response:
            size = response.headers.get("content-length")
            advance = start(int(size) if size else None)
            for chunk in response.iter_bytes(2**16):
                file.write(chunk)
                advance(len(chunk))

    save(cli, option, target, read, force=force)
