"""Which prompts a trained model is asked, by a tokenizer that counts words."""

import json
from pathlib import Path
from typing import Any

import pytest

from engines import evidence
from engines.evidence import Base, Evidence, Prompt, Unreadable
from engines.training import parity
from engines.training.prompts import Row


class Words:
    """A tokenizer with a token a word."""

    chat_template = "{{ messages }}"

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": list(range(len(text.split())))}

    def apply_chat_template(self, conversation: Any, **_: Any) -> dict[str, list[int]]:
        return self(" ".join(str(message["content"]) for message in conversation))


def row(index: int, prompt: Any) -> Row:
    return Row(index, prompt if not isinstance(prompt, int) else "word " * prompt, {})


def chosen(*rows: Row) -> list[int]:
    return [found.index for found, _ in parity.choose(rows, Words())]


def test_the_prompts_are_from_all_over_the_dataset_and_the_same_each_time() -> None:
    rows = [row(index, 3) for index in range(1000)]
    assert chosen(*rows) == chosen(*rows) == [0, 250, 500, 750]


def test_a_dataset_of_two_rows_gives_two_prompts() -> None:
    assert chosen(row(0, 3), row(1, 5)) == [0, 1]


def test_long_prompts_are_taken_only_where_there_are_no_short_ones() -> None:
    long, short = [row(index, 600) for index in range(4)], [row(index, 6) for index in range(4, 8)]
    assert chosen(*long, *short) == [4, 5, 6, 7]
    assert chosen(*long, row(4, 800), row(5, 7)) == [5, 0, 1, 2]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "judge", "content": "Hi"},
        {"role": "user", "content": "Hi", "name": "me"},
    ],
)
def test_prompts_that_no_plain_request_can_be_written_of_come_last(message: dict[str, Any]) -> None:
    odd = [row(index, [message]) for index in range(4)]
    plain = [row(index, [{"role": "user", "content": "How are you"}]) for index in range(4, 7)]
    assert [parity.is_plain(each) for each in (*odd, *plain)] == [False] * 4 + [True] * 3
    assert chosen(*odd, *plain) == [4, 5, 6, 0]


PROMPT: dict[str, Any] = {
    "messages": None,
    "text": "1+1=",
    "prompt_ids": [1],
    "completion_ids": [2, 3],
    "logprobs": {"model": [-0.5, -0.1]},
}


def test_evidence_is_read_as_it_was_written(tmp_path: Path) -> None:
    base = Base(name="tiny", revision=None, chat_template_sha256=None)
    written = Evidence(base=base, dtype="bfloat16", prompts=[Prompt.model_validate(PROMPT)])
    assert evidence.read(tmp_path) is None
    written.write(tmp_path)
    assert evidence.read(tmp_path) == written


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"prompts": [{**PROMPT, "logprobs": {"model": [-0.5]}}]}, {"prompts": [{**PROMPT, "more": 1}]}]
)
def test_evidence_that_is_not_understood_is_said_to_be(tmp_path: Path, change: dict[str, Any]) -> None:
    base = {"name": None, "revision": None, "chat_template_sha256": None}
    content = {"version": 1, "base": base, "dtype": "float32", "prompts": [PROMPT], **change}
    (tmp_path / evidence.FILE).write_text(json.dumps(content))
    with pytest.raises(Unreadable, match=r"parity\.json cannot be read"):
        evidence.read(tmp_path)


def test_a_template_is_the_one_that_the_tokenizer_will_have(tmp_path: Path) -> None:
    assert evidence.template_of(tmp_path) is None
    named = [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert evidence.template_of(tmp_path) == {"default": "a", "tool_use": "b"}
    (tmp_path / "chat_template.jinja").write_text("c")
    assert evidence.template_of(tmp_path) == "c"
    assert len({evidence.template_hash(template) for template in ("a", "b", {"default": "a"}, None)}) == 4
