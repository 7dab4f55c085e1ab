"""Rows of SFT and DPO as a model reads them: token ids, and which of them are learned. Plain Python on a tokenizer.

What is learned follows what is asked exactly as it does when the trained model is used: the prompt is tokenised as an engine
tokenises it, and the answer with its end comes after it. A row longer than the limit is left out whole, never cut.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from engines.protocol import ChildFailure
from engines.training.prompts import Messages, left_out
from engines.training.text_rows import Example, Pair, Tools, problem

# What the loss of torch leaves out.
IGNORED = -100

R = TypeVar("R", bound=Example | Pair)
E = TypeVar("E", bound="Learned | Preferred")


@dataclass(frozen=True, slots=True)
class Learned:
    """A sequence and the spans of it, from and to, that are learned."""

    ids: "array[int]"
    spans: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> "array[int]":
        labels = array("i", [IGNORED]) * len(self.ids)
        for start, end in self.spans:
            labels[start:end] = self.ids[start:end]
        return labels


@dataclass(frozen=True, slots=True)
class Preferred:
    """A prompt and the two answers to it."""

    prompt: "array[int]"
    chosen: "array[int]"
    rejected: "array[int]"

    def __len__(self) -> int:
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


class Reader:
    """Turns rows into tokens, and notes what the user should know of how the model's template takes them."""

    def __init__(self, tokenizer: Any, *, answers_only: bool = True) -> None:
        self._tokenizer = tokenizer
        self._answers_only = answers_only
        self.rewritten = 0
        self.asks_otherwise = False

    def example(self, row: Example) -> list[Learned]:
        """Return the sequences of an SFT row: one, or one for each answer where the template rewrites earlier turns."""
        if not isinstance(row.asked, str):
            return self._conversation(row)
        if not row.asked:
            ids = self._ended(self._text(str(row.said)))
            return [_learned(ids, (0, len(ids)))]
        asked, said = self._continued(row.asked, str(row.said))
        return [_learned(asked + said, (len(asked) if self._answers_only else 0, len(asked) + len(said)))]

    def pair(self, row: Pair) -> list[Preferred]:
        """Return the tokens of a DPO row."""
        if isinstance(row.asked, str):
            (asked, chosen), (_, rejected) = (self._continued(row.asked, str(said)) for said in (row.chosen, row.rejected))
        else:
            asked = self._rendered(row, row.asked, ask=True)
            answers = [self._rendered(row, [*row.asked, *said]) for said in (row.chosen, row.rejected)]
            shared = min(self._shared(asked, whole) for whole in answers)
            asked, (chosen, rejected) = asked[:shared], (whole[shared:] for whole in answers)
        return [Preferred(array("i", asked), array("i", chosen), array("i", rejected))]

    def _conversation(self, row: Example) -> list[Learned]:
        messages: Messages = [*row.asked, *row.said]
        whole = self._rendered(row, messages)
        if not self._answers_only:
            return [_learned(whole, (0, len(whole)))]
        answers = [at for at in range(len(row.asked), len(messages)) if messages[at]["role"] == "assistant"]
        turns = [self._turn(row, messages, at) for at in answers]
        if all(whole[: len(said)] == said for _, said in turns):
            return [_learned(whole, *((start, len(said)) for start, said in turns))]
        # Templates that drop the reasoning of earlier answers show each answer in another surrounding than the next one's.
        self.rewritten += 1
        return [_learned(said, (start, len(said))) for start, said in turns]

    def _turn(self, row: Example, messages: Messages, at: int) -> tuple[int, list[int]]:
        """Return the conversation up to an answer as it is when the model gives it, and where the answer begins."""
        said = self._rendered(row, messages[: at + 1])
        return (self._shared(self._rendered(row, messages[:at], ask=True), said) if at else 0), said

    def _shared(self, asked: list[int], said: list[int]) -> int:
        """Return how many tokens come before the answer."""
        shared = 0
        for one, other in zip(asked, said, strict=False):
            if one != other:
                break
            shared += 1
        self.asks_otherwise |= shared < len(asked)
        return shared

    def _continued(self, asked: str, said: str) -> tuple[list[int], list[int]]:
        """Return a text and its continuation, which ends the sequence.

        Where the last token of the one and the first of the other would become one, they are kept apart, as they are when the
        model is asked.
        """
        prompt, whole = self._text(asked), self._text(asked + said)
        if whole[: len(prompt)] == prompt and len(whole) > len(prompt):
            return prompt, self._ended(whole[len(prompt) :])
        return prompt, self._ended(list(self._tokenizer(said, add_special_tokens=False)["input_ids"]))

    def _text(self, text: str) -> list[int]:
        return list(self._tokenizer(text)["input_ids"])

    def _ended(self, ids: list[int]) -> list[int]:
        end = self._tokenizer.eos_token_id
        return ids if end is None or ids[-1:] == [end] else [*ids, end]

    def _rendered(self, row: Example | Pair, messages: Any, *, ask: bool = False) -> list[int]:
        if not self._tokenizer.chat_template:
            raise ChildFailure("dataset_error", "The rows are message lists, but the base model has no chat template.")
        tools: Tools | None = row.tools
        try:
            encoded = self._tokenizer.apply_chat_template(
                messages, tools=tools, add_generation_prompt=ask, tokenize=True, return_dict=True
            )
        except Exception as error:  # The template is the model's own code and raises what it likes.
            raise problem(row.index, f"the model's chat template refuses it: {error}") from error
        return list(encoded["input_ids"])


def _learned(ids: list[int], *spans: tuple[int, int]) -> Learned:
    return Learned(array("i", ids), spans)


@dataclass(frozen=True, slots=True)
class Fitted(Generic[R, E]):
    """The rows within the limit with their sequences, and those that were too long."""

    rows: list[tuple[R, list[E]]]
    too_long: list[R]

    def notice(self, limit: int) -> str | None:
        """Return what the user must know of the rows left out."""
        total = len(self.rows) + len(self.too_long)
        return left_out(self.too_long, total, f"rows longer than {limit} tokens")


def fit(rows: Sequence[R], read: Callable[[R], list[E]], limit: int) -> Fitted[R, E]:
    """Split the rows by the limit, in tokens; `dataset_error` where nothing remains."""
    kept: list[tuple[R, list[E]]] = []
    too_long: list[R] = []
    shortest = None
    for row in rows:
        sequences = read(row)
        longest = max(map(len, sequences))
        shortest = longest if shortest is None else min(shortest, longest)
        if longest <= limit:
            kept.append((row, sequences))
        else:
            too_long.append(row)
    if not kept:
        raise ChildFailure("dataset_error", f"Every row is longer than max_length ({limit} tokens); the shortest has {shortest}.")
    return Fitted(kept, too_long)
