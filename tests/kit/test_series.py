import json
import math
import random
import struct
from typing import Any

import pytest

from burnish.kit import series


def test_rows_come_back_exactly() -> None:
    rows: list[dict[str, Any]] = [
        {"step": 1, "values": {"loss": 1.42, "reward": 0.1}},
        {"step": 2, "values": {"loss": -1e-300}},
        {"step": 3, "values": {"reward": 1.7976931348623157e308, "kl": 5e-324}},
    ]
    assert series.decode(series.encode(rows)) == rows


def test_steps_may_repeat_fall_and_be_negative() -> None:
    steps = [5, 5, -3, 0, 2**62, -(2**62), 7]
    decoded = series.decode(series.encode([{"step": step, "values": {"a": 1.0}} for step in steps]))
    assert [row["step"] for row in decoded] == steps


def test_values_that_are_no_numbers_are_left_out() -> None:
    rows = [{"step": 1, "values": {"a": math.nan, "b": math.inf, "c": -math.inf, "d": None, "e": 0}}, {"step": 2, "values": {}}]
    assert series.decode(series.encode(rows)) == [{"step": 1, "values": {"e": 0.0}}, {"step": 2, "values": {}}]


def test_a_whole_number_is_one() -> None:
    assert series.decode(series.encode([{"step": 1, "values": {"tokens": 2**40}}]))[0]["values"] == {"tokens": float(2**40)}


def test_the_header_tells_the_extremes_without_the_values() -> None:
    rows = [{"step": step, "values": {"a": value}} for step, value in enumerate([3.0, -1.0, math.nan, 0.5])]
    rows.append({"step": 4, "values": {"never": None}})
    head = series.header(series.encode(rows))
    assert (head["n"], head["keys"]) == (5, ["a", "never"])
    assert head["stats"] == {"a": [-1.0, 3.0, 2.5, 3], "never": [0.0, 0.0, 0.0, 0]}


def test_the_layout_is_little_endian_and_as_documented() -> None:
    payload = series.encode([{"step": 1, "values": {"a": 1.0}}])
    (length,) = struct.unpack_from("<I", payload)
    assert json.loads(payload[4 : 4 + length])["n"] == 1


def test_random_sparse_rows_come_back() -> None:
    rng = random.Random(3)
    for _ in range(100):
        keys = [f"k{index}" for index in range(rng.randint(1, 6))]
        rows = [
            {"step": rng.randint(-100, 100), "values": {key: rng.uniform(-1e9, 1e9) for key in keys if rng.random() < 0.6}}
            for _ in range(rng.randint(1, 50))
        ]
        assert series.decode(series.encode(rows)) == rows


@pytest.mark.parametrize("key", ["rewards/correct/mean", "ключ", 'a"b', ""])
def test_any_text_is_a_key(key: str) -> None:
    rows = [{"step": 1, "values": {key: 1.0}}]
    assert series.decode(series.encode(rows)) == rows
