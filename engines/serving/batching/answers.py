"""From a request to its answer: the prompts as tokens, and each choice's text while it comes."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from engines.serving.batching.generation import Generation
from engines.serving.batching.sampling import Chosen, Sampling
from engines.serving.batching.text import Text
from engines.serving.batching.wire import Asked, Chat, Completion, Refused

STOP, LENGTH = "stop", "length"


@dataclass
class Piece:
    """What is new of one choice; `finish` says why it is the last one."""

    index: int
    text: str = ""
    tokens: list[Chosen] = field(default_factory=list)
    count: int = 0
    finish: str | None = None


class Answer:
    """One request on its way. `pieces` is iterated once; a caller that stops early closes it, which gives up what is left."""

    def __init__(self, generation: Generation, asked: Chat | Completion, name: str) -> None:
        self._generation = generation
        self._asked = asked
        self.is_chat = isinstance(asked, Chat)
        self.id = ("chatcmpl-" if self.is_chat else "cmpl-") + uuid.uuid4().hex
        self.created = int(time.time())
        self.name = name
        self.prompts = prompts_of(generation, asked)
        self._most = [_room(generation, asked, prompt) for prompt in self.prompts]

        unknown = [token for token in asked.logit_bias if not 0 <= token < generation.vocabulary]
        if unknown:
            raise Refused(400, f"The model's tokens are those below {generation.vocabulary}, not {unknown[0]}.", "logit_bias")

    @property
    def choices(self) -> int:
        return len(self.prompts) * self._asked.n

    def prompt_of(self, index: int) -> list[int]:
        return self.prompts[index // self._asked.n]

    @property
    def prompt_tokens(self) -> int:
        return sum(map(len, self.prompts))

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Yield what comes of all choices, in the order in which it comes."""
        arrived: asyncio.Queue[Piece | BaseException] = asyncio.Queue()
        tasks = [asyncio.create_task(self._pass_on(index, arrived)) for index in range(self.choices)]
        left = len(tasks)
        try:
            while left:
                piece = await arrived.get()
                if isinstance(piece, BaseException):
                    raise piece
                left -= piece.finish is not None
                yield piece
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass_on(self, index: int, arrived: "asyncio.Queue[Piece | BaseException]") -> None:
        try:
            async for piece in self._choice(index):
                arrived.put_nowait(piece)
        except Exception as error:
            arrived.put_nowait(error)

    async def _choice(self, index: int) -> AsyncIterator[Piece]:
        asked, generation = self._asked, self._generation
        text = Text(lambda tokens: generation.tokenizer.decode(tokens, skip_special_tokens=True), asked.stop)
        ends = [*([] if asked.ignore_eos else generation.ends), *asked.stop_token_ids]
        prompt, most = self.prompt_of(index), self._most[index // asked.n]
        count, last = 0, None
        async with aclosing(generation.generate(prompt, most, sampling_of(asked, index), ends=ends)) as tokens:
            async for chosen in tokens:
                piece = Piece(index)
                for one in chosen:
                    count, last = count + 1, one.token
                    piece.tokens.append(one)
                    piece.text += "" if one.token in ends else text.feed(one.token)
                    if text.stopped:
                        break
                piece.count = count
                if text.stopped:
                    piece.finish = STOP
                    yield piece
                    return
                yield piece
        rest = text.end()
        yield Piece(index, rest, count=count, finish=STOP if last in ends or text.stopped else LENGTH)


def prompts_of(generation: Generation, asked: Chat | Completion) -> list[list[int]]:
    """Return the tokens of what is to be gone on from; Refused where the model has no such tokens or no chat template."""
    if isinstance(asked, Completion):
        made = [
            generation.tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else list(prompt) for prompt in asked.prompts
        ]
        if any(not prompt for prompt in made):
            raise Refused(400, "The prompt is empty.", "prompt")
        if any(token >= generation.vocabulary for prompt in made for token in prompt):
            raise Refused(400, f"The model's tokens are those below {generation.vocabulary}.", "prompt")
        return made
    if not generation.tokenizer.chat_template:
        raise Refused(400, "The model has no chat template: use /v1/completions.", "messages")
    try:
        encoded = generation.tokenizer.apply_chat_template(
            asked.messages,
            add_generation_prompt=asked.add_generation_prompt,
            tokenize=True,
            return_dict=True,
            **asked.chat_template_kwargs,
        )
    except Exception as error:
        # The template is the model's own program, and says by exceptions what it does not take.
        raise Refused(400, f"The chat template does not take these messages: {error}", "messages") from error
    if not encoded["input_ids"]:
        raise Refused(400, "The chat template makes nothing of these messages.", "messages")
    return [list(encoded["input_ids"])]


def _room(generation: Generation, asked: Asked, prompt: list[int]) -> int:
    """Return how long the answer may be; Refused where it does not fit."""
    left = generation.context - len(prompt)
    said = f"This model's maximum context length is {generation.context} tokens"
    if left < 1:
        field_name = "messages" if isinstance(asked, Chat) else "prompt"
        raise Refused(400, f"{said}, and the prompt has {len(prompt)}.", field_name)
    most = asked.most_tokens
    if most is not None and most > left:
        raise Refused(400, f"{said}, and the prompt has {len(prompt)}: there is no room for {most} more.", "max_tokens")
    return left if most is None else most


def sampling_of(asked: Asked, index: int) -> Sampling:
    """Return how one choice is made; choices of one request differ, and a seed makes each of them the same again."""
    return Sampling(
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=max(0, asked.top_k),
        min_p=asked.min_p,
        repetition_penalty=asked.repetition_penalty,
        presence_penalty=asked.presence_penalty,
        frequency_penalty=asked.frequency_penalty,
        logit_bias=asked.logit_bias,
        seed=None if asked.seed is None else asked.seed + index,
        logprobs=asked.top_logprobs_wanted,
    )


def usage(prompt: int, completion: int) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
