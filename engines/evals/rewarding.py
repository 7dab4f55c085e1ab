"""Reward functions as scorers: in their jail, in a thread of their own, which the jailed process dies with.

A page of answers is one batch. Where the function fails on it as a whole, each answer is scored by itself, so that one that it
cannot stand costs no other its score; one that always takes too long is given up.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from burnish.kit.settings import Settings
from engines.evals.scorers import Item, Score
from engines.rewards.jail import Jail, rules_of
from engines.rewards.verdicts import RewardFailure
from models.reward_function import RewardFunction

# The other ways to fail take a process, or a deadline, each time: of those so many in a row are all that there are.
CHEAP = ("exception", "answer", "refused")
MOST_DEATHS = 4
MOST_DEATHS_IN_ALL = 32
# What can still be weighted, squared and summed up.
LARGEST = 1e100
GIVEN_UP = "The reward function had ended or run out of time too often before it came to this answer."
LONGEST_ERROR = 2000
NO_SCORE = "The reward function gave no score."


class Rewarding:
    """A reward function at work; `close` ends it."""

    def __init__(self, settings: Settings, row: RewardFunction) -> None:
        self._jail = Jail(
            row.source.encode(), row.format, name=row.file_name, weights=row.weights or {}, rules=rules_of(settings)
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reward")
        self._deaths = self._all_deaths = 0

    async def score(self, items: Sequence[Item]) -> list[Score]:
        """Score some answers; ChildFailure where the host cannot hold a jail."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._score, items)

    async def close(self) -> None:
        # It may be busy for as long as its deadline; nobody waits for that.
        self._thread.submit(self._jail.close)
        self._thread.shutdown(wait=False)

    def _score(self, items: Sequence[Item]) -> list[Score]:
        if self._deaths > MOST_DEATHS or self._all_deaths > MOST_DEATHS_IN_ALL:
            return [Score(None, GIVEN_UP)] * len(items)
        try:
            return self._batch(items)
        except RewardFailure as failure:
            self._count(failure)
            if len(items) == 1 or failure.kind == "refused":
                return [Score(None, failure.message[-LONGEST_ERROR:])] * len(items)
        return [self._score([item])[0] for item in items]

    def _count(self, failure: RewardFailure) -> None:
        self._deaths += failure.kind not in CHEAP
        self._all_deaths += failure.kind not in CHEAP

    def _batch(self, items: Sequence[Item]) -> list[Score]:
        names = dict.fromkeys(name for item in items for name in item.columns)
        columns = {name: [item.columns.get(name) for item in items] for name in names}
        completions: list[Any] = [_completion(item) for item in items]
        ids: dict[str, Any] = {}
        if self._jail.shape.tokens:
            # There is no tokenizer here: the bytes stand for them, as where a function is tried.
            ids = {"completion_ids": [list(item.output.encode()) for item in items], "prompt_ids": [[] for _ in items]}
        found = self._jail.score([item.prompt for item in items], completions, columns, strict=False, **ids)
        self._deaths = 0
        return [_scored(reward, error) for reward, error in zip(found.rewards, found.errors, strict=True)]


def _scored(reward: float | None, error: str | None) -> Score:
    if reward is None:
        return Score(None, (error or NO_SCORE)[:LONGEST_ERROR])
    return Score(reward) if abs(reward) <= LARGEST else Score(None, f"The score {reward:g} is too large to be summed up.")


def _completion(item: Item) -> Any:
    """Return an answer as trainers hand it on: a text, or a list of messages where the prompt is one."""
    return item.output if isinstance(item.prompt, str) else [{"role": "assistant", "content": item.output}]
