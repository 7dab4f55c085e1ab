"""Rewards thinking in <think>, the answer in <answer>, and most of all that it is right."""

import re

SHAPE = re.compile(r"\s*<think>.+?</think>\s*<answer>(.+?)</answer>\s*", re.DOTALL)
TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def text_of(completion):
    """The words of a completion, whether it is a text or a list of messages."""
    return completion if isinstance(completion, str) else completion[-1]["content"]


def score(text, right):
    match = SHAPE.fullmatch(text)
    # Each tag once: a reply that repeats them earns nothing for its form.
    formed = match is not None and all(text.count(tag) == 1 for tag in TAGS)
    said = match.group(1).strip() if match else ""
    return {
        "correct": 1.0 if said == str(right).strip() else 0.0,
        "format": 0.2 if formed else 0.0,
    }


def reward(prompts, completions, answer, **columns):
    return [score(text_of(reply), right) for reply, right in zip(completions, answer, strict=True)]
