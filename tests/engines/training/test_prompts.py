"""Rows as the user wrote them, and prompts that fit the model."""

import json
from pathlib import Path
from typing import Any

import pytest

from engines.data import rows as row_rules
from engines.data.rules import Problem
from engines.protocol import ChildFailure
from engines.training.prompts import Row, columns_of, fit, read_rows


class Letters:
    """A tokenizer with one token a character; its chat template adds one for each message and refuses the role `tool`."""

    chat_template: Any = "a template"

    def __call__(self, text: str) -> dict[str, Any]:
        return {"input_ids": list(text)}

    def apply_chat_template(self, conversation: Any, **_: Any) -> dict[str, Any]:
        if any(message["role"] == "tool" for message in conversation):
            raise ValueError("no tools here")
        return {"input_ids": [letter for message in conversation for letter in "#" + message["content"]]}


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def failure_of(path: Path) -> str:
    with pytest.raises(ChildFailure) as caught:
        read_rows(path)
    assert (caught.value.code, caught.value.attribution) == ("dataset_error", "user")
    return caught.value.message


def test_columns_reach_the_reward_as_they_were_written(tmp_path: Path) -> None:
    path = write(tmp_path, {"prompt": "a", "answer": 1, "meta": {"x": [1]}}, {"prompt": "b", "answer": "one", "hint": "h"})
    rows = read_rows(path)
    assert [row.index for row in rows] == [0, 1]
    assert columns_of(rows) == {"answer": [1, "one"], "meta": [{"x": [1]}, None], "hint": [None, "h"]}


def test_names_of_the_rewards_own_arguments_are_no_columns(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path, {"prompt": "a", "completions": ["x"], "prompts": [], "answer": 1}))
    assert columns_of(rows) == {"answer": [1]}


def test_a_verl_row_gives_its_ground_truth_as_a_column(tmp_path: Path) -> None:
    columns = {"data_source": "sums", "reward_model": {"style": "rule", "ground_truth": "2"}, "extra_info": {"i": 0}}
    (read,) = read_rows(write(tmp_path, {"prompt": user("1+1")} | columns))
    assert read.prompt == user("1+1")
    assert read.columns == columns | {"ground_truth": "2"}


def test_blank_lines_keep_the_numbers_of_the_others(tmp_path: Path) -> None:
    assert [row.index for row in read_rows(write(tmp_path, {"prompt": "a"}, "", {"prompt": "b"}))] == [0, 2]


@pytest.mark.parametrize("prompt", [None, 7, "", " ", [], [{"role": "user"}], ["hi"], [{"role": "bot", "content": "a"}]])
def test_a_row_without_a_usable_prompt_is_named_as_an_upload_names_it(tmp_path: Path, prompt: object) -> None:
    row = {"prompt": prompt}
    with pytest.raises(Problem) as caught:
        row_rules.grpo(row)
    assert failure_of(write(tmp_path, {"prompt": "a"}, row)) == f"Line 2 of the dataset: {caught.value}."


def test_a_prompt_may_hold_a_message_that_only_calls_tools(tmp_path: Path) -> None:
    call = {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}]}
    prompt = [*user("1+1"), call, {"role": "tool", "content": "2"}]
    assert [row.prompt for row in read_rows(write(tmp_path, {"prompt": prompt}))] == [prompt]


def test_texts_and_messages_are_not_mixed(tmp_path: Path) -> None:
    assert failure_of(write(tmp_path, {"prompt": "a"}, {"prompt": user("b")})).startswith("Line 2 of the dataset:")


def test_lines_that_are_no_objects_are_named(tmp_path: Path) -> None:
    assert failure_of(write(tmp_path, "[1]")) == "Line 1 of the dataset: not a JSON object."
    assert failure_of(write(tmp_path, "{")).startswith("Line 1 of the dataset: not JSON: ")
    assert failure_of(write(tmp_path)) == "The dataset has no rows."


def test_prompts_over_the_limit_are_left_out_and_named() -> None:
    rows = [Row(0, "abc", {}), Row(1, "abcdefgh", {}), Row(2, "abcde", {}), Row(3, "abcdefghi", {})]
    fitted = fit(rows, Letters(), 5)
    assert ([row.index for row in fitted.rows], fitted.longest) == ([0, 2], 5)
    assert fitted.notice(5) == "left out 2 of 4 prompts longer than 5 tokens: line 2, 4"
    assert fit(rows, Letters(), 9).notice(9) is None


def test_only_the_first_of_many_long_prompts_are_named() -> None:
    rows = [Row(0, "a", {}), *(Row(index, "abc", {}) for index in range(1, 40))]
    notice = fit(rows, Letters(), 1).notice(1)
    assert notice == "left out 39 of 40 prompts longer than 1 tokens: line 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …"


def test_messages_are_measured_with_the_template() -> None:
    assert fit([Row(0, user("abc"), {})], Letters(), 4).longest == 4


def refusal(rows: list[Row], tokenizer: Letters, limit: int = 10) -> str:
    with pytest.raises(ChildFailure) as caught:
        fit(rows, tokenizer, limit)
    assert caught.value.code == "dataset_error"
    return caught.value.message


def test_a_dataset_of_long_prompts_only_is_refused() -> None:
    assert refusal([Row(0, "abcdef", {}), Row(1, "abcd", {})], Letters(), 3) == (
        "Every prompt is longer than max_prompt_length (3 tokens); the shortest has 4."
    )


def test_messages_need_a_model_with_a_chat_template() -> None:
    tokenizer = Letters()
    tokenizer.chat_template = None
    assert refusal([Row(0, user("a"), {})], tokenizer) == (
        "The prompts are message lists, but the base model has no chat template."
    )


def test_a_prompt_that_the_template_refuses_is_named() -> None:
    rows = [Row(0, user("a"), {}), Row(1, [{"role": "tool", "content": "b"}], {})]
    assert refusal(rows, Letters()) == "Line 2 of the dataset: the model's chat template refuses the prompt: no tools here."
