"""Checking a JSONL dataset line by line, in constant memory, and naming every problem by its line."""

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_PROBLEMS = 20
MAX_DEPTH = 64
ROLES = ("system", "user", "assistant", "tool", "developer")


@dataclass
class Report:
    """What a file holds. `problems` are the first 20, each `{"line", "message"}`; a file with any is not a dataset."""

    num_rows: int = 0
    size_bytes: int = 0
    sha256: str = ""
    columns: dict[str, None] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)


class _Problem(Exception):
    pass


def inspect(path: Path, *, max_line_bytes: int) -> Report:
    """Read a whole file. It never raises for what is in it."""
    report, digest, ids = Report(), hashlib.sha256(), dict[Any, int]()
    with path.open("rb") as file:
        number = 0
        while len(report.problems) < MAX_PROBLEMS and (line := file.readline(max_line_bytes + 2)):
            number += 1
            digest.update(line)
            report.size_bytes += len(line)
            if len(line.rstrip(b"\r\n")) > max_line_bytes:
                report.problems.append({"line": number, "message": f"longer than {max_line_bytes} bytes"})
                return report
            try:
                _take(line, number, report, ids)
            except _Problem as problem:
                report.problems.append({"line": number, "message": str(problem)})
    if not report.num_rows and not report.problems:
        report.problems.append({"line": 1, "message": "the file holds no rows"})
    report.sha256 = digest.hexdigest()
    return report


def _take(line: bytes, number: int, report: Report, ids: dict[Any, int]) -> None:
    if not line.strip():
        return
    row = _parse(line, first=number == 1)
    _check_prompt(row)
    key = row.get("id")
    if isinstance(key, (str, int)):
        if key in ids:
            raise _Problem(f"id {json.dumps(key)} was used on line {ids[key]} already")
        ids[key] = number
    report.num_rows += 1
    report.columns.update(dict.fromkeys(row))


def _parse(line: bytes, *, first: bool) -> dict[str, Any]:
    try:
        text = line.rstrip(b"\r\n").decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        raise _Problem(f"not UTF-8 at byte {error.start}") from None
    try:
        row = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise _Problem(f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}") from None
    except RecursionError:
        raise _Problem(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise _Problem(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise _Problem("a row is a JSON object")
    _check_value(row, 0)
    return row


def _check_prompt(row: dict[str, Any]) -> None:
    if "prompt" not in row:
        raise _Problem("no 'prompt'")
    prompt = row["prompt"]
    if isinstance(prompt, str):
        if not prompt.strip():
            raise _Problem("'prompt' is empty")
        return
    if not isinstance(prompt, list) or not prompt:
        raise _Problem("'prompt' is a text or a list of messages")
    for index, message in enumerate(prompt):
        if (
            not isinstance(message, dict)
            or message.get("role") not in ROLES
            or not isinstance(message.get("content"), (str, list))
        ):
            raise _Problem(f"'prompt[{index}]' is not a message {{role, content}} with a role of {', '.join(ROLES)}")


def _check_value(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _Problem(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if "\x00" in value:
            raise _Problem("holds a NUL character")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _Problem("holds half of a surrogate pair") from None
    elif isinstance(value, float) and not math.isfinite(value):
        raise _Problem("holds a number too large for JSON")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_value(key, depth + 1)
            _check_value(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_value(item, depth + 1)


def _refuse_constant(name: str) -> float:
    raise _Problem(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Problem(f"the key {json.dumps(key)} stands twice")
            seen.add(key)
    return made
