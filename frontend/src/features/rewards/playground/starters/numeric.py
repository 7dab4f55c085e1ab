"""Rewards the right number: the boxed one, else the last one of the reply."""

import re

NUMBER = r"-?\d[\d,]*(?:\.\d+)?"
BOXED = re.compile(r"\\boxed\{\s*(" + NUMBER + r")\s*\}")


def text_of(completion):
    """The words of a completion, whether it is a text or a list of messages."""
    return completion if isinstance(completion, str) else completion[-1]["content"]


def number_in(text):
    """The number that was meant, or None."""
    found = BOXED.findall(text) or re.findall(NUMBER, text)
    return float(found[-1].replace(",", "")) if found else None


def reward(prompts, completions, answer, **columns):
    scores = []
    for reply, right in zip(completions, answer, strict=True):
        said, wanted = number_in(text_of(reply)), number_in(str(right))
        if wanted is None:
            # A row without a number in its answer teaches nothing: it is left out.
            scores.append(None)
        else:
            scores.append(float(said is not None and abs(said - wanted) < 1e-6))
    return scores
