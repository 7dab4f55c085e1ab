"""What a command prints: its data on stdout, all else on stderr; JSON where it was asked for; colour on terminals only."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn
from rich.text import Text

from burnish.cli.exits import CliError

STYLES = {
    "completed": "green", "serving": "green", "running": "cyan", "provisioning": "cyan", "queued": "yellow",
    "unhealthy": "yellow", "failed": "red", "cancelled": "magenta", "stopped": "magenta",
    "validating": "yellow", "in_progress": "cyan", "finalizing": "cyan", "cancelling": "magenta", "expired": "red",
    "ok": "green", "warn": "yellow", "fail": "red",
}  # fmt: skip
# What a terminal would obey: user code writes log lines, and a model writes answers.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Output:
    """Where one command prints. `as_json` turns its data into JSON: one object, or one a line for streams."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._out = Console(highlight=False, soft_wrap=True)

    @property
    def can_draw(self) -> bool:
        """Whether stdout takes characters beyond ASCII."""
        return (self._out.encoding or "").lower().startswith("utf")

    def text(self, line: str = "", *, style: str | None = None, end: str = "\n") -> None:
        """Print a line of data."""
        self._out.print(Text(self._shown(line), style or ""), end=end)

    def json(self, data: Any) -> None:
        """Print one JSON object on one line."""
        sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def say(self, line: str = "", *, style: str | None = None) -> None:
        """Tell something that is not data."""
        self.err.print(Text(CONTROL.sub("", line) if self.err.is_terminal else line, style or ""))

    def show(self, data: Mapping[str, Any], fields: Sequence[str]) -> None:
        """Print one object: all of it as JSON, else the named fields that it has."""
        if self.as_json:
            self.json(data)
            return
        width = max(map(len, fields))
        for field in fields:
            value = data.get(field)
            if value is not None:
                self.text(f"{field:<{width}}  ", end="")
                self.text(cell(value), style=STYLES.get(str(value)))

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
        """Print a list: as one JSON array, else a line a row, aligned."""
        if self.as_json:
            self.json(list(rows))
            return
        if not rows:
            self.say(empty)
            return
        cells = [[cell(row.get(column)) for column in columns] for row in rows]
        widths = [max(len(line[index]) for line in [list(columns), *cells]) for index in range(len(columns))]
        self.text(
            "  ".join(name.upper().ljust(width) for name, width in zip(columns, widths, strict=True)).rstrip(), style="bold"
        )
        for line in cells:
            for text, width in zip(line[:-1], widths, strict=False):
                self.text(text.ljust(width) + "  ", style=STYLES.get(text), end="")
            self.text(line[-1], style=STYLES.get(line[-1]))

    def error(self, error: CliError) -> None:
        """Tell what went wrong, on stderr."""
        if self.as_json:
            about = {"message": error.message, "details": error.details, "hint": error.hint, "exit_code": error.code}
            sys.stderr.write(json.dumps({"error": about}, ensure_ascii=False) + "\n")
            return
        self.say(f"Error: {error.message}", style="red")
        for detail in error.details:
            self.say(f"  {detail}")
        if error.hint:
            self.say(f"Hint: {error.hint}")

    def confirm(self, question: str) -> bool:
        """Ask on stderr; yes where nobody is there to answer."""
        if not (sys.stdin.isatty() and self.err.is_terminal):
            return True
        self.err.print(f"{question} [Y/n] ", end="", markup=False)
        return sys.stdin.readline().lower() in ("\n", "y\n", "yes\n")

    @contextmanager
    def transfer(self, label: str) -> Iterator[Callable[[int | None], Callable[[int], None]]]:
        """Show the progress of an upload or download while the block runs. Yields what begins it, given the size."""
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.err, disable=not self.err.is_terminal) as progress:

            def start(total: int | None) -> Callable[[int], None]:
                task = progress.add_task(label, total=total)
                return lambda count: progress.advance(task, count)

            yield start

    def _shown(self, text: str) -> str:
        return CONTROL.sub("", text) if self._out.is_terminal else text


class Counted:
    """A file that tells how much of it has been read."""

    def __init__(self, file: BinaryIO, advance: Callable[[int], None]) -> None:
        self._file = file
        self._advance = advance

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._advance(len(chunk))
        return chunk

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def fileno(self) -> int:
        return self._file.fileno()


@contextmanager
def counted(out: Output, path: Path, file: BinaryIO) -> Iterator[BinaryIO]:
    """Yield `file`, with a progress bar that its reading moves."""
    with out.transfer(path.name) as start:
        yield cast(BinaryIO, Counted(file, start(path.stat().st_size)))


def cell(value: Any) -> str:
    """Return a value as a table shows it: `-` for what is not known, hardware as `2 x H100-80GB`, times without fractions."""
    if value is None or value == "":
        return "-"
    if isinstance(value, dict) and set(value) == {"type", "count"}:
        return str(value["type"]) if value["count"] == 1 else f"{value['count']} x {value['type']}"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return f"{value:.6g}"
    return re.sub(r"(T\d\d:\d\d:\d\d)\.\d+Z?$", r"\1Z", str(value).replace("\n", " "))
