"""From the answers of a run to its items: page by page, in the order of the dataset, each page written with the count of items.

A page that is written is not scored again: whoever goes on after a crash reads past as many items as the run says it has.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any

from burnish.kit.core import Core
from engines.bulk.outcomes import plain
from engines.evals import judging, rewarding, rows, scorers
from engines.evals.answers import Answer, Answers
from engines.evals.judging import JudgeProblem
from engines.evals.rewarding import Rewarding
from engines.evals.rows import Row
from engines.evals.scorers import Item, Judge, PlainScorer, Reward, Score, Scorer
from models.batch import Batch
from models.reward_function import RewardFunction

PAGE_ITEMS, PAGE_BYTES = 64, 2 * 2**20
LONGEST_ERROR = rewarding.LONGEST_ERROR
NEVER = "never_answered", "This request never ended."
Answered = tuple[Row, int, Answer]


@dataclass(frozen=True)
class Grading:
    """What a run is graded with: its rows, what its model answered, and what each judge answered, by the scorer's name."""

    core: Core
    rows_key: str
    most_rows: int | None
    answers: Batch
    scorers: Sequence[Scorer]
    judges: Mapping[str, Batch]
    rewards: Mapping[str, RewardFunction]

    async def pages(self, done: int = 0) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Yield the items after the first `done`, as columns of `EvalItem` without the run."""
        async with AsyncExitStack() as stack:
            verdicts = {name: await stack.enter_async_context(Answers(self.core, row)) for name, row in self.judges.items()}
            rewards: dict[str, Rewarding] = {}
            for name, row in self.rewards.items():
                rewards[name] = Rewarding(self.core.settings, row)
                stack.push_async_callback(rewards[name].close)
            page: list[Answered] = []
            judged: list[dict[str, Answer | None]] = []
            size = count = 0
            answered = await stack.enter_async_context(aclosing(self.answered()))
            async for one in answered:
                answer = one[2]
                said = {} if answer.text is None else {name: await of.of(answer.custom_id) for name, of in verdicts.items()}
                count += 1
                if count <= done:
                    continue
                page.append(one)
                judged.append(said)
                size += len(answer.text or "") + len(rows.text_of(one[0].prompt))
                if len(page) >= PAGE_ITEMS or size >= PAGE_BYTES:
                    yield await self._graded(page, judged, rewards)
                    page, judged, size = [], [], 0
            if page:
                yield await self._graded(page, judged, rewards)

    async def answered(self) -> AsyncGenerator[Answered, None]:
        """Yield each answer with the row and the sample that it is of, in their order."""
        async with Answers(self.core, self.answers) as answers, aclosing(self._rows()) as found:
            row: Row | None = None
            while (answer := await answers.next()) is not None:
                index, sample = rows.item_of(answer.custom_id)
                while row is None or row.index < index:
                    row = await anext(found)
                yield row, sample, answer

    async def _rows(self) -> AsyncGenerator[Row, None]:
        async with aclosing(rows.rows(self.core.storage, self.rows_key, self.most_rows)) as slices:
            async for some in slices:
                for row in some:
                    yield row

    async def _graded(
        self, page: list[Answered], judged: list[dict[str, Answer | None]], rewards: Mapping[str, Rewarding]
    ) -> list[dict[str, Any]]:
        """Score a page; what has no answer has no score."""
        places = [place for place, (_, _, answer) in enumerate(page) if answer.text is not None]
        items = [Item(page[place][0].prompt, page[place][0].columns, page[place][2].text or "") for place in places]
        found: list[dict[str, Score]] = [{} for _ in page]
        for scorer in self.scorers:
            if isinstance(scorer, PlainScorer):
                scores = await asyncio.to_thread(_each, scorer.score, items)
            elif isinstance(scorer, Reward):
                scores = await rewards[scorer.name].score(items) if items else []
            else:
                assert isinstance(scorer, Judge)
                scores = [_verdict(scorer, judged[place].get(scorer.name)) for place in places]
            for place, score in zip(places, scores, strict=True):
                found[place][scorer.name] = score
        return [self._item(*one, scores) for one, scores in zip(page, found, strict=True)]

    def _item(self, row: Row, sample: int, answer: Answer, found: Mapping[str, Score]) -> dict[str, Any]:
        scores = {scorer.name: found[scorer.name].value if scorer.name in found else None for scorer in self.scorers}
        errors = {name: plain(score.error, LONGEST_ERROR) for name, score in found.items() if score.error is not None}
        label = scorers.label_of(row.columns)
        return {
            "item_index": row.index,
            "sample": sample,
            "input": storable(rows.text_of(row.prompt)),
            "output": None if answer.text is None else storable(answer.text),
            "label": None if label is None else storable(scorers.text_of(label)),
            "scores": scores,
            "errors": errors or None,
            "score": scorers.weighted(self.scorers, scores),
            "latency_ms": answer.latency_ms,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "finish_reason": answer.finish_reason,
            "error": None if answer.text is not None else f"{answer.code}: {answer.message}",
        }


def storable(text: str) -> str:
    return plain(text, len(text))


def _each(score: Callable[[Item], Score], items: Sequence[Item]) -> list[Score]:
    return [score(item) for item in items]


def _verdict(scorer: Judge, answer: Answer | None) -> Score:
    code, message = NEVER if answer is None else (answer.code, answer.message)
    if answer is None or answer.text is None:
        return Score(None, f"The judge did not answer: {code}: {message}")
    try:
        return Score(judging.score_of(answer.text, scorer.scale))
    except JudgeProblem as problem:
        return Score(None, str(problem))


async def judged_lines(grading: Grading, scorer: Judge, model: str) -> AsyncGenerator[bytes, None]:
    """Yield the requests of a judge, one for each answer that there is."""
    async with aclosing(grading.answered()) as answered:
        async for row, _, answer in answered:
            if answer.text is None:
                continue
            label = scorers.label_of(row.columns)
            shown = {"input": rows.text_of(row.prompt), "output": answer.text}
            asked = judging.asked(scorer.prompt, scorer.scale, **shown, label="" if label is None else scorers.text_of(label))
            body = {"model": model, "messages": [{"role": "user", "content": asked}], "temperature": 0}
            yield rows.request(answer.custom_id, body)
