"""The dataset as the trainer sees it: rows read from JSONL, and prompts that fit the model.

Rows stay plain Python objects and never pass through a columnar table, which would unify their types and fill gaps with nulls:
the reward sees exactly what the user uploaded.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engines.data import rows as row_rules
from engines.data.rules import Problem
from engines.protocol import ChildFailure

Messages = list[dict[str, Any]]

# The reward's own arguments, which a column of the same name would collide with.
RESERVED = frozenset({"prompt", "prompts", "completion", "completions", "completion_ids"})
NAMED_ROWS_MAX = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the dataset; `index` counts from 0. `columns` is everything but the prompt."""

    index: int
    prompt: str | Messages
    columns: Mapping[str, Any]


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that is used here."""

    chat_template: Any

    def __call__(self, text: str) -> Mapping[str, Any]: ...

    def apply_chat_template(self, conversation: Any, **kwargs: Any) -> Any: ...


def read_rows(path: Path) -> list[Row]:
    """Return every row; `dataset_error` names the first line that cannot be used."""
    rows = list(_rows(path))
    if not rows:
        raise ChildFailure("dataset_error", "The dataset has no rows.")
    kind = type(rows[0].prompt)
    for row in rows:
        if type(row.prompt) is not kind:
            raise _problem(row.index, "its prompt and that of line 1 must both be text or both be message lists")
    return rows


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as lines:
        for index, line in enumerate(lines):
            if line.strip():
                yield _row(index, line)


def _row(index: int, line: str) -> Row:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise _problem(index, f"not JSON: {error}") from error
    if not isinstance(record, dict):
        raise _problem(index, "not a JSON object")
    try:
        row_rules.grpo(record)
    except Problem as refused:
        raise _problem(index, str(refused)) from None
    return Row(index, record["prompt"], _columns(record))


def _columns(record: dict[str, Any]) -> dict[str, Any]:
    """Return the columns; a verl row also gets its ground truth as a column of its own."""
    columns = {key: value for key, value in record.items() if key not in RESERVED}
    reward_model = columns.get("reward_model")
    if isinstance(reward_model, dict) and "ground_truth" in reward_model:
        columns.setdefault("ground_truth", reward_model["ground_truth"])
    return columns


def _problem(index: int, message: str) -> ChildFailure:
    return ChildFailure("dataset_error", f"Line {index + 1} of the dataset: {message}.")


def columns_of(rows: list[Row]) -> dict[str, list[Any]]:
    """Return one list per column that any row has; a row without it contributes None."""
    names = {name: None for row in rows for name in row.columns}
    return {name: [row.columns.get(name) for row in rows] for name in names}


def count_tokens(row: Row, tokenizer: Tokenizer) -> int:
    """Return the length of the prompt as the model reads it, chat template included."""
    return len(token_ids(row, tokenizer))


def token_ids(row: Row, tokenizer: Tokenizer) -> list[int]:
    """Return the prompt as the model reads it, chat template included."""
    if isinstance(row.prompt, str):
        return list(tokenizer(row.prompt)["input_ids"])
    try:
        encoded = tokenizer.apply_chat_template(row.prompt, add_generation_prompt=True, tokenize=True, return_dict=True)
    except Exception as error:  # The template is the model's own code and raises what it likes.
        raise _problem(row.index, f"the model's chat template refuses the prompt: {error}") from error
    return list(encoded["input_ids"])


class Numbered(Protocol):
    """A row with its number in the dataset, from 0."""

    @property
    def index(self) -> int: ...


def left_out(rows: Sequence[Numbered], total: int, what: str) -> str | None:
    """Return the line that names the rows left out, `what` they are; None where there are none."""
    if not rows:
        return None
    lines = ", ".join(str(row.index + 1) for row in rows[:NAMED_ROWS_MAX])
    more = ", …" if len(rows) > NAMED_ROWS_MAX else ""
    return f"left out {len(rows)} of {total} {what}: line {lines}{more}"


@dataclass(frozen=True, slots=True)
class Fitted:
    """The rows within the token limit, the length of the longest, and those that were too long."""

    rows: list[Row]
    longest: int
    too_long: list[Row]

    def notice(self, limit: int) -> str | None:
        """Return what the user must know about the rows left out."""
        total = len(self.rows) + len(self.too_long)
        return left_out(self.too_long, total, f"prompts longer than {limit} tokens")


def fit(rows: list[Row], tokenizer: Tokenizer, limit: int) -> Fitted:
    """Split the rows by the token limit; `dataset_error` where nothing remains or the model cannot read messages."""
    if not isinstance(rows[0].prompt, str) and not tokenizer.chat_template:
        raise ChildFailure("dataset_error", "The prompts are message lists, but the base model has no chat template.")
    lengths = [count_tokens(row, tokenizer) for row in rows]
    kept = [row for row, length in zip(rows, lengths, strict=True) if length <= limit]
    too_long = [row for row, length in zip(rows, lengths, strict=True) if length > limit]
    if not kept:
        shortest = min(lengths)
        raise ChildFailure(
            "dataset_error",
            f"Every prompt is longer than max_prompt_length ({limit} tokens); the shortest has {shortest}.",
        )
    return Fitted(kept, max(length for length in lengths if length <= limit), too_long)
