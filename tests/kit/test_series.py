import json
import math
import random
from typing import Any

import numpy as np
import pytest

from burnish.kit import series
from burnish.kit.series import Block, Table


def restored(block: Block, count: int) -> Table:
    columns = {key: series.values_of(data, count) for key, (_, data) in block.columns.items()}
    return Table(series.steps_of(block.steps, count), columns)


def through(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return plain rows as they come out of a block."""
    return series.rows(restored(series.encode(series.table(rows)), len(rows)))


def test_rows_come_back_exactly() -> None:
    rows: list[dict[str, Any]] = [
        {"step": 1, "values": {"loss": 1.42, "reward": 0.1}},
        {"step": 2, "values": {"loss": -1e-300}},
        {"step": 3, "values": {"reward": 1.7976931348623157e308, "kl": 5e-324}},
        {"step": 4, "values": {}},
    ]
    assert through(rows) == rows


@pytest.mark.parametrize("steps", [[5], [1, 1, 1], [9, 3, 7], [-(2**63) + 1, 2**63 - 1, 0], list(range(5000))])
def test_any_steps_come_back(steps: list[int]) -> None:
    rows = [{"step": step, "values": {"a": 1.0}} for step in steps]
    assert through(rows) == rows


def test_random_sparse_rows_come_back() -> None:
    rng = random.Random(3)
    for _ in range(100):
        keys = [f"k{index}" for index in range(rng.randint(1, 6))]
        rows = [
            {"step": rng.randint(-100, 100), "values": {key: rng.uniform(-1e9, 1e9) for key in keys if rng.random() < 0.6}}
            for _ in range(rng.randint(1, 50))
        ]
        assert through(rows) == rows


def test_what_is_no_number_is_absent() -> None:
    values = {"a": None, "b": math.nan, "c": math.inf, "d": -math.inf, "e": 0, "f": 2**40, "g": 10**400}
    assert series.plain([{"step": 1, "values": values}]) == [{"step": 1, "values": {"e": 0.0, "f": float(2**40)}}]


@pytest.mark.parametrize("step", [2**63, -(2**63)])
def test_a_step_that_does_not_fit_is_refused(step: int) -> None:
    with pytest.raises(OverflowError):
        series.plain([{"step": step, "values": {}}])


@pytest.mark.parametrize(("key", "stored"), [("rewards/correct/mean", None), ("ключ", None), ('a"b', None), ("", None)])
def test_any_text_is_a_key(key: str, stored: str | None) -> None:
    assert series.name(key) == (stored or key)


@pytest.mark.parametrize(("key", "stored"), [("a\0b", "a�b"), ("a\ud800", "a?"), ("k" * 300, "k" * 255)])
def test_a_key_that_no_database_holds_becomes_one_that_it_does(key: str, stored: str) -> None:
    (row,) = series.plain([{"step": 1, "values": {key: 1.0}}])
    assert row["values"] == {stored: 1.0}
    json.dumps(row, ensure_ascii=False).encode()


def test_latest_values_are_the_last_of_each_key() -> None:
    rows = [{"step": 1, "values": {"a": 1.0, "b": 2.0}}, {"step": 2, "values": {"a": 3.0}}]
    assert series.latest({"b": 0.0, "c": 9.0}, rows) == {"a": 3.0, "b": 2.0, "c": 9.0}


def test_what_repeats_is_small_and_what_does_not_is_no_larger_than_it_is() -> None:
    count = 4096
    noise = np.frombuffer(random.Random(1).randbytes(8 * count), "<f8")
    block = series.encode(Table(np.arange(count), {"flat": np.full(count, 0.25), "noise": np.nan_to_num(noise, nan=1.0)}))
    assert len(block.steps) < 200
    assert len(block.columns["flat"][1]) < 200
    assert len(block.columns["noise"][1]) <= 8 * count


def test_a_summary_tells_of_each_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "STRETCH", 4)
    values = [3.0, -1.0, math.nan, 0.5, 7.0, math.nan, math.nan, math.nan, 2.0]
    block = series.encode(Table(np.arange(10, 19), {"a": np.array(values)}))
    parts = series.parts_of(block.columns["a"][0])
    fields = ("first", "last", "min", "max", "mean", "final", "count", "bucket")
    assert [tuple(part[field] for field in fields) for part in parts] == [
        (10, 13, -1.0, 3.0, pytest.approx(2.5 / 3), 0.5, 3, 0),
        (14, 14, 7.0, 7.0, 7.0, 7.0, 1, 1),
        (18, 18, 2.0, 2.0, 2.0, 2.0, 1, 2),
    ]
    assert (block.first_step, block.last_step, block.is_ordered) == (10, 18, True)


def test_stretches_part_no_step_and_count_its_last_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "STRETCH", 2)
    table = Table(np.array([1, 2, 2, 2, 3, 4]), {"a": np.array([1.0, 2.0, 3.0, math.nan, 5.0, 6.0])})
    parts = series.parts_of(series.encode(table).columns["a"][0])
    assert [(part["first"], part["last"], part["min"], part["max"], part["count"]) for part in parts] == [
        (1, 2, 1.0, 3.0, 2),
        (3, 4, 5.0, 6.0, 2),
    ]


def test_steps_that_go_back_have_no_summary() -> None:
    block = series.encode(Table(np.array([3, 1, 2]), {"a": np.array([1.0, 2.0, 3.0])}))
    assert (block.first_step, block.last_step, block.is_ordered, block.columns["a"][0]) == (1, 3, False, b"")


def test_merging_makes_one_row_of_each_step() -> None:
    nan = math.nan
    table = Table(np.array([2, 1, 2, 1, 3]), {"a": np.array([1.0, 2.0, 3.0, nan, nan]), "b": np.array([nan, nan, nan, 4.0, 5.0])})
    assert series.rows(series.merged(table)) == [
        {"step": 1, "values": {"a": 2.0, "b": 4.0}},
        {"step": 2, "values": {"a": 3.0}},
        {"step": 3, "values": {"b": 5.0}},
    ]


@pytest.mark.parametrize(
    ("steps", "most", "count"),
    [([1, 2, 3, 4], 3, 3), ([1, 2, 2, 2], 3, 1), ([1, 1, 1, 1], 3, 3), ([1, 2, 3], 3, 2), ([1], 3, 1), ([1, 2, 2], 5, 1)],
)
def test_a_block_ends_where_a_step_does(steps: list[int], most: int, count: int) -> None:
    assert series.cut(steps, most) == count
