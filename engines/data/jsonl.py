"""Checking a JSONL dataset line by line, in constant memory, and naming every problem by its line."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from engines.data import rows, rules
from engines.data.fits import MAX_PROBLEMS, Fits
from engines.data.rules import Problem
from engines.data.seen import Seen

MAX_COLUMNS = 1000
# Of so many ids a problem can say the id itself, and not only where it stood before.
NAMED_IDS = 100_000
NAMED_ID_CHARS = 200
PIECE = 2**20
TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object", type(None): "null"}

# Looks at a row and its line.
Check = Callable[[dict[str, Any], int], None]


@dataclass
class Report:
    """What a file holds. `problems` are the first 20, each `{"line", "message"}`; a file with any is not a dataset.

    `columns` holds how often each type occurs in a column, in order of appearance. `duplicate_prompts` counts the rows whose
    prompt stood on an earlier line; a row without one is compared by its messages or its text. `methods` holds for each method
    how many rows serve it and what is wrong with the first others (`fits`), `clips` what the clips of an archive are
    (`clip_counts`).
    """

    num_rows: int = 0
    size_bytes: int = 0
    sha256: str = ""
    columns: dict[str, dict[str, int]] = field(default_factory=dict)
    duplicate_prompts: int = 0
    video_rows: int = 0
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    clips: dict[str, Any] | None = None
    problems: list[dict[str, Any]] = field(default_factory=list)

    @property
    def statistics(self) -> dict[str, Any]:
        """Return what was counted, as JSON."""
        columns = [
            {"name": name, "types": dict(sorted(types.items())), "missing": self.num_rows - sum(types.values())}
            for name, types in self.columns.items()
        ]
        return {
            "duplicate_prompts": self.duplicate_prompts,
            "video_rows": self.video_rows,
            "columns": columns,
            "methods": self.methods,
            "clips": self.clips,
        }


class Checker:
    """Takes a file's lines one by one. `also` looks at each row of an archive, and raises Problem for what it finds.

    What does not fit into memory goes to a folder in `scratch`; `finish` or `close` removes it.
    """

    def __init__(self, *, max_line_bytes: int, scratch: Path | None = None, also: Check | None = None) -> None:
        self.report = Report()
        self.max_line_bytes = max_line_bytes
        self._also = also
        self._digest = hashlib.sha256()
        self._number = 0
        self._named: dict[str | int, int] = {}
        self._ids = Seen(scratch)
        self._prompts = Seen(scratch)
        self._fits = Fits()

    @property
    def is_full(self) -> bool:
        """Whether there are as many problems as are told."""
        return len(self.report.problems) >= MAX_PROBLEMS

    def count(self, data: bytes) -> None:
        """Count bytes of the file towards its size and hash."""
        self._digest.update(data)
        self.report.size_bytes += len(data)

    def take(self, line: bytes | None) -> None:
        """Check the next line; None for one that is too long to be held."""
        self._number += 1
        try:
            if line is None or len(line.rstrip(b"\r\n")) > self.max_line_bytes:
                raise Problem(f"longer than {self.max_line_bytes} bytes")
            if line.strip():
                self._take(rules.parse(line, first=self._number == 1))
        except Problem as problem:
            self.report.problems.append({"line": self._number, "message": str(problem)})

    def refuse(self, message: str) -> None:
        """Count a row that could not even be made a line."""
        self._number += 1
        self.report.problems.append({"line": self._number, "message": message})

    def finish(self) -> Report:
        """Return the report once all lines have been taken."""
        report = self.report
        if not report.num_rows and not report.problems:
            report.problems.append({"line": 1, "message": "the file holds no rows"})
        told = {problem["line"] for problem in report.problems}
        _, repeated = self._ids.repeated(MAX_PROBLEMS + len(told))
        report.problems += [
            {"line": line, "message": f"its id was used on line {before} already"}
            for line, before in repeated
            if line not in told
        ]
        report.problems = sorted(report.problems, key=lambda problem: int(problem["line"]))[:MAX_PROBLEMS]
        report.duplicate_prompts, _ = self._prompts.repeated(0)
        report.methods = self._fits.counted
        report.sha256 = self._digest.hexdigest()
        self.close()
        return report

    def close(self) -> None:
        self._ids.close()
        self._prompts.close()

    def _take(self, row: dict[str, Any]) -> None:
        forms = rows.forms_of(row, archived=self._also is not None)
        refusal = rows.refusal(row, forms)
        if refusal is not None:
            raise refusal
        if self._also is not None:
            self._also(row, self._number)
        self._check_id(row.get("id"))
        self._count_columns(row)
        self._fits.take(forms, self._number)
        subject = rows.subject_of(row, forms)
        text = subject if isinstance(subject, str) else json.dumps(subject)
        self._prompts.add(text.encode(errors="surrogatepass"), self._number)
        self.report.num_rows += 1
        self.report.video_rows += rules.video_of(row) is not None

    def _check_id(self, key: Any) -> None:
        if not isinstance(key, (str, int)):
            return
        self._ids.add(json.dumps(key).encode(), self._number)
        if key in self._named:
            raise Problem(f"id {json.dumps(key)} was used on line {self._named[key]} already")
        if len(self._named) < NAMED_IDS and len(str(key)) <= NAMED_ID_CHARS:
            self._named[key] = self._number

    def _count_columns(self, row: dict[str, Any]) -> None:
        columns = self.report.columns
        for name, value in row.items():
            types = columns.get(name)
            if types is None:
                if len(columns) >= MAX_COLUMNS:
                    raise Problem(f"with it the rows have more than {MAX_COLUMNS} different keys")
                types = columns[name] = {}
            kind = TYPES[type(value)]
            types[kind] = types.get(kind, 0) + 1


def inspect(path: Path, *, max_line_bytes: int, scratch: Path | None = None, also: Check | None = None) -> Report:
    """Read a whole file. It never raises for what is in it."""
    checker = Checker(max_line_bytes=max_line_bytes, scratch=scratch, also=also)
    try:
        with path.open("rb") as file:
            for line in lines(file, checker):
                checker.take(line)
                if checker.is_full:
                    break
        return checker.finish()
    finally:
        checker.close()


def lines(file: BinaryIO, checker: Checker) -> Iterator[bytes | None]:
    """Yield a file's lines, counted; None for each that is longer than the limit, which is read past."""
    most = checker.max_line_bytes + 2
    while line := file.readline(most):
        checker.count(line)
        if len(line) == most and not line.endswith(b"\n"):
            while (rest := file.readline(PIECE)) and not rest.endswith(b"\n"):
                checker.count(rest)
            checker.count(rest)
            yield None
        else:
            yield line
