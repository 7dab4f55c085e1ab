"""The examples' jobs: valid, and rewarding what they say they reward."""

import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engines.training.grpo_spec import GrpoHyperparameters
from engines.training.prompts import read_rows

EXAMPLES = Path(__file__).parents[3] / "examples"


def rewards(example: str, answer: str, *texts: str) -> list[dict[str, float]]:
    reward = runpy.run_path(str(EXAMPLES / example / "reward.py"))["reward"]
    completions: list[Any] = [[{"role": "assistant", "content": text}] for text in texts]
    scored: list[dict[str, float]] = reward(prompts=[], completions=completions, answer=[answer] * len(texts), extra=[])
    return scored


@pytest.mark.parametrize(("example", "rows"), [("quick", 25), ("sums", 100)])
def test_a_job_file_is_valid_and_pulls_towards_the_base(example: str, rows: int) -> None:
    job = tomllib.loads((EXAMPLES / example / "job.toml").read_text())
    assert GrpoHyperparameters.model_validate(job["hyperparameters"]).kl_coef > 0
    assert job["gpu"] == {"type": "L4-24GB", "count": 1}
    assert len(read_rows(EXAMPLES / example / job["dataset"])) == rows
    assert (EXAMPLES / example / job["reward"]).is_file()


def test_every_answer_of_the_datasets_is_the_sum() -> None:
    for example in ("quick", "sums"):
        for row in read_rows(EXAMPLES / example / "prompts.jsonl"):
            assert isinstance(row.prompt, list)
            digits = [int(part) for part in row.prompt[0]["content"] if part.isdigit()]
            assert row.columns == {"answer": str(sum(digits))}


def test_the_quick_reward_wants_the_sum_and_nothing_else() -> None:
    assert rewards("quick", "5", "5", "4", "x", "") == [
        {"correct": 1.0, "format": 0.1},
        {"correct": 0.0, "format": 0.1},
        {"correct": 0.0, "format": 0.0},
        {"correct": 0.0, "format": 0.0},
    ]


def test_the_sums_reward_takes_the_last_number_and_likes_short_replies() -> None:
    bare, long, wrong, none = rewards("sums", "12", "12", "7 + 5 = 12", "7 + 5 = 13", "twelve")
    assert bare["correct"] == long["correct"] == 1.0
    assert bare["format"] > long["format"] == wrong["format"] > none["format"] == 0.0
    assert wrong["correct"] == none["correct"] == 0.0
    # However short, a wrong reply earns less than a right one.
    assert max(sum(scored.values()) for scored in rewards("sums", "12", "1", "13")) < sum(long.values())
