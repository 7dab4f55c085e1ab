"""Rewards in a real run: a broken one fails the job with the user's file and line; weights and tokens get where they should."""

from typing import Any

import pytest

from engines import protocol
from tests.engines.training.conftest import Parent

BROKEN = {
    "length": ("def reward(completions, **k):\n    return [1.0]\n", 1, "reward() returned 1 rewards for 80 completions."),
    "deadline": ("def reward(completions, **k):\n    while True:\n        pass\n", None, "within its deadline of 2 s a batch"),
    "library": (
        "def reward(completions, **k):\n    import pandas\n",
        2,
        "BURNISH_REWARD_LIBRARIES of this installation",
    ),
    "memory": ("def reward(completions, **k):\n    return bytearray(10**12)\n", 2, "ran out of its 1.0 GiB of memory."),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_reward_fails_the_job_with_the_users_file_and_line(parent: Parent, make_spec: Any, name: str) -> None:
    source, line, message = BROKEN[name]
    spec = make_spec(reward=source)
    spec["reward"] |= {"name": "mine.py", "deadline_s": 2.0, "memory_bytes": 2**30, "libraries": ["numpy"]}
    run = parent.run(spec)

    assert run.exit_code == protocol.EXIT_FAILED
    assert (run.failure["code"], run.failure["attribution"]) == ("reward_function_error", "user")
    assert message in run.failure["message"]
    assert f'File "mine.py", line {run.failure["user_code_line"]}, in reward' in run.failure["message"]
    assert line in (None, run.failure["user_code_line"])
    assert run.of("checkpoint") == []


def test_miles_samples_have_tokens_and_the_reward_is_the_weighted_sum(parent: Parent, make_spec: Any) -> None:
    reward = """
async def reward(args, sample):
    print(len(sample.tokens) - sample.response_length, sample.tokens[-1], args.max_steps, sample.metadata)
    return {"right": float(sample.response == sample.label), "length": sample.response_length}
"""
    spec = make_spec(reward=reward, max_steps=1)
    spec["reward"] |= {"format": "miles", "weights": {"length": -0.5}}
    run = parent.run(spec)

    assert run.exit_code == protocol.EXIT_OK
    (message,) = run.of("rollouts")
    for group in message["groups"]:
        assert group["weights"] == {"right": 1.0, "length": -0.5}
        for completion in group["completions"]:
            parts = completion["components"]
            assert parts["length"] == completion["tokens"]
            assert completion["reward"] == parts["right"] - 0.5 * parts["length"]
    prompt_length, token, steps, metadata = run.logs("reward")[0].split(" ", 3)
    assert int(prompt_length) > 3 and int(token) >= 0 and int(steps) == 1
    assert metadata.startswith("{'answer': '")
