"""How each format is called, in the real jail."""

from typing import Any

import pytest

from engines.protocol import ChildFailure
from engines.rewards.shapes import RewardProblem, check
from tests.engines.rewards.conftest import MakeJail

CHAT = [{"role": "assistant", "content": "four"}]


def test_miles_gets_one_sample_a_call_and_the_hyperparameters(make_jail: MakeJail) -> None:
    jail = make_jail(
        """
        async def reward(args, sample):
            print(args.seed, sample.index, sample.prompt, sample.response, sample.label, sample.metadata)
            return float(sample.response == sample.label)
        """,
        format="miles",
        args={"seed": 7},
    )
    scores = jail.score(["2+2", "1+1"], ["4", "3"], {"answer": ["4", "2"], "level": [1, 2]})
    assert scores.rewards == [1.0, 0.0]
    assert scores.stdout == ("7 0 2+2 4 4 {'answer': '4', 'level': 1}\n7 1 1+1 3 2 {'answer': '2', 'level': 2}\n")


def test_miles_takes_the_rows_own_label_and_metadata_and_the_text_of_messages(make_jail: MakeJail) -> None:
    jail = make_jail(
        "async def reward(args, sample):\n    print(sample.label, sample.metadata, sample.response)\n", format="miles"
    )
    columns: dict[str, list[Any]] = {"label": ["x"], "answer": ["y"], "metadata": [{"a": 1}]}
    scores = jail.score([[{"role": "user", "content": "2+2"}]], [CHAT], columns)
    assert (scores.rewards, scores.stdout) == ([None], "x {'a': 1} four\n")


def test_miles_gets_token_ids_where_it_may_look_at_them(make_jail: MakeJail) -> None:
    jail = make_jail(
        "async def reward(args, sample):\n    return len(sample.tokens) + sample.response_length / 10\n", format="miles"
    )
    assert jail.shape.tokens
    assert jail.score(["p"], ["c"], {}, prompt_ids=[[1, 2]], completion_ids=[[3]]).rewards == [3.1]


def test_the_samples_of_miles_wait_side_by_side(make_jail: MakeJail) -> None:
    jail = make_jail(
        """
        import asyncio
        here = []
        async def reward(args, sample):
            here.append(sample.index)
            while len(here) < 3:
                await asyncio.sleep(0)
            return {"place": sample.index}
        """,
        format="miles",
    )
    scores = jail.score(["p"] * 3, ["c"] * 3, {})
    assert (scores.rewards, scores.components) == ([0.0, 1.0, 2.0], {"place": [0.0, 1.0, 2.0]})


def test_what_args_do_not_have_is_told_with_what_they_have(make_jail: MakeJail) -> None:
    jail = make_jail("def reward(args, sample):\n    return args.rm_url\n", format="miles", args={"seed": 7})
    with pytest.raises(ChildFailure, match="args has no 'rm_url'; here it holds the job's hyperparameters: seed") as caught:
        jail.score(["p"], ["c"], {})
    assert caught.value.user_code_line == 2


def test_verl_gets_the_fields_of_verls_rows(make_jail: MakeJail) -> None:
    jail = make_jail(
        """
        def compute_score(data_source, solution_str, ground_truth, extra_info=None):
            print(data_source, solution_str, ground_truth, extra_info)
            return {"score": float(solution_str == ground_truth), "acc": True, "pred": solution_str}
        """,
        format="verl",
    )
    columns: dict[str, list[Any]] = {
        "data_source": ["openai/gsm8k"] * 2,
        "reward_model": [{"style": "rule", "ground_truth": "4"}, {"ground_truth": "2"}],
        "extra_info": [{"split": "train"}, None],
    }
    scores = jail.score(["2+2", "1+1"], ["4", "3"], columns)
    assert (scores.rewards, scores.components) == ([1.0, 0.0], {"score": [1.0, 0.0], "acc": [1.0, 1.0]})
    assert scores.weights == {"score": 1.0, "acc": 0.0}
    assert scores.stdout == "openai/gsm8k 4 4 {'split': 'train'}\nopenai/gsm8k 3 2 None\n"


@pytest.mark.parametrize("column", ["answer", "label", "ground_truth", "solution"])
def test_verl_gets_the_ground_truth_by_any_of_its_names(make_jail: MakeJail, column: str) -> None:
    source = "def compute_score(solution_str, ground_truth, **rest):\n    print(sorted(rest))\n    return ground_truth\n"
    jail = make_jail(source, format="verl")
    scores = jail.score(["p"], [CHAT], {column: [4]})
    assert (scores.rewards, scores.stdout) == ([4.0], "['data_source', 'extra_info']\n")


def test_an_async_verl_function_is_awaited(make_jail: MakeJail) -> None:
    jail = make_jail("async def compute_score(solution_str, ground_truth):\n    return float(ground_truth)\n", format="verl")
    assert jail.score(["p"] * 2, ["c"] * 2, {"answer": ["1", "2"]}).rewards == [1.0, 2.0]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_exception_for_one_completion_fails_the_batch_or_is_told_with_its_line(make_jail: MakeJail, kind: str) -> None:
    source = f"{kind} compute_score(solution_str, **rest):\n    return 1 / len(solution_str)\n"
    jail = make_jail(source, format="verl")
    with pytest.raises(ChildFailure) as caught:
        jail.score(["p"] * 2, ["ab", ""], {})
    assert caught.value.message.endswith("ZeroDivisionError: division by zero")
    assert caught.value.user_code_line == 2
    scores = jail.score(["p"] * 3, ["ab", "", "a"], {}, strict=False)
    assert scores.rewards == [0.5, None, 1.0]
    assert (scores.errors, scores.lines) == ([None, "ZeroDivisionError: division by zero", None], [None, 2, None])


def test_a_trl_reward_gets_completion_ids_where_it_names_them(make_jail: MakeJail) -> None:
    jail = make_jail("def reward(completions, completion_ids):\n    return [len(ids) for ids in completion_ids]\n")
    assert jail.score(["p"], ["c"], {}, completion_ids=[[1, 2]]).rewards == [2.0]


@pytest.mark.parametrize(
    ("source", "format"),
    [
        ("def reward(sample):\n    return 1.0\n", "miles"),
        ("def reward(args, sample, more):\n    return 1.0\n", "miles"),
        ("def reward(args, sample, *, more):\n    return 1.0\n", "miles"),
        ("def compute_score(data_source, /):\n    return 1.0\n", "verl"),
        ("def reward(completions):\n    return [1.0]\n", "verl"),
    ],
)
def test_a_function_that_the_format_cannot_call_is_refused(source: str, format: str) -> None:
    with pytest.raises(RewardProblem) as caught:
        check(source.encode(), format)
    assert caught.value.line == 1


def test_the_columns_that_a_function_needs_are_found() -> None:
    source = b"""
def reward(prompts, completions, answer, level=1, *, key, **columns):
    return columns["hint"], columns.get("maybe"), columns[answer], {"x": 1}["x"]
"""
    assert check(source, "trl").columns == ("answer", "key", "hint")
