"""The rows of a dataset as an eval takes them, and what it asks of each, in constant memory.

A row's index is the number of its line from 0, as the trainer and the dataset's own pages count.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from burnish.kit.storage import Storage
from engines.bulk import reading
from engines.data import rules
from engines.protocol import ChildFailure

ENDPOINT = "/v1/chat/completions"
SLICE_ROWS, SLICE_BYTES = 256, 2**20
# What the reward function's own arguments are called: a column of the same name would collide with them.
RESERVED = frozenset({"prompt", "prompts", "completion", "completions", "completion_ids"})
# What a request says of itself, and what an eval says in another way.
OWN = frozenset({"model", "messages", "n", "stream", "stream_options", "system_prompt"})


@dataclass(frozen=True, slots=True)
class Row:
    """A row; `columns` is everything but the prompt, which is a text or a list of messages."""

    index: int
    prompt: Any
    columns: Mapping[str, Any]


async def rows(storage: Storage, key: str, most: int | None = None) -> AsyncGenerator[list[Row], None]:
    """Yield the first `most` rows, some at once; ChildFailure (`dataset_error`) names a line that is none."""
    left = most
    async with aclosing(_slices(storage, key)) as slices:
        async for lines in slices:
            found = (await asyncio.to_thread(_rows, lines))[:left]
            if found:
                yield found
            if left is not None:
                left -= len(found)
                if left <= 0:
                    return


async def _slices(storage: Storage, key: str) -> AsyncGenerator[list[tuple[int, bytes]], None]:
    held: list[tuple[int, bytes]] = []
    size = number = 0
    try:
        async with aclosing(reading.lines(storage, key)) as lines:
            async for offset, line in lines:
                text = reading.content(offset, line)
                if text:
                    held.append((number, text))
                    size += len(text)
                number += 1
                if len(held) >= SLICE_ROWS or size >= SLICE_BYTES:
                    yield held
                    held, size = [], 0
    except FileNotFoundError:
        raise ChildFailure("dataset_error", "The dataset's rows are gone: it was deleted.") from None
    yield held


def _rows(lines: list[tuple[int, bytes]]) -> list[Row]:
    return [_row(number, text) for number, text in lines]


def _row(number: int, text: bytes) -> Row:
    try:
        data = rules.parse(text)
        prompt = rules.prompt_of(data)
    except rules.Problem as problem:
        raise ChildFailure("dataset_error", f"Line {number + 1} of the dataset: {problem}.") from None
    columns = {key: value for key, value in data.items() if key not in RESERVED}
    reward_model = columns.get("reward_model")
    if isinstance(reward_model, dict) and "ground_truth" in reward_model:
        columns.setdefault("ground_truth", reward_model["ground_truth"])
    return Row(number, prompt, columns)


@dataclass(frozen=True)
class Asking:
    """What each row is asked with: `samples` requests, which differ in their seed where one is given."""

    model: str
    generation: Mapping[str, Any]
    samples: int = 1

    def lines(self, row: Row) -> Iterator[bytes]:
        """Yield the lines of a batch's input that ask a row, one at a time: a row may be large, and asked often."""
        body = {"model": self.model, "messages": self._messages(row.prompt)}
        body |= {name: value for name, value in self.generation.items() if name not in OWN and value is not None}
        for sample in range(self.samples):
            yield request(f"{row.index}-{sample}", self._seeded(body, sample))

    def _messages(self, prompt: Any) -> list[Any]:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        system = self.generation.get("system_prompt")
        return [{"role": "system", "content": system}, *messages] if system else messages

    def _seeded(self, body: dict[str, Any], sample: int) -> dict[str, Any]:
        # Asked with one seed, all samples would be the same.
        return {**body, "seed": body["seed"] + sample} if isinstance(body.get("seed"), int) and sample else body


def request(custom_id: str, body: Mapping[str, Any]) -> bytes:
    """Return a line of a batch's input."""
    line = {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body}
    try:
        return orjson.dumps(line) + b"\n"
    except TypeError:
        # A number of more than 64 bits.
        return json.dumps(line).encode() + b"\n"


def item_of(custom_id: str) -> tuple[int, int]:
    """Return the row and the sample that a request asks."""
    index, _, sample = custom_id.partition("-")
    return int(index), int(sample)


def text_of(prompt: Any) -> str:
    """Return a prompt as a reader sees it: a text, or what each message says after its role where there are several."""
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1:
        return _content(prompt[0])
    return "\n\n".join(f"{message.get('role')}: {_content(message)}" for message in prompt)


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part["text"] if isinstance(part, dict) and isinstance(part.get("text"), str) else json.dumps(part) for part in parts]
    return "\n".join(texts)
