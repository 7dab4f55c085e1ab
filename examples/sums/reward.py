"""Rewards the right sum, and a little for saying nothing but a number."""

import re


def reward(prompts, completions, answer, **columns):
    """Return named components for each completion; their sum is its reward."""
    return [score(completion[-1]["content"], expected) for completion, expected in zip(completions, answer)]


def score(text, expected):
    numbers = re.findall(r"\d+", text)
    return {
        "correct": 1.0 if numbers and numbers[-1] == expected else 0.0,
        "format": 0.2 if re.fullmatch(r"\d+", text.strip()) else 0.0,
    }
