"""A row of a dataset as a method's trainer reads it: its tokens, and which of them are learned.

The trainers' own code reads it, so that what is shown and counted before a job is what the job learns from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engines.data import rows, rules
from engines.data.rules import Problem
from engines.protocol import ChildFailure
from engines.training import text_rows
from engines.training.prompts import Row, token_ids
from engines.training.text_tokens import Reader

NO_TEMPLATE = "The prompts are message lists, but the base model has no chat template."


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a row. `learned` are spans of `ids`, from and to.

    Of a pair `ids` is the prompt with the chosen answer, and `rejected` the other answer. `length` is what a job's limit is
    compared to: that of the longer answer with the prompt, or of the longest sequence where a template makes several of a row.
    """

    ids: list[int]
    length: int
    learned: tuple[tuple[int, int], ...] = ()
    rejected: tuple[int, ...] = ()


class RowReader:
    """Reads rows for a method by a model's tokenizer. ChildFailure (`dataset_error`) for a row that it cannot read."""

    def __init__(self, method: str, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._reader = Reader(tokenizer)
        readers: Mapping[str, Callable[[int, Mapping[str, Any]], Tokens]] = {"sft": self._example, "dpo": self._pair}
        self._read = readers.get(method, self._prompt)

    def __call__(self, index: int, row: Mapping[str, Any]) -> Tokens:
        """Return the tokens of the row numbered `index`, from 0."""
        try:
            return self._read(index, row)
        except Problem as refused:
            raise text_rows.problem(index, str(refused)) from None

    def _prompt(self, index: int, row: Mapping[str, Any]) -> Tokens:
        prompt = rules.prompt_of(row)
        if not isinstance(prompt, str) and not self._tokenizer.chat_template:
            raise ChildFailure("dataset_error", NO_TEMPLATE)
        ids = token_ids(Row(index, prompt, {}), self._tokenizer)
        return Tokens(ids, len(ids))

    def _example(self, index: int, row: Mapping[str, Any]) -> Tokens:
        rows.sft(row)
        found = self._reader.example(text_rows.example(index, row))
        return Tokens(list(found[-1].ids), max(map(len, found)), found[-1].spans)

    def _pair(self, index: int, row: Mapping[str, Any]) -> Tokens:
        rows.dpo(row)
        (found,) = self._reader.pair(text_rows.pair(index, row))
        ids = [*found.prompt, *found.chosen]
        return Tokens(ids, len(found), ((len(found.prompt), len(ids)),), tuple(found.rejected))
