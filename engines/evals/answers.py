"""What became of the lines of a batch that has ended, in the order of its input, in constant memory.

The rows of outcomes say how each line ended and what it used; what was answered is read beside them from the output file.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

import orjson
from sqlmodel import col, select

from burnish.kit.core import Core
from engines.bulk import reading
from engines.bulk.outcomes import plain
from models.batch import Batch, BatchOutcome
from models.file import File

SLICE_LINES, SLICE_BYTES = 256, 2**20
GONE = "output_lost"
LONGEST_REASON = 64


class Answer(NamedTuple):
    """How a line ended: with the text that was answered, or with an error."""

    custom_id: str
    text: str | None
    finish_reason: str | None
    code: str | None
    message: str | None
    latency_ms: float | None
    prompt_tokens: int
    completion_tokens: int


class Answers:
    """The answers to a batch's lines, asked for in the order of its input; use it as a context."""

    def __init__(self, core: Core, batch: Batch) -> None:
        self._slices = _slices(core, batch)
        self._held: deque[Answer] = deque()

    async def __aenter__(self) -> "Answers":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._slices.aclose()

    async def next(self) -> Answer | None:
        """Return the next answer, None after the last."""
        head = await self._head()
        if head is not None:
            self._held.popleft()
        return head

    async def of(self, custom_id: str) -> Answer | None:
        """Return the next answer where it is this line's, else None: that line never ended."""
        head = await self._head()
        return self._held.popleft() if head is not None and head.custom_id == custom_id else None

    async def _head(self) -> Answer | None:
        while not self._held:
            try:
                self._held.extend(await anext(self._slices))
            except StopAsyncIteration:
                return None
        return self._held[0]


async def _slices(core: Core, batch: Batch) -> AsyncGenerator[list[Answer], None]:
    async with aclosing(_outputs(core, batch)) as outputs:
        last = 0
        while found := await _outcomes(core, batch.id, last):
            last = found[-1].line
            held: list[tuple[BatchOutcome, bytes | None]] = []
            size = 0
            for outcome in found:
                line = await anext(outputs, None) if outcome.ok else None
                held.append((outcome, line))
                size += len(line or b"")
                if size >= SLICE_BYTES:
                    yield await asyncio.to_thread(_read, held)
                    held, size = [], 0
            yield await asyncio.to_thread(_read, held)


async def _outcomes(core: Core, batch_id: str, last: int) -> Sequence[Any]:
    outcome = BatchOutcome
    columns: Any = (
        outcome.line,
        outcome.custom_id,
        outcome.ok,
        outcome.code,
        outcome.message,
        outcome.latency_ms,
        outcome.prompt_tokens,
        outcome.completion_tokens,
    )
    statement = select(*columns).where(outcome.batch_id == batch_id, col(outcome.line) > last)
    async with core.db.read() as session:
        found: Sequence[Any] = (await session.exec(statement.order_by(col(outcome.line)).limit(SLICE_LINES))).all()
    return found


async def _outputs(core: Core, batch: Batch) -> AsyncGenerator[bytes, None]:
    """Yield the lines of the output file; none where there is none, or no more."""
    if batch.output_file_id is None:
        return
    async with core.db.read() as session:
        file = await session.get_one(File, batch.output_file_id)
    if file.deleted_at is not None:
        return
    async with aclosing(reading.lines(core.storage, file.storage_key)) as lines:
        async for offset, line in lines:
            if text := reading.content(offset, line):
                yield text


def _read(held: list[tuple[Any, bytes | None]]) -> list[Answer]:
    return [_answer(outcome, line) for outcome, line in held]


def _answer(outcome: Any, line: bytes | None) -> Answer:
    text = reason = None
    code, message = outcome.code, outcome.message
    if outcome.ok:
        found = None if line is None else orjson.loads(line)
        if found is None or found["custom_id"] != outcome.custom_id:
            code, message = GONE, "What was answered is no longer stored."
        else:
            text, reason = said(found["response"]["body"])
            if text is None:
                code, message = "no_answer", "The model's answer has no message."
    used = (outcome.latency_ms, outcome.prompt_tokens, outcome.completion_tokens)
    return Answer(outcome.custom_id, text, reason, None if text is not None else code, message, *used)


def said(body: Any) -> tuple[str | None, str | None]:
    """Return what a chat completion says, and why it ended; calls of tools as JSON where there is no text."""
    try:
        choice = body["choices"][0]
        message = choice["message"]
        content, calls = message.get("content"), message.get("tool_calls")
        reason = choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        return None, None
    if not isinstance(content, str):
        content = orjson.dumps(calls).decode() if calls else ""
    return content, plain(reason, LONGEST_REASON) if isinstance(reason, str) else None
