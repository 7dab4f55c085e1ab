"""Rows as each method's trainer reads them: their tokens, what of them is learned, and how they are shown."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from engines.protocol import ChildFailure
from engines.training.rendering import Renderer
from engines.training.row_tokens import RowReader, Tokens
from tests.engines.conftest import tiny_model

__all__ = ["tiny_model"]
ASKED = [{"role": "user", "content": "1+1"}]
SAID = [{"role": "assistant", "content": "two"}]


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model, local_files_only=True)


def learned(found: Tokens, tokenizer: Any) -> list[str]:
    return [tokenizer.decode(found.ids[start:end]) for start, end in found.learned]


def test_a_prompt_is_asked_and_nothing_of_it_is_learned(tokenizer: Any) -> None:
    found = RowReader("grpo", tokenizer)(0, {"prompt": ASKED, "completion": "2"})
    assert tokenizer.decode(found.ids) == tokenizer.apply_chat_template(ASKED, add_generation_prompt=True, tokenize=False)
    assert (found.length, found.learned, found.rejected) == (len(found.ids), (), ())
    assert RowReader("sft_video_gen", tokenizer)(0, {"caption": "abc", "video": "x"}).length == 3


def test_of_an_example_the_answer_with_its_end_is_learned(tokenizer: Any) -> None:
    read = RowReader("sft", tokenizer)
    end = tokenizer.eos_token
    text = read(0, {"prompt": "1+1=", "completion": "2"})
    assert (tokenizer.decode(text.ids), learned(text, tokenizer), text.length) == (f"1+1=2{end}", [f"2{end}"], 6)
    assert learned(read(0, {"text": "abc"}), tokenizer) == [f"abc{end}"]
    whole = tokenizer.apply_chat_template(ASKED + SAID, tokenize=False)
    for row in ({"messages": ASKED + SAID}, {"prompt": ASKED, "completion": SAID}):
        found = read(0, row)
        assert tokenizer.decode(found.ids) == whole
        (answer,) = learned(found, tokenizer)
        assert answer.startswith("two") and whole.endswith(answer)


def test_of_a_pair_the_longer_answer_counts(tokenizer: Any) -> None:
    found = RowReader("dpo", tokenizer)(0, {"prompt": "ab", "chosen": "c", "rejected": "defg"})
    end = tokenizer.eos_token
    assert (tokenizer.decode(found.ids), learned(found, tokenizer)) == (f"abc{end}", [f"c{end}"])
    assert (tokenizer.decode(list(found.rejected)), found.length) == (f"defg{end}", 7)


@pytest.mark.parametrize(
    ("method", "row", "message"),
    [
        ("sft", {"prompt": "a"}, "no 'messages', no 'completion' and no 'text' to learn from"),
        ("dpo", {"prompt": "a", "chosen": "b"}, "no 'rejected'"),
        ("grpo", {"text": "a"}, "no 'prompt'"),
    ],
)
def test_a_row_that_does_not_serve_has_its_line(tokenizer: Any, method: str, row: dict[str, Any], message: str) -> None:
    with pytest.raises(ChildFailure) as caught:
        RowReader(method, tokenizer)(6, row)
    assert (caught.value.code, caught.value.message) == ("dataset_error", f"Line 7 of the dataset: {message}.")


def test_pieces_tell_what_is_special_and_what_is_learned(tokenizer: Any) -> None:
    shown = Renderer("dpo", tokenizer)(3, {"prompt": "ab", "chosen": "c", "rejected": "de"})
    end = {"text": tokenizer.eos_token, "special": True, "learned": True, "tokens": 1}
    assert shown == {
        "number": 3,
        "tokens": 5,
        "pieces": [
            {"text": "ab", "special": False, "learned": False, "tokens": 2},
            {"text": "c", "special": False, "learned": True, "tokens": 1},
            end,
        ],
        "rejected": [{"text": "de", "special": False, "learned": True, "tokens": 2}, end],
        "truncated": False,
        "problem": None,
    }
    refused = Renderer("sft", tokenizer)(4, {"prompt": "a"})
    assert (refused["pieces"], refused["problem"][:25]) == ([], "Line 5 of the dataset: no")
