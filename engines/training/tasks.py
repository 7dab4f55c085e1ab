"""Which tasks of its environments a job trains on, and what of the dataset goes with them.

A row names its task by `task_index`, its place in a split, or by `task`, an object that spells it out; `environment` and `split`
say where, and may be left out where the job has only one. A dataset that names no task stands for every task of the splits.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engines.protocol import ChildFailure
from engines.rewards.episode import Task
from engines.training.prompts import Messages, Row

NAMED = ("task_index", "task")

# The number of a line, from 0, and the object on it.
Line = tuple[int, dict[str, Any]]
Counts = Mapping[tuple[str, str], int]


def read_lines(path: Path) -> list[Line]:
    """Return the objects of a dataset; `dataset_error` naming the first line that is none. They need no prompt."""
    with path.open(encoding="utf-8") as lines:
        return list(_objects(lines))


def _objects(lines: Iterator[str]) -> Iterator[Line]:
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise _problem(number, f"not JSON: {error}") from error
        if not isinstance(value, dict):
            raise _problem(number, "not a JSON object")
        yield number, value


def names_tasks(lines: Sequence[Line]) -> bool:
    return any(name in row for _, row in lines for name in NAMED)


def choose(lines: Sequence[Line], splits: Mapping[str, Sequence[str]], counts: Counts) -> list[Row]:
    """Return a row for each task to train on, with the task as its column `task`; `dataset_error` naming the line that is wrong.

    `splits` are those of each environment, `counts` how many tasks each has. A row that the dataset chose keeps its number and
    its prompt, as messages; one that stands for itself has no prompt of its own.
    """
    if not names_tasks(lines):
        return _every(counts)
    return [Row(number, _opening(number, row), {"task": _task(number, row, splits, counts)}) for number, row in lines]


def _every(counts: Counts) -> list[Row]:
    tasks = [Task(environment, split, index) for (environment, split), count in counts.items() for index in range(count)]
    if not tasks:
        raise ChildFailure("config_error", "environments: the splits have no tasks.")
    return [Row(number, [], {"task": task}) for number, task in enumerate(tasks)]


def _opening(number: int, row: Mapping[str, Any]) -> Messages:
    prompt = row.get("prompt") or []
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    if not isinstance(prompt, list) or not all(isinstance(part, dict) and _is_message(part) for part in prompt):
        raise _problem(number, "prompt must be a text or a list of messages with role and content")
    return prompt


def _is_message(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("role"), str) and isinstance(part.get("content"), str)


def _task(number: int, row: Mapping[str, Any], splits: Mapping[str, Sequence[str]], counts: Counts) -> Task:
    if ("task_index" in row) == ("task" in row):
        raise _problem(number, "a row names its task by either task_index or task, as others here do")
    environment = _one_of(number, row, "environment", list(splits))
    if "task" in row:
        if not isinstance(row["task"], dict):
            raise _problem(number, "task must be an object")
        return Task(environment, spec=row["task"])
    split, index = _one_of(number, row, "split", splits[environment]), row["task_index"]
    count = counts[environment, split]
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        message = f"task_index must be a number of a task, and {environment} has {count} in {split}, counted from 0"
        raise _problem(number, message)
    return Task(environment, split, index)


def _one_of(number: int, row: Mapping[str, Any], column: str, known: Sequence[str]) -> str:
    given: Any = row.get(column, known[0] if len(known) == 1 else None)
    if given not in known:
        raise _problem(number, f"{column} must be one of the job's: {', '.join(known)}")
    return str(given)


def _problem(number: int, message: str) -> ChildFailure:
    return ChildFailure("dataset_error", f"Line {number + 1} of the dataset: {message}.")
