"""The same questions before and after: what the base model answered, and what the deployed checkpoint answers.

The completions of a job's first step are sampled from the base model itself, before its first update: they are what it says. The
deployment is asked the same with the same sampling, and the example's own reward scores its answers.
"""

import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from openai import DefaultHttpxClient, OpenAI

from burnish.cli.client import Json
from burnish.cli.connection import Target
from burnish.cli.output import Output
from burnish.cli.records import question

MOST = 5
SHOWN_CHARS = 24


@dataclass(frozen=True)
class Answers:
    """All answers to one question, and the mean of their rewards."""

    texts: Sequence[str]
    reward: float


@dataclass(frozen=True)
class Comparison:
    """`row` is the dataset's row that was asked."""

    row: Mapping[str, Any]
    before: Answers
    after: Answers


class Deployed:
    """A deployment as the official OpenAI client sees it. `sampling` is what the job sampled with."""

    def __init__(self, target: Target, model: str, hyperparameters: Mapping[str, Any]) -> None:
        self._client = OpenAI(
            base_url=f"{target.base_url}/v1", api_key=target.api_key, timeout=120, http_client=DefaultHttpxClient(trust_env=False)
        )
        self._model = model
        self._samples = int(hyperparameters["rollouts_per_prompt"])
        self._sampling: dict[str, Any] = {
            "temperature": hyperparameters["temperature"],
            "top_p": hyperparameters["top_p"],
            "max_tokens": hyperparameters["max_response_length"],
        }

    def answers(self, prompt: Any) -> list[str]:
        """Return as many answers as the job sampled for a prompt."""
        answer = self._client.chat.completions.create(
            model=self._model, messages=messages(prompt), n=self._samples, **self._sampling
        )
        return [choice.message.content or "" for choice in answer.choices]

    def stream(self, prompt: Any, on_piece: Callable[[str], None]) -> None:
        """Hand over the pieces of one answer as they come."""
        pieces = self._client.chat.completions.create(model=self._model, messages=messages(prompt), stream=True, **self._sampling)
        for piece in pieces:
            if piece.choices and piece.choices[0].delta.content:
                on_piece(piece.choices[0].delta.content)

    def close(self) -> None:
        self._client.close()


def messages(prompt: Any) -> Any:
    """Return a dataset's prompt as a conversation."""
    return prompt if isinstance(prompt, list) else [{"role": "user", "content": str(prompt)}]


def compare(deployed: Deployed, groups: Sequence[Json], rows: Sequence[Mapping[str, Any]], reward: Path) -> list[Comparison]:
    """Ask the deployment what the groups of the first step were asked, one after another."""
    score = runpy.run_path(str(reward))["reward"]
    found: list[Comparison] = []
    for group in groups[:MOST]:
        row = rows[group["datasetRow"]]
        texts = deployed.answers(row["prompt"])
        found.append(Comparison(row, _before(group), Answers(texts, _mean_reward(score, row, texts))))
    return found


def _before(group: Json) -> Answers:
    return Answers([completion["text"] for completion in group["completions"]], group["rewardMean"] or 0.0)


def _mean_reward(score: Callable[..., Any], row: Mapping[str, Any], texts: Sequence[str]) -> float:
    columns = {key: [value] * len(texts) for key, value in row.items() if key != "prompt"}
    completions = [[{"role": "assistant", "content": text}] if isinstance(row["prompt"], list) else text for text in texts]
    rewards = score(prompts=[row["prompt"]] * len(texts), completions=completions, **columns)
    totals = [sum(reward.values()) if isinstance(reward, dict) else reward for reward in rewards]
    return fmean(total for total in totals if total is not None)


def show(out: Output, found: Sequence[Comparison]) -> None:
    for one in found:
        expected = one.row.get("answer")
        out.text(f"  {question(one.row['prompt'])}" + (f"   (right: {expected})" if expected is not None else ""), style="bold")
        for label, answers in (("before", one.before), ("after", one.after)):
            listed = " | ".join(_short(text) for text in answers.texts)
            out.text(f"    {label:<7} reward {answers.reward:.2f}   {listed}", style="red" if label == "before" else "green")
    if found:
        before, after = fmean(one.before.reward for one in found), fmean(one.after.reward for one in found)
        out.text(f"  Mean reward of these answers: {before:.2f} before, {after:.2f} after.")


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= SHOWN_CHARS else plain[: SHOWN_CHARS - 1] + "…"
