"""Secrets that a command takes: from a file, from standard input or typed unseen, never as an argument, which all can see."""

import sys
from pathlib import Path

from burnish.cli.exits import USAGE, CliError
from burnish.cli.output import Output

MAX_BYTES = 64 * 1024


def secret(out: Output, what: str, file: Path | None) -> str:
    """Return a secret without the space around it; CliError (`USAGE`) where none was given."""
    text = read(file) if file is not None else _typed(out, what)
    if not text.strip():
        raise CliError(f"No {what} was given.", USAGE)
    return text.strip()


def read(file: Path) -> str:
    """Return the text of a file, `-` for standard input; CliError where it cannot be read."""
    if str(file) == "-":
        return sys.stdin.read(MAX_BYTES)
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES).decode()
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CliError(f"{file} is no text.") from None


def _typed(out: Output, what: str) -> str:
    return out.err.input(f"{what}: ", password=True) if sys.stdin.isatty() else sys.stdin.read(MAX_BYTES)
