"""Which lines are rows of SFT and DPO, and how they become tokens, by a tokenizer with a token a character."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engines.protocol import ChildFailure
from engines.training import text_rows
from engines.training.text_rows import Example, Pair
from engines.training.text_tokens import IGNORED, Reader, fit

END = "$"


class Characters:
    """A tokenizer with a token a character, and two letters that become one token: `ab`."""

    eos_token_id = ord(END)
    chat_template: str | None = "there is one"

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        ids = [0x100 if piece == "ab" else ord(piece) for piece in re.findall("ab|.", text)]
        return {"input_ids": [ord("^"), *ids] if add_special_tokens else ids}

    def render(self, messages: list[dict[str, Any]]) -> str:
        return "".join(f"{message['role'][0]}:{message['content']};" for message in messages)

    def apply_chat_template(self, messages: Any, *, tools: Any, add_generation_prompt: bool, **_: Any) -> dict[str, list[int]]:
        if any(message["content"] == "refused" for message in messages):
            raise ValueError("not this")
        text = "".join(f"[{tool['name']}]" for tool in tools or []) + self.render(messages)
        return {"input_ids": [ord(piece) for piece in text + ("a:" if add_generation_prompt else "")]}


class Forgetful(Characters):
    """Drops what earlier answers thought, as templates of reasoning models do."""

    def render(self, messages: list[dict[str, Any]]) -> str:
        last = len(messages) - 1
        return super().render(
            [
                message if at == last else message | {"content": message["content"].partition("|")[2] or message["content"]}
                for at, message in enumerate(messages)
            ]
        )


class Leading(Characters):
    """Asks with a word that its answers do not begin with."""

    def apply_chat_template(self, messages: Any, *, add_generation_prompt: bool, **kwargs: Any) -> dict[str, list[int]]:
        ids = super().apply_chat_template(messages, add_generation_prompt=add_generation_prompt, **kwargs)["input_ids"]
        return {"input_ids": [*ids, ord("T")] if add_generation_prompt else ids}


def messages(*contents: str) -> list[dict[str, Any]]:
    return [{"role": "user" if at % 2 == 0 else "assistant", "content": content} for at, content in enumerate(contents)]


def shown(reader: Reader, example: Example) -> list[tuple[str, str]]:
    """Return the text of each sequence, and the same with a dot for what is not learned."""
    return [
        (text(sequence.ids), "".join("." if label == IGNORED else text([label]) for label in sequence.labels))
        for sequence in reader.example(example)
    ]


def text(ids: Any) -> str:
    return "".join("ab" if token == 0x100 else chr(token) for token in ids)


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_the_answers_of_a_conversation_are_learned_and_their_ends() -> None:
    whole = "u:1;a:22;u:3;a:4;"
    example = Example(0, [], messages("1", "22", "3", "4"))
    assert shown(Reader(Characters()), example) == [(whole, "......22;......4;")]
    assert shown(Reader(Characters(), answers_only=False), example) == [(whole, whole)]


def test_of_a_prompt_in_messages_nothing_is_learned() -> None:
    example = Example(0, messages("1", "22", "3"), messages("", "4")[1:], [{"name": "add"}])
    assert shown(Reader(Characters()), example) == [
        ("[add]u:1;a:22;u:3;a:4;", "....................4;"[:5] + "...............4;")
    ]


def test_a_template_that_rewrites_earlier_answers_makes_a_sequence_of_each() -> None:
    reader = Reader(Forgetful())
    found = shown(reader, Example(0, [], messages("1", "t|2", "3", "t|4")))
    assert found == [("u:1;a:t|2;", "......t|2;"), ("u:1;a:2;u:3;a:t|4;", "..............t|4;")]
    assert (reader.rewritten, reader.asks_otherwise) == (1, False)


def test_a_template_that_asks_otherwise_than_it_answers_is_noticed() -> None:
    reader = Reader(Leading())
    assert shown(reader, Example(0, [], messages("1", "2"))) == [("u:1;a:2;", "......2;")]
    assert (reader.rewritten, reader.asks_otherwise) == (0, True)


def test_a_completion_ends_and_begins_where_the_model_is_asked() -> None:
    reader = Reader(Characters())
    assert shown(reader, Example(0, "1+", "2")) == [("^1+2$", "...2$")]
    assert shown(reader, Example(0, "1+", "2$")) == [("^1+2$", "...2$")]
    # Tokenised as one text, the last letter of the prompt and the first of the answer would be one token.
    assert shown(reader, Example(0, "xa", "by")) == [("^xaby$", "...by$")]
    assert [len(sequence) for sequence in reader.example(Example(0, "xa", "by"))] == [6]
    assert shown(reader, Example(0, "xy", "ab")) == [("^xyab$", "...ab$")]


def test_of_a_text_everything_is_learned() -> None:
    assert shown(Reader(Characters()), Example(0, "", "1+2")) == [("^1+2$", "^1+2$")]


def test_a_pair_is_a_prompt_and_two_answers() -> None:
    reader = Reader(Characters())
    (plain,) = reader.pair(Pair(0, "xa", "by", "c"))
    assert [text(ids) for ids in (plain.prompt, plain.chosen, plain.rejected)] == ["^xa", "by$", "c$"]
    assert len(plain) == 6
    (chat,) = reader.pair(Pair(0, messages("1"), messages("", "2")[1:], messages("", "33")[1:]))
    assert [text(ids) for ids in (chat.prompt, chat.chosen, chat.rejected)] == ["u:1;a:", "2;", "33;"]


def test_rows_over_the_limit_are_left_out_whole_and_named() -> None:
    rows = [Example(index, "", "x" * (5 if index % 2 else 20)) for index in range(30)]
    fitted = fit(rows, Reader(Characters()).example, 10)
    assert [row.index for row, _ in fitted.rows] == list(range(1, 30, 2))
    named = "line 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, …"
    assert fitted.notice(10) == f"left out 15 of 30 rows longer than 10 tokens: {named}"
    assert fit(rows, Reader(Characters()).example, 22).notice(22) is None
    with pytest.raises(ChildFailure) as caught:
        fit(rows, Reader(Characters()).example, 6)
    assert caught.value.message == "Every row is longer than max_length (6 tokens); the shortest has 7."


def test_messages_need_a_template_that_takes_them() -> None:
    bare = Characters()
    bare.chat_template = None
    for tokenizer, row, message in (
        (bare, Example(0, [], messages("1", "2")), "The rows are message lists, but the base model has no chat template."),
        (
            Characters(),
            Example(4, [], messages("refused", "2")),
            "Line 5 of the dataset: the model's chat template refuses it: not this.",
        ),
    ):
        with pytest.raises(ChildFailure) as caught:
            Reader(tokenizer).example(row)
        assert (caught.value.code, caught.value.message) == ("dataset_error", message)


def test_the_forms_of_sft_rows(tmp_path: Path) -> None:
    chat, answer = messages("1", "2"), messages("", "2")[1:]
    tools = [{"name": "add"}]
    for row, expected in (
        ({"messages": chat, "tools": json.dumps(tools)}, Example(0, [], chat, tools)),
        ({"messages": chat, "tools": None, "prompt": None}, Example(0, [], chat)),
        ({"prompt": "1", "completion": "2", "id": 7}, Example(0, "1", "2")),
        ({"prompt": chat[:1], "completion": answer}, Example(0, chat[:1], answer)),
        ({"text": "1 2"}, Example(0, "", "1 2")),
        ({"text": "1 2", "tools": "none"}, Example(0, "", "1 2")),
        ({"prompt": "1", "completion": "2", "tools": "none"}, Example(0, "1", "2")),
        ({"prompt": chat[:1], "completion": answer, "tools": tools}, Example(0, chat[:1], answer, tools)),
        ({"messages": chat, "tools": ""}, Example(0, [], chat)),
    ):
        assert text_rows.examples(written(tmp_path / "rows.jsonl", row)) == [expected]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (['{"text": "a"}', "", "{"], "Line 3 of the dataset: not JSON: "),
        ([{"messages": messages("1")}], "Line 1 of the dataset: 'messages' has no message of the assistant to learn from."),
        ([{"text": "a"}, {"prompt": "1"}], "Line 2 of the dataset: no 'messages', no 'completion' and no 'text' to learn from."),
        (
            [{"text": "a"}, {"prompt": "1", "completion": "2"}],
            "Line 2 of the dataset: it has 'prompt' and 'completion' as texts, ",
        ),
        ([{"text": "a"}, {"text": "b", "messages": messages("1", "2"), "tools": "x"}], "Line 2 of the dataset: "),
        ([{"messages": messages("1", "2"), "tools": "x"}], "Line 1 of the dataset: 'tools' is not JSON."),
        ([{"messages": messages("1", "2"), "tools": [1]}], "Line 1 of the dataset: 'tools' is a list of objects."),
        ([], "The dataset has no rows."),
    ],
)
def test_what_is_no_row_of_sft_is_named_by_its_line(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(ChildFailure) as caught:
        text_rows.examples(written(tmp_path / "rows.jsonl", *rows))
    assert caught.value.code == "dataset_error" and caught.value.message.startswith(message)


def test_what_is_no_pair_is_named_by_its_line(tmp_path: Path) -> None:
    good = {"prompt": "1", "chosen": "2", "rejected": "3"}
    path = written(tmp_path / "rows.jsonl", good, {"prompt": "1", "chosen": "2"})
    with pytest.raises(ChildFailure, match=re.escape("Line 2 of the dataset: no 'rejected'.")):
        text_rows.pairs(path)
    assert text_rows.pairs(written(path, good)) == [Pair(0, "1", "2", "3")]
    assert text_rows.pairs(written(path, good | {"tools": "none"})) == [Pair(0, "1", "2", "3")]
    same = text_rows.pairs(written(path, good | {"rejected": "2"}))
    assert [pair.teaches for pair in same] == [False]


def test_the_trained_model_is_asked_what_comes_before_an_answer() -> None:
    chat = messages("1", "2", "3", "4")
    asked = [
        Example(0, [], chat).prompt,
        Example(1, chat[:3], chat[3:]).prompt,
        Example(2, "1+", "2").prompt,
        Example(3, "", "x" * 300).prompt,
        Pair(4, "1", "2", "3").prompt,
    ]
    assert [row.prompt for row in asked if row is not None] == [chat[:3], chat[:3], "1+", "x" * 256, "1"]
    assert Example(0, [], chat, [{"name": "add"}]).prompt is None
    assert Example(0, [], messages("", "2")[1:]).prompt is None
