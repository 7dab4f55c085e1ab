"""Rows that a model learns to answer from: examples of SFT and pairs of DPO, as the lines of a dataset have them.

What a line must hold is `engines.data.rows`'; here each becomes what is asked and what is said, and an error names its line. No
tokenizer: a dataset that cannot be used fails before anything is fetched.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from engines.data import rows, rules
from engines.data.rules import Problem
from engines.protocol import ChildFailure
from engines.training.prompts import Messages, Row

Tools = list[dict[str, Any]]
T = TypeVar("T", bound="Example | Pair")

# Of a text without a prompt so much is asked of the trained model, to be compared with what its replicas say.
ASKED_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Example:
    """One line of an SFT dataset; `index` counts from 0.

    `asked` and `said` are both texts or both messages. Of a `text` row nothing is asked, nor of a `messages` row, in which the
    assistant's turns are learned wherever they stand.
    """

    index: int
    asked: str | Messages
    said: str | Messages
    tools: Tools | None = None

    @property
    def prompt(self) -> Row | None:
        """What the trained model can be asked: what comes before the last answer."""
        if isinstance(self.asked, str):
            return Row(self.index, self.asked or str(self.said)[:ASKED_CHARACTERS], {})
        messages = [*self.asked, *self.said]
        last = max(at for at, message in enumerate(messages) if message["role"] == "assistant")
        return Row(self.index, messages[:last], {}) if last and self.tools is None else None


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of a DPO dataset: two answers to one prompt, all texts or all messages."""

    index: int
    asked: str | Messages
    chosen: str | Messages
    rejected: str | Messages
    tools: Tools | None = None

    @property
    def teaches(self) -> bool:
        """Whether the answers differ: a pair of equal ones has no gradient."""
        return self.chosen != self.rejected

    @property
    def prompt(self) -> Row | None:
        """What the trained model can be asked."""
        return Row(self.index, self.asked, {}) if self.tools is None else None


def examples(path: Path) -> list[Example]:
    """Return every row of an SFT dataset; `dataset_error` names the first line that cannot be used."""
    return _read(path, rows.sft, _example)


def pairs(path: Path) -> list[Pair]:
    """Return every row of a DPO dataset; `dataset_error` names the first line that cannot be used."""
    return _read(path, rows.dpo, _pair)


def problem(index: int, message: str) -> ChildFailure:
    """Return what a user is told of a line that cannot be used."""
    return ChildFailure("dataset_error", f"Line {index + 1} of the dataset: {message}.")


def _read(path: Path, form_of: Callable[[Any], str], make: Callable[[int, dict[str, Any]], T]) -> list[T]:
    found: list[T] = []
    first: str | None = None
    for index, line in _lines(path):
        try:
            row = rules.parse(line, first=index == 0)
            form = form_of(row)
            first = form if first is None else first
            if form != first:
                raise Problem(f"it has {form}, and the rows before it have {first}")
            found.append(make(index, row))
        except Problem as refused:
            raise problem(index, str(refused)) from refused
    if not found:
        raise ChildFailure("dataset_error", "The dataset has no rows.")
    return found


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as lines:
        for index, line in enumerate(lines):
            if line.strip():
                yield index, line


def _example(index: int, row: dict[str, Any]) -> Example:
    tools = _tools(row)
    if row.get("messages") is not None:
        return Example(index, [], row["messages"], tools)
    if row.get("completion") is not None:
        return Example(index, row["prompt"], row["completion"], tools)
    return Example(index, "", row["text"], tools)


def _pair(index: int, row: dict[str, Any]) -> Pair:
    return Pair(index, row["prompt"], row["chosen"], row["rejected"], _tools(row))


def _tools(row: dict[str, Any]) -> Tools | None:
    """Return the tools that the conversation may call, which the chat template is given; as a list or as the JSON of one."""
    tools = row.get("tools")
    if isinstance(tools, str):
        try:
            tools = json.loads(tools)
        except ValueError:
            raise Problem("'tools' is not JSON") from None
    if not tools:
        return None
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise Problem("'tools' is a list of objects")
    return tools
