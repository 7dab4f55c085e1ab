"""The rules of a file's lines: everything at once, by line, in bounded memory, whatever is in there."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.data import jsonl, seen
from engines.data.jsonl import Report

LIMIT = 1000


def inspect(content: bytes, folder: Path) -> Report:
    path = folder / "rows.jsonl"
    path.write_bytes(content)
    return jsonl.inspect(path, max_line_bytes=LIMIT, scratch=folder)


def test_every_kind_of_problem_is_told_in_one_go(tmp_path: Path) -> None:
    lines = [
        b'{"prompt": "fine", "id": 1}',
        b"not json",
        b"[1]",
        b'{"prompt": "a", "x": NaN}',
        b'{"prompt": "a", "x": 1, "x": 2}',
        b'{"prompt": "b", "id": 1}',
        b'{"prompt": "\xff"}',
        b'{"prompt": "' + b"a" * 2000 + b'"}',
        b'{"answer": "2"}',
        b'{"prompt": "fine too", "id": 2}',
    ]
    report = inspect(b"\n".join(lines), tmp_path)
    assert [(item["line"], item["message"]) for item in report.problems] == [
        (2, "not JSON: Expecting value at column 1"),
        (3, "a row is a JSON object"),
        (4, "NaN is not JSON"),
        (5, 'the key "x" stands twice'),
        (6, "id 1 was used on line 1 already"),
        (7, "not UTF-8 at byte 12"),
        (8, f"longer than {LIMIT} bytes"),
        (9, "no 'prompt', 'messages' or 'text'"),
    ]


def test_a_line_of_any_length_is_read_past_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as file:
        file.write(b'{"prompt": "' + b"a" * 40_000_000 + b'"}\n{"prompt": "b"}\nx\n')
    tracemalloc.start()
    report = jsonl.inspect(path, max_line_bytes=LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [item["line"] for item in report.problems] == [1, 3]
    assert report.num_rows == 1
    assert peak < 8_000_000


def test_the_counts_are_those_of_the_file(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "a", "answer": "1", "level": 1},
        {"prompt": [{"role": "user", "content": "b"}], "answer": 2.5},
        {"prompt": "a", "answer": None, "level": True},
        {"caption": "a cat", "video": "https://example.com/cat.mp4"},
    ]
    report = inspect("".join(json.dumps(row) + "\n" for row in rows).encode(), tmp_path)
    assert report.problems == []
    assert (report.num_rows, report.duplicate_prompts, report.video_rows) == (4, 1, 1)
    assert report.statistics["columns"] == [
        {"name": "prompt", "types": {"array": 1, "string": 2}, "missing": 1},
        {"name": "answer", "types": {"null": 1, "number": 1, "string": 1}, "missing": 1},
        {"name": "level", "types": {"boolean": 1, "integer": 1}, "missing": 2},
        {"name": "caption", "types": {"string": 1}, "missing": 3},
        {"name": "video", "types": {"string": 1}, "missing": 3},
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"caption": "a cat"}, "no 'prompt', 'messages' or 'text'"),
        ({"caption": "", "video": "a.mp4"}, "'caption' is empty"),
        ({"caption": 7, "video_path": "a.mp4"}, "'caption' is a text"),
        ({"video": "a.mp4"}, "no 'prompt'"),
    ],
)
def test_a_video_row_needs_its_text(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    assert inspect(json.dumps(row).encode(), tmp_path).problems == [{"line": 1, "message": message}]


def test_verls_rows_are_rows(tmp_path: Path) -> None:
    row = {
        "data_source": "gsm8k",
        "prompt": [{"role": "user", "content": "1+1"}],
        "reward_model": {"style": "rule", "ground_truth": "2"},
        "extra_info": {"split": "train"},
    }
    assert inspect(json.dumps(row).encode(), tmp_path).problems == []


def test_columns_without_end_are_refused(tmp_path: Path) -> None:
    content = b"".join(b'{"prompt": "a", "k%d": 1}\n' % number for number in range(1005))
    report = inspect(content, tmp_path)
    assert report.problems[0] == {"line": 1000, "message": "with it the rows have more than 1000 different keys"}


def test_repetitions_far_apart_are_found_with_what_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "IN_MEMORY", 100)
    monkeypatch.setattr(jsonl, "NAMED_IDS", 10)
    rows = [{"prompt": f"p{number % 4000}", "id": number} for number in range(5000)]
    rows += [{"prompt": "x", "id": 3}, {"prompt": "y", "id": 4321}, {"prompt": "z", "id": "4321"}]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    report = inspect(content, tmp_path)
    assert report.problems == [
        {"line": 5001, "message": "id 3 was used on line 4 already"},
        {"line": 5002, "message": "its id was used on line 4322 already"},
    ]
    assert report.duplicate_prompts == 1000
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_millions_of_ids_take_no_more_memory_than_thousands(tmp_path: Path) -> None:
    index = seen.Seen(tmp_path)
    tracemalloc.start()
    for number in range(1_500_000):
        index.add(b"%d" % number, number)
    index.add(b"77", 1_500_000)
    found = index.repeated(20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    index.close()
    assert found == (1, [(1_500_000, 77)])
    assert peak < 80_000_000


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
LINES = st.one_of(
    st.binary(max_size=60),
    st.fixed_dictionaries({"prompt": VALUES}, optional={"id": VALUES, "x": VALUES}).map(lambda row: json.dumps(row).encode()),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.just(b'{"prompt": "a"}'),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINES, max_size=30), end=st.sampled_from([b"\n", b"\r\n"]))
def test_whatever_a_file_holds_is_a_dataset_or_told_by_line(tmp_path: Path, lines: list[bytes], end: bytes) -> None:
    content = end.join(lines)
    report = inspect(content, tmp_path)
    count = content.count(b"\n") + 1
    assert all(1 <= item["line"] <= count for item in report.problems)
    assert [item["line"] for item in report.problems] == sorted({item["line"] for item in report.problems})
    if not report.problems:
        # What passes is what every reader of JSON takes, with no surprise in it.
        rows = [json.loads(line, parse_constant=_refuse) for line in content.decode("utf-8-sig").split("\n") if line.strip()]
        assert len(rows) == report.num_rows
        assert all(isinstance(row, dict) and row["prompt"] for row in rows)
        json.dumps(rows, ensure_ascii=False, allow_nan=False).encode()
        assert report.size_bytes == len(content)


def _refuse(name: str) -> None:
    raise AssertionError(name)
