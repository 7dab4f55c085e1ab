"""Rewards a reply that is the answer, whatever its case and the spaces around it."""


def text_of(completion):
    """The words of a completion, whether it is a text or a list of messages."""
    return completion if isinstance(completion, str) else completion[-1]["content"]


def plain(text):
    return " ".join(str(text).split()).casefold()


def reward(prompts, completions, answer, **columns):
    return [float(plain(text_of(reply)) == plain(right)) for reply, right in zip(completions, answer, strict=True)]
