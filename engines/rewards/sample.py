"""What a reward is tried on: completions and the rows that they answer, given by the caller or made up here.

Made-up rows hold the ground truth under all of its known names, and every further column that the file asks for. What such a
column looks like in the user's own dataset nobody can know, so there are several `FORMS` of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engines.rewards.shapes import GROUND_TRUTH

Form = Literal["text", "worked", "number", "nothing"]
FORMS: tuple[Form, ...] = ("text", "worked", "number")
MAX_SAMPLES = 256

_QUESTIONS = (("What is 2 + 2?", 4), ("What is 7 * 6?", 42), ("What is 9 - 10?", -1), ("Add 1 to 0.", 1), ("What is 6 / 3?", 2))
_ANSWERS = (
    "4",
    "<think>\n7 * 6 = 42\n</think>\n<answer>42</answer>",
    "9 - 10 = -1, so the answer is \\boxed{-1}.\n#### -1",
    "",
    "I do not know – résumé 🤔",
)


@dataclass(frozen=True)
class Batch:
    """Lists of one length. `given` says that they are a caller's; of made-up ones `form` says how columns look."""

    prompts: list[Any]
    completions: list[Any]
    columns: dict[str, list[Any]]
    given: bool = False
    form: Form = "text"

    @property
    def token_ids(self) -> list[list[int]]:
        """Stand-ins for a tokenizer's: the bytes of each completion."""
        return [list(str(completion).encode()) for completion in self.completions]


def given(samples: Sequence[Mapping[str, Any]]) -> Batch:
    """Return a caller's samples, each with `prompt`, `completion` and `columns`; a row without a column has None there."""
    names = {name: None for sample in samples for name in sample["columns"]}
    columns = {name: [sample["columns"].get(name) for sample in samples] for name in names}
    prompts, completions = ([sample[key] for sample in samples] for key in ("prompt", "completion"))
    return Batch(prompts, completions, columns, given=True)


def made_up(columns: Sequence[str], *, messages: bool, form: Form) -> Batch:
    """Return five rows with `columns` and the usual ones; the form `nothing` has None for all that a dataset would hold."""
    values = [_truth(question, answer, form) for question, answer in _QUESTIONS]
    prompts: list[Any] = [None if form == "nothing" else _prompt(question, messages) for question, _ in _QUESTIONS]
    completions = [_message("assistant", text) if messages else text for text in _ANSWERS]
    names = dict.fromkeys((*GROUND_TRUTH, *columns))
    made: dict[str, list[Any]] = {name: list(values) for name in names}
    usual = {"data_source": "openai/gsm8k", "extra_info": {"split": "train", "index": 0}}
    for name, value in usual.items():
        if name not in columns:
            made[name] = [None if form == "nothing" else value] * len(values)
    return Batch(prompts, completions, made, form=form)


def _truth(question: str, answer: int, form: Form) -> Any:
    return {"text": str(answer), "worked": f"{question} Worked out.\n#### {answer}", "number": answer, "nothing": None}[form]


def _prompt(question: str, messages: bool) -> Any:
    return [*_message("system", "Answer with a number."), *_message("user", question)] if messages else question


def _message(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]
