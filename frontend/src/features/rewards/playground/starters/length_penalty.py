"""Rewards the right answer, and takes something away for each word past the budget."""

BUDGET_WORDS = 20
COST_OF_A_WORD = 0.01
MOST = 0.5


def text_of(completion):
    """The words of a completion, whether it is a text or a list of messages."""
    return completion if isinstance(completion, str) else completion[-1]["content"]


def score(text, right):
    past = max(0, len(text.split()) - BUDGET_WORDS)
    return {
        "correct": 1.0 if str(right).strip() in text else 0.0,
        "length": -min(MOST, COST_OF_A_WORD * past),
    }


def reward(prompts, completions, answer, **columns):
    return [score(text_of(reply), right) for reply, right in zip(completions, answer, strict=True)]
