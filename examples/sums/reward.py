"""Rewards the right sum, and a little for a reply that is nothing but a number."""

import re


def reward(prompts, completions, answer, **columns):
    """Return named components for each completion; their sum is its reward."""
    return [score(completion[-1]["content"], expected) for completion, expected in zip(completions, answer, strict=True)]


def score(text, expected):
    numbers = re.findall(r"\d+", text)
    return {
        "correct": 1.0 if numbers and numbers[-1] == expected else 0.0,
        # The share of the reply that is digits: a shorter reply is a little better, so there is always something to learn from.
        "format": 0.3 * sum(map(len, numbers)) / max(1, len(text)),
    }
