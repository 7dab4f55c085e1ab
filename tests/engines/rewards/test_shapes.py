import json
import textwrap
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy
import pytest

from engines.rewards import shapes
from engines.rewards.answers import Answer, normalise, verify
from engines.rewards.calls import accepted
from engines.rewards.shapes import RewardProblem, check

GOOD = b"def reward(prompts, completions, **kwargs):\n    return [1.0] * len(completions)\n"


def problem_of(source: bytes | str, format: str = "trl") -> tuple[str, int | None]:
    data = textwrap.dedent(source).encode() if isinstance(source, str) else source
    with pytest.raises(RewardProblem) as caught:
        check(data, format)
    return caught.value.message, caught.value.line


def wrong(answer: object, count: int) -> str:
    with pytest.raises(RewardProblem) as caught:
        normalise(answer, count)
    return caught.value.message


@pytest.mark.parametrize(
    "source",
    [
        GOOD,
        b"async def reward(completions, **kwargs): ...\n",
        b"\xef\xbb\xbf" + GOOD,
        b"# -*- coding: latin-1 -*-\n# \xc3\xa9\n" + GOOD,
        b"raise SystemExit('run')\n" + GOOD,
        b"pattern = '\\d'\n" + GOOD,
    ],
)
def test_a_file_with_the_function_passes_without_being_run(source: bytes) -> None:
    check(source, "trl")


def test_a_parse_error_names_its_line() -> None:
    message, line = problem_of("import re\n\ndef reward(completions:\n    return []\n")
    assert (message, line) == ("SyntaxError: '(' was never closed", 3)


def test_a_return_outside_a_function_is_a_parse_error() -> None:
    assert problem_of(GOOD + b"return 1\n") == ("SyntaxError: 'return' outside function", 3)


def test_bytes_that_are_no_utf8_or_hold_nul_are_refused_with_the_line() -> None:
    assert problem_of(GOOD + b"x = '\xff'\n") == ("The file is not UTF-8.", 3)
    assert problem_of(GOOD + b"\n\0") == ("The file holds a NUL byte.", 4)


def test_a_file_over_the_limit_is_refused() -> None:
    size = shapes.MAX_SOURCE_BYTES + 1
    assert problem_of(GOOD.ljust(size, b"\n")) == (f"The file has {size} bytes; at most 262144 are allowed.", None)
    check(GOOD.ljust(shapes.MAX_SOURCE_BYTES, b"\n"), "trl")


def test_a_file_without_the_function_is_refused() -> None:
    assert problem_of("x = 1\n") == ("The file defines no top-level function; it must have `def reward(`.", 1)
    nested = "import re\nclass A:\n    def reward(self): ...\n\ndef score(x): ...\n"
    assert problem_of(nested) == ("The file defines `score` at its top level, but no `def reward(`.", 5)


def test_positional_only_parameters_are_refused() -> None:
    message, line = problem_of("def reward(prompts, completions, /): ...\n")
    assert (message, line) == ("`reward` is called by keyword and cannot take positional-only parameters.", 1)


@pytest.mark.parametrize("source", ["-" * 100_000 + "1", "a" + ".b" * 60_000, "1" + "+1" * 60_000, "f" + "()" * 60_000])
def test_a_file_nested_beyond_the_parser_is_refused(source: str) -> None:
    assert problem_of(source) == ("The file is nested too deeply to be parsed.", 1)


def test_an_unknown_format_is_refused_by_name() -> None:
    assert problem_of(GOOD, "lua") == ("Unknown reward function format 'lua'; the formats are trl, miles, verl.", None)


def test_the_entry_line_is_that_of_the_definition_that_counts() -> None:
    assert check(b"def reward(): ...\n\n" + GOOD, "trl").line == 3


def test_imports_are_found_wherever_they_are() -> None:
    source = b"import os.path, re as r\nasync def reward():\n    from scipy import stats\n    from . import own\n"
    assert sorted(check(source, "trl").modules) == [("asyncio", []), ("os.path", []), ("re", []), ("scipy", ["stats"])]


def test_a_function_gets_what_it_names_or_everything() -> None:
    offered = {"prompts": 1, "completions": 2, "answer": 3, "args": 4}

    def named(completions: Any, answer: Any, *args: Any, other: Any = None) -> None: ...

    def greedy(completions: Any, **columns: Any) -> None: ...

    assert accepted(named, offered) == {"completions": 2, "answer": 3}
    assert accepted(greedy, offered) == offered


def test_a_parameter_that_no_column_fills_is_named() -> None:
    def reward(completions: Any, solution: Any) -> None: ...

    with pytest.raises(RewardProblem) as caught:
        accepted(reward, {"completions": 1, "label": 2})
    assert caught.value.message == "reward() requires 'solution', but the batch has only 'completions', 'label'."


def test_numbers_of_every_kind_become_floats_and_none_stays() -> None:
    answer = (1, True, None, 0.5, Decimal("0.25"), Fraction(1, 8), numpy.float32(2), numpy.int64(3), numpy.bool_(True))
    assert normalise(answer, 9).rewards == [1.0, 1.0, None, 0.5, 0.25, 0.125, 2.0, 3.0, 1.0]
    rewards = normalise(numpy.array([0.5, 1.5]), 2).rewards
    assert rewards == [0.5, 1.5]
    assert {type(reward) for reward in rewards} == {float}


def test_a_dict_names_components_and_its_reward_is_their_sum() -> None:
    answer = [{"right": 1, "short": 0.5}, {"right": 0, "short": None}, {"right": None}, None, 2]
    assert normalise(answer, 5) == Answer(
        rewards=[1.5, 0.0, None, None, 2.0],
        components={"right": [1.0, 0.0, None, None, None], "short": [0.5, None, None, None, None]},
        errors=[None] * 5,
        lines=[None] * 5,
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "reward() returned None instead of a list of 2 rewards; is a `return` missing?"),
        (1.0, "reward() returned a float instead of a list of 2 rewards."),
        ((x for x in (1, 2)), "reward() returned a generator instead of a list of 2 rewards."),
        ({"a": 1, "b": 2}, "reward() returned a dict instead of a list of 2 rewards."),
        ("ab", "reward() returned a str instead of a list of 2 rewards."),
        ([1.0], "reward() returned 1 rewards for 2 completions."),
    ],
)
def test_an_answer_of_the_wrong_type_or_length_is_refused(answer: object, message: str) -> None:
    assert wrong(answer, 2) == message


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (float("nan"), "nan is not a finite number; return None to skip a sample."),
        (float("-inf"), "-inf is not a finite number; return None to skip a sample."),
        (10**400, "the number is too large for a float."),
        ("1.0", "a str is not a number; it must be a finite number or None."),
        (1j, "a complex is not a number; it must be a finite number or None."),
        ([1.0], "a list is not a number; it must be a finite number or None."),
        ({}, "an empty dict names no component; return None to skip a sample."),
        ({"a": {"b": 1}}, "component 'a': a dict is not a number; it must be a finite number or None."),
        ({"a": float("nan")}, "component 'a': nan is not a finite number; return None to skip a sample."),
        ({"a": 1e308, "b": 1e308}, "inf is not a finite number; return None to skip a sample."),
        ({"a b": 1}, "'a b' is no component name (letters, digits, `_`, `.`, `-`; at most 64)."),
        ({1: 1}, "an int is no component name (letters, digits, `_`, `.`, `-`; at most 64)."),
        ({f"c{n}": 1 for n in range(65)}, "component 'c64' is one more than the 64 that a batch can have."),
    ],
)
def test_a_wrong_item_is_refused_with_its_index_or_reported(item: object, message: str) -> None:
    assert wrong([0.0, item], 2) == f"reward() gave item 1 (counted from 0) a wrong value: {message}"
    lenient = normalise([0.0, item, 1.0], 3, strict=False)
    assert lenient.rewards == [0.0, None, 1.0]
    assert lenient.errors == [None, message, None]


def test_what_a_jail_sends_is_read_back_exactly() -> None:
    answer = Answer([1.5, None], {"right": [1.0, None]}, [None, "a str is not a number"], [None, 3])
    sent = asdict(answer)
    assert verify(json.loads(json.dumps(sent)), 2) == answer


@pytest.mark.parametrize(
    "change",
    [
        {"rewards": [1.0]},
        {"rewards": [1.0, "2"]},
        {"rewards": [1.0, float("nan")]},
        {"rewards": [1.0, 10**400]},
        {"rewards": None},
        {"components": {"a": [1.0]}},
        {"components": {"a/b": [1.0, 1.0]}},
        {"components": {f"c{n}": [1.0, 1.0] for n in range(65)}},
        {"components": []},
        {"errors": [None]},
        {"errors": [None, 3]},
        {"errors": "ab"},
        {"lines": None},
        {"lines": [1]},
        {"lines": [None, "3"]},
        {"lines": [None, True]},
    ],
)
def test_what_a_jail_forges_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(RewardProblem):
        verify({"rewards": [1.0, 2.0], "components": {}, "errors": [None, None], "lines": [None, None], **change}, 2)
