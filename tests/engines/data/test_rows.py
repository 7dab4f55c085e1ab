"""What each method wants of a row, and how many rows of a file serve it."""

import json
from pathlib import Path
from typing import Any

import pytest

from engines.data import jsonl, rows
from engines.data.rules import Problem

ASKED = [{"role": "user", "content": "1+1"}]
SAID = [{"role": "assistant", "content": "2"}]
CALLED = [
    {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}]}
]


@pytest.mark.parametrize(
    ("method", "row", "form"),
    [
        ("grpo", {"prompt": "a"}, "texts"),
        ("grpo", {"prompt": ASKED}, "messages"),
        ("sft", {"messages": ASKED + SAID}, "'messages'"),
        ("sft", {"messages": ASKED + CALLED, "tools": '[{"type": "function"}]'}, "'messages'"),
        ("sft", {"prompt": "a", "completion": "b"}, "'prompt' and 'completion' as texts"),
        ("sft", {"prompt": ASKED, "completion": SAID}, "'prompt' and 'completion' as messages"),
        ("sft", {"prompt": "a", "text": "b"}, "'text'"),
        ("sft", {"prompt": "a", "completion": "b", "messages": ASKED + SAID}, "'messages'"),
        ("sft", {"messages": None, "completion": None, "text": "b"}, "'text'"),
        ("dpo", {"prompt": "a", "chosen": "b", "rejected": "c"}, "'prompt', 'chosen' and 'rejected' as texts"),
        ("dpo", {"prompt": ASKED, "chosen": SAID, "rejected": SAID}, "'prompt', 'chosen' and 'rejected' as messages"),
        ("sft_video_gen", {"caption": "a", "video": "https://a.b/c.mp4"}, "a clip and its caption"),
        ("sft_video_gen", {"caption": "a", "video": "https://a.b:8443/my clip.mp4?key=1"}, "a clip and its caption"),
        ("sft_video_gen", {"prompt": None, "caption": "a", "file_name": "https://a.b/c.mp4"}, "a clip and its caption"),
    ],
)
def test_a_row_that_serves_has_a_form(method: str, row: dict[str, Any], form: str) -> None:
    assert rows.forms_of(row)[method] == form


@pytest.mark.parametrize(
    ("method", "row", "message"),
    [
        ("grpo", {"messages": ASKED}, "no 'prompt'"),
        ("grpo", {"caption": "a", "video": "https://a.b/c.mp4"}, "no 'prompt'"),
        ("sft", {"prompt": "a"}, "no 'messages', no 'completion' and no 'text' to learn from"),
        ("sft", {"messages": "a"}, "'messages' is a list of messages"),
        ("sft", {"messages": ASKED}, "'messages' has no message of the assistant to learn from"),
        ("sft", {"messages": [*ASKED, {"role": "bot", "content": "2"}]}, "'messages[1]' is not a message {role, content}"),
        ("sft", {"messages": [*ASKED, {"role": "assistant", "content": None}]}, "'messages[1]' is not a message {role, content}"),
        ("sft", {"messages": ASKED + SAID, "tools": "f()"}, "'tools' is not JSON"),
        ("sft", {"messages": ASKED + SAID, "tools": ["f"]}, "'tools' is a list of objects"),
        ("sft", {"completion": "b"}, "no 'prompt'"),
        ("sft", {"prompt": "a", "completion": " "}, "'completion' is empty"),
        ("sft", {"prompt": "a", "completion": SAID}, "'completion' is a text where 'prompt' is one"),
        ("sft", {"prompt": ASKED, "completion": "b"}, "'completion' is a list of messages where 'prompt' is one"),
        ("sft", {"prompt": ASKED, "completion": ASKED}, "'completion' does not end with a message of the assistant"),
        ("sft", {"text": ""}, "'text' is empty"),
        ("sft", {"text": 7}, "'text' is a text"),
        ("dpo", {"prompt": "a", "chosen": "b"}, "no 'rejected'"),
        ("dpo", {"prompt": "a", "rejected": "b"}, "no 'chosen'"),
        ("dpo", {"chosen": "b", "rejected": "c"}, "no 'prompt'"),
        ("dpo", {"prompt": ASKED, "chosen": SAID, "rejected": "c"}, "'rejected' is a list of messages where 'prompt' is one"),
        ("sft_video_gen", {"prompt": "a"}, "no clip: a row has one of video, video_path, file_name"),
        ("sft_video_gen", {"prompt": ASKED, "video": "https://a.b/c.mp4"}, "'prompt' of a clip is a text"),
        ("sft_video_gen", {"prompt": "a", "video": "https://[x/a.mp4?key=1"}, "'https://[x/a.mp4' is no URL that can be fetched"),
        (
            "sft_video_gen",
            {"prompt": "a", "video": "https://\u2100.com/a"},
            "'https://\u2100.com/a' is no URL that can be fetched",
        ),
        ("sft_video_gen", {"prompt": "a", "video": "https:///a.mp4"}, "'https:///a.mp4' is no URL that can be fetched"),
        ("sft_video_gen", {"prompt": "a", "video": "https://a.b:99999/c"}, "'https://a.b:99999/c' is no URL that can be fetched"),
        ("sft_video_gen", {"prompt": "a", "video": "https://a.b/\n"}, "'https://a.b/\n' is no URL that can be fetched"),
        ("sft_video_gen", {"prompt": "a", "video": "http://a.b/c"}, "'http://a.b/c' is no https URL, and without an archive"),
    ],
)
def test_a_row_that_does_not_serve_says_why(method: str, row: dict[str, Any], message: str) -> None:
    found = rows.forms_of(row)[method]
    assert isinstance(found, Problem) and str(found).startswith(message)


def test_a_clip_may_be_named_by_its_path_in_an_archive_only() -> None:
    row = {"prompt": "a", "video": "a.mp4"}
    assert rows.forms_of(row, archived=True)["sft_video_gen"] == "a clip and its caption"
    assert isinstance(rows.forms_of(row)["sft_video_gen"], Problem)
    assert isinstance(rows.forms_of({"prompt": "a", "video": "https://[x/a.mp4"}, archived=True)["sft_video_gen"], Problem)


def test_an_upload_names_the_line_of_a_url_that_is_none(tmp_path: Path) -> None:
    good = {"caption": "a", "video": "https://a.b/c.mp4"}
    assert inspect([good, good | {"video": "https://[x/a.mp4"}], tmp_path).problems == [
        {"line": 2, "message": "'https://[x/a.mp4' is no URL that can be fetched"}
    ]


def inspect(content: list[dict[str, Any]], folder: Path) -> jsonl.Report:
    path = folder / "rows.jsonl"
    path.write_bytes("".join(json.dumps(row) + "\n" for row in content).encode())
    return jsonl.inspect(path, max_line_bytes=100_000, scratch=folder)


def test_a_file_serves_each_method_as_far_as_its_rows_do(tmp_path: Path) -> None:
    pair = {"prompt": "a", "chosen": "b", "rejected": "c"}
    report = inspect([pair, {**pair, "completion": "x"}, {"prompt": "b", "chosen": "b"}, {**pair, "prompt": ASKED}], tmp_path)
    assert report.problems == []
    assert report.methods == {
        "grpo": {
            "rows": 3,
            "problems": [{"line": 4, "message": "has messages, and line 1 has texts: all rows of a job have one form"}],
        },
        "sft": {
            "rows": 1,
            "problems": [
                {"line": line, "message": "no 'messages', no 'completion' and no 'text' to learn from"} for line in (1, 3, 4)
            ],
        },
        "dpo": {
            "rows": 2,
            "problems": [
                {"line": 3, "message": "no 'rejected'"},
                {"line": 4, "message": "'chosen' is a list of messages where 'prompt' is one"},
            ],
        },
        "sft_video_gen": {
            "rows": 0,
            "problems": [{"line": 1, "message": "no clip: a row has one of video, video_path, file_name"}],
        },
    }


def test_rows_of_every_method_are_a_dataset_and_their_repetitions_are_found(tmp_path: Path) -> None:
    report = inspect(
        [
            {"messages": ASKED + SAID},
            {"messages": ASKED + SAID},
            {"text": "a"},
            {"text": "a"},
            {"prompt": "a", "completion": "b"},
        ],
        tmp_path,
    )
    assert (report.problems, report.num_rows) == ([], 5)
    # The prompt of the last row is the text of two others.
    assert report.duplicate_prompts == 3


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "2"}, "no 'prompt', 'messages' or 'text'"),
        ({"messages": ASKED}, "'messages' has no message of the assistant to learn from"),
        ({"prompt": "", "chosen": "a"}, "'prompt' is empty"),
        ({"text": " "}, "'text' is empty"),
        ({"caption": "a", "video": "a.mp4"}, "'a.mp4' is no https URL, and without an archive there is no file"),
    ],
)
def test_a_row_that_serves_nothing_is_told_what_it_lacks_most_likely(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    assert inspect([{"prompt": "a"}, row], tmp_path).problems == [{"line": 2, "message": message}]


def test_a_row_that_names_a_task_of_an_environment_needs_no_prompt(tmp_path: Path) -> None:
    report = inspect([{"task_index": 0}, {"task_index": 0, "split": "test"}, {"task": {"n": 1}}, {"task": {"n": 1}}], tmp_path)
    assert (report.problems, report.num_rows, report.duplicate_prompts) == ([], 4, 1)
    assert report.methods["grpo"] == {"rows": 0, "problems": [{"line": 1, "message": "no 'prompt'"}]}
    assert inspect([{"task_index": "0"}], tmp_path).problems != []


def test_what_is_kept_of_problems_is_bounded(tmp_path: Path) -> None:
    report = inspect([{"prompt": "a", "completion": "b"}] + [{"prompt": "a"}] * 100, tmp_path)
    fit = report.methods["sft"]
    assert (fit["rows"], [problem["line"] for problem in fit["problems"]]) == (1, list(range(2, 22)))
