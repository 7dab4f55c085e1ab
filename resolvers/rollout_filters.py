"""Which groups of a job's rollouts a caller wants, decided on the rows as they are stored.

A caller's regular expression may be one that never ends on some text: matching gives the interpreter up while it works, and all
of it for one request has a time after which it is refused. It may also be short and say to repeat much, which takes memory before
anything is matched: what it repeats is counted first.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from burnish.kit import patterns
from burnish.kit.errors import Invalid
from burnish.kit.scanning import LONGEST_SOUGHT, word
from engines.training.rollouts import PASS_REWARD, ZERO_STD

Outcome = Literal["all_pass", "all_fail", "mixed", "unscored"]
LONGEST_PATTERN = 200
MATCHING_S = 2.0


@dataclass
class GroupFilter:
    """What is set has to hold for a group: its own outcome, and at least one of its completions for each other condition.

    `text` is sought in completions and prompt whatever its case, `pattern` is a regular expression. Where `truncated` or
    `score_error` is False, no completion may be so.
    """

    outcomes: Collection[Outcome] | None = None
    truncated: bool | None = None
    score_error: bool | None = None
    dataset_row: int | None = None
    text: str | None = None
    pattern: str | None = None
    _compiled: Any = field(init=False, default=None)
    _left_s: float = field(init=False, default=MATCHING_S)

    def __post_init__(self) -> None:
        if self.text is not None and len(self.text) > LONGEST_SOUGHT:
            raise Invalid(f"What is searched for has at most {LONGEST_SOUGHT:,} characters.", param="search")
        if self.pattern is None:
            return
        try:
            self._compiled = patterns.compiled(self.pattern, LONGEST_PATTERN)
        except ValueError as error:
            raise Invalid(str(error), param="pattern") from None

    @property
    def words(self) -> tuple[tuple[str, ...], ...]:
        """Groups of words of which the JSON of a row with a wanted group has at least one each."""
        found: list[tuple[str, ...]] = [(word(self.text),)] if self.text else []
        if self.dataset_row is not None:
            found.append((f'"dataset_row":{self.dataset_row}', f'"dataset_row": {self.dataset_row}'))
        if self.truncated:
            found.append(('"truncated":true', '"truncated": true'))
        return tuple(found)

    def holds(self, data: dict[str, Any]) -> bool:
        """Tell whether a group is wanted; Invalid where the pattern takes too long."""
        return (
            (self.dataset_row is None or data["dataset_row"] == self.dataset_row)
            and (self.outcomes is None or outcome_of(data) in self.outcomes)
            and (self.truncated is None or any(item["truncated"] for item in data["completions"]) == self.truncated)
            and (self.score_error is None or any(map(_is_wrong, data["completions"])) == self.score_error)
            and (not self.text or any(self.text.casefold() in text.casefold() for text in _texts(data)))
            and (self._compiled is None or any(map(self._matches, _texts(data))))
        )

    def _matches(self, text: str) -> bool:
        began = time.monotonic()
        try:
            return self._compiled.search(text, timeout=max(self._left_s, 0.001), concurrent=True) is not None
        except TimeoutError:
            raise Invalid("This pattern takes too long on the rollouts: make it simpler.", param="pattern") from None
        finally:
            self._left_s -= time.monotonic() - began


def outcome_of(data: dict[str, Any]) -> Outcome:
    """Return how a group came out, as `frac_reward_all_pass` and `frac_reward_all_fail` count it."""
    rewards = [item["reward"] for item in data["completions"] if item["reward"] is not None]
    if not rewards:
        return "unscored"
    if max(rewards) - min(rewards) >= ZERO_STD:
        return "mixed"
    return "all_pass" if rewards[0] >= PASS_REWARD else "all_fail"


def _is_wrong(completion: dict[str, Any]) -> bool:
    return completion["score_error"] is not None


def _texts(data: dict[str, Any]) -> list[str]:
    prompt = data["prompt"]
    messages = [str(message.get("content")) for message in prompt] if isinstance(prompt, list) else [str(prompt)]
    return [*messages, *(item["text"] for item in data["completions"])]
