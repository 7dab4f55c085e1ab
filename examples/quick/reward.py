"""Rewards the right sum, and a little for saying nothing but a number."""


def reward(prompts, completions, answer, **columns):
    """Return named components for each completion; their sum is its reward."""
    return [score(completion[-1]["content"], expected) for completion, expected in zip(completions, answer, strict=True)]


def score(text, expected):
    return {
        "correct": 1.0 if text == expected else 0.0,
        "format": 0.1 if text.isdigit() else 0.0,
    }
