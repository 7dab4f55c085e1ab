"""The reward functions that the dashboard's playground offers to begin with: each runs, and rewards what it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engines.rewards.test_trial import tried

STARTERS = Path(__file__).parents[3] / "frontend/src/features/rewards/playground/starters"
REWARDS = {
    "exact_match": [1, 1, 0, 0],
    "numeric": [1, 1, 0, 0],
    "format_correct": [1.2, 0.2, 0, 0],
    "length_penalty": [1, 0.78, 0],
    "json_schema": [1, 0.75, 0.6, 0],
}


def samples_of(name: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (STARTERS / f"{name}.jsonl").read_text().splitlines()]
    return [{"prompt": row.pop("prompt"), "completion": row.pop("completion"), "columns": row} for row in rows]


def rewards(name: str, samples: list[dict[str, Any]]) -> Any:
    return tried((STARTERS / f"{name}.py").read_text(), samples=samples).record()["rewards"]


def test_every_starter_is_tried_here() -> None:
    assert sorted(path.stem for path in STARTERS.glob("*.py")) == sorted(REWARDS)


@pytest.mark.parametrize("name", REWARDS)
def test_a_starter_rewards_its_samples_as_it_says(name: str) -> None:
    assert rewards(name, samples_of(name)) == pytest.approx(REWARDS[name])


@pytest.mark.parametrize("name", REWARDS)
def test_a_starter_takes_messages_too(name: str) -> None:
    rows = [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "completion": [{"role": "assistant", "content": row["completion"]}],
            "columns": row["columns"],
        }
        for row in samples_of(name)
    ]
    assert rewards(name, rows) == pytest.approx(REWARDS[name])
