"""Which tasks of its environments a job trains on, and what of the dataset goes with them.

A row names its task by `task_index`, its place in a split, or by `task`, an object that spells it out; `environment` and `split`
say where, and may be left out where the job has only one. A dataset that names no task stands for every task of the splits.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from engines.protocol import ChildFailure
from engines.rewards.episode import Task
from engines.training.prompts import Messages, Row

NAMED = ("task_index", "task")

Counts = Mapping[tuple[str, str], int]


def choose(rows: Sequence[Row], splits: Mapping[str, Sequence[str]], counts: Counts) -> list[Row]:
    """Return a row for each task to train on, with the task as its column `task`; `dataset_error` naming the line that is wrong.

    `splits` are those of each environment, `counts` how many tasks each has. A row that the dataset chose keeps its index and its
    prompt, as messages; one that stands for itself has no prompt of its own.
    """
    if not names_tasks(rows):
        return _every(counts)
    return [Row(row.index, _opening(row.prompt), {"task": _task(row, splits, counts)}) for row in rows]


def names_tasks(rows: Sequence[Row]) -> bool:
    return any(name in row.columns for row in rows for name in NAMED)


def _every(counts: Counts) -> list[Row]:
    tasks = [Task(environment, split, index) for (environment, split), count in counts.items() for index in range(count)]
    if not tasks:
        raise ChildFailure("config_error", "environments: the splits have no tasks.")
    return [Row(number, [], {"task": task}) for number, task in enumerate(tasks)]


def _opening(prompt: str | Messages) -> Messages:
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def _task(row: Row, splits: Mapping[str, Sequence[str]], counts: Counts) -> Task:
    columns = row.columns
    if ("task_index" in columns) == ("task" in columns):
        raise _problem(row, "every row names its task by either task_index or task, as other rows do")
    environment = _one_of(row, "environment", list(splits))
    if "task" in columns:
        if not isinstance(columns["task"], dict):
            raise _problem(row, "task must be an object")
        return Task(environment, spec=columns["task"])
    split, index = _one_of(row, "split", splits[environment]), columns["task_index"]
    count = counts[environment, split]
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        raise _problem(row, f"task_index must be a number from 0 to {count - 1}, as {environment} has {count} tasks in {split}")
    return Task(environment, split, index)


def _one_of(row: Row, column: str, known: Sequence[str]) -> str:
    given: Any = row.columns.get(column, known[0] if len(known) == 1 else None)
    if given not in known:
        raise _problem(row, f"{column} must be one of the job's: {', '.join(known)}")
    return str(given)


def _problem(row: Row, message: str) -> ChildFailure:
    return ChildFailure("dataset_error", f"Line {row.index + 1} of the dataset: {message}.")
