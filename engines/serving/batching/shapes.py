"""An answer as OpenAI writes it: whole, or as the chunks of a stream."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import orjson

from engines.serving.batching.answers import Answer, Piece, usage
from engines.serving.batching.sampling import Chosen
from engines.serving.batching.wire import Asked

DONE = b"data: [DONE]\n\n"


class Shapes:
    """Writes one answer; `first_token` is called with each piece of the model's own."""

    def __init__(self, answer: Answer, asked: Asked, decode: Any, first_token: Callable[[], None]) -> None:
        self._answer = answer
        self._first_token = first_token
        self._asked = asked
        self._decode = decode

    async def whole(self) -> dict[str, Any]:
        """Return the answer once all of it is there."""
        texts, tokens = [""] * self._answer.choices, [list[Chosen]() for _ in range(self._answer.choices)]
        counts, finishes = [0] * self._answer.choices, [""] * self._answer.choices
        async with aclosing(self._answer.pieces()) as pieces:
            async for piece in pieces:
                self._first_token()
                texts[piece.index] += piece.text
                tokens[piece.index] += piece.tokens
                counts[piece.index] = piece.count
                finishes[piece.index] = piece.finish or ""
        choices = [self._choice(index, texts[index], tokens[index], finishes[index]) for index in range(self._answer.choices)]
        kind = "chat.completion" if self._answer.is_chat else "text_completion"
        return {**self._head(kind), "choices": choices, "usage": usage(self._answer.prompt_tokens, sum(counts))}

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the events of the answer, the last one included."""
        counts = [0] * self._answer.choices
        if self._answer.is_chat:
            for index in range(self._answer.choices):
                yield self._chunk(index, {"role": "assistant", "content": ""}, None, 0, None)
        async with aclosing(self._answer.pieces()) as pieces:
            held: dict[int, list[Chosen]] = {}
            async for piece in pieces:
                self._first_token()
                counts[piece.index] = piece.count
                held.setdefault(piece.index, []).extend(piece.tokens)
                if not piece.text and piece.finish is None:
                    continue
                tokens = held.pop(piece.index)
                yield self._chunk(piece.index, self._delta(piece), tokens, piece.count, piece.finish)
        if self._asked.stream_options.include_usage:
            last = {**self._head(self._kind), "choices": [], "usage": usage(self._answer.prompt_tokens, sum(counts))}
            yield b"data: " + orjson.dumps(last) + b"\n\n"
        yield DONE

    @property
    def _kind(self) -> str:
        return "chat.completion.chunk" if self._answer.is_chat else "text_completion"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._answer.id, "object": kind, "created": self._answer.created, "model": self._answer.name}

    def _delta(self, piece: Piece) -> dict[str, Any]:
        return {"content": piece.text} if piece.text else {}

    def _chunk(self, index: int, delta: dict[str, Any], tokens: Sequence[Chosen] | None, count: int, finish: str | None) -> bytes:
        said = {"delta": delta} if self._answer.is_chat else {"text": delta.get("content", "")}
        choice = {"index": index, **said, "logprobs": self._logprobs(tokens), "finish_reason": finish}
        chunk = {**self._head(self._kind), "choices": [choice]}
        if self._asked.stream_options.continuous_usage_stats:
            chunk["usage"] = usage(len(self._answer.prompt_of(index)), count)
        return b"data: " + orjson.dumps(chunk) + b"\n\n"

    def _choice(self, index: int, text: str, tokens: Sequence[Chosen], finish: str) -> dict[str, Any]:
        said = {"message": {"role": "assistant", "content": text}} if self._answer.is_chat else {"text": text}
        return {"index": index, **said, "logprobs": self._logprobs(tokens), "finish_reason": finish}

    def _logprobs(self, tokens: Sequence[Chosen] | None) -> dict[str, Any] | None:
        if self._asked.top_logprobs_wanted is None or not tokens:
            return None
        if self._answer.is_chat:
            return {"content": [self._told(one) for one in tokens]}
        texts = [self._decode([one.token]) for one in tokens]
        return {
            "tokens": texts,
            "token_logprobs": [one.logprob for one in tokens],
            "top_logprobs": [{self._decode([token]): logprob for token, logprob in one.top} for one in tokens],
            "text_offset": [sum(map(len, texts[:at])) for at in range(len(texts))],
        }

    def _told(self, one: Chosen) -> dict[str, Any]:
        return {**self._named(one.token, one.logprob), "top_logprobs": [self._named(*other) for other in one.top]}

    def _named(self, token: int, logprob: float) -> dict[str, Any]:
        text = self._decode([token])
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}
