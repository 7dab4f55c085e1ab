"""Rows that a model learns to answer from: examples of SFT and pairs of DPO, as the lines of a dataset have them.

What a line must hold is `engines.data.rows`'; here each becomes what is asked and what is said, and an error names its line. No
tokenizer: a dataset that cannot be used fails before anything is fetched.
"""

from collections.abc import Callable, Iterator, Mapping
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
    return _read(path, rows.sft, example)


def pairs(path: Path) -> list[Pair]:
    """Return every row of a DPO dataset; `dataset_error` names the first line that cannot be used."""
    return _read(path, rows.dpo, pair)


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


def example(index: int, row: Mapping[str, Any]) -> Example:
    """Return a row that `rows.sft` takes. Only a conversation has tools: a text has no template that could be given them."""
    if row.get("messages") is not None:
        return Example(index, [], row["messages"], rows.tools_of(row))
    if row.get("completion") is not None:
        return Example(index, row["prompt"], row["completion"], _tools_beside(row["prompt"], row))
    return Example(index, "", row["text"])


def pair(index: int, row: Mapping[str, Any]) -> Pair:
    """Return a row that `rows.dpo` takes."""
    return Pair(index, row["prompt"], row["chosen"], row["rejected"], _tools_beside(row["prompt"], row))


def _tools_beside(prompt: str | Messages, row: Mapping[str, Any]) -> Tools | None:
    return None if isinstance(prompt, str) else rows.tools_of(row)
