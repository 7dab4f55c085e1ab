"""Scorers that need nothing but the answer, and what callers give wrong."""

from typing import Any

import pytest

from engines.evals import scorers
from engines.evals.scorers import Item, PlainScorer, Score, ScorerProblem

CATASTROPHE = "a" * 5000


def score(given: dict[str, Any], output: str, **columns: Any) -> Score:
    (scorer,) = scorers.parse([given])
    assert isinstance(scorer, PlainScorer)
    return scorer.score(Item("?", columns, output))


@pytest.mark.parametrize(
    ("given", "output", "columns", "expected"),
    [
        ({}, " Paris\n", {"label": "Paris"}, 1.0),
        ({}, "paris", {"label": "Paris"}, 0.0),
        ({"ignore_case": True}, "PARIS", {"label": "Paris"}, 1.0),
        ({"strip": False}, "Paris ", {"label": "Paris"}, 0.0),
        ({}, "4", {"answer": 4}, 1.0),
        ({}, "true", {"target": True}, 1.0),
        ({}, "b", {"label": ["a", "b"]}, 1.0),
        ({}, "x", {"label": None, "ground_truth": "x"}, 1.0),
        ({"column": "solution"}, "y", {"label": "x", "solution": "y"}, 1.0),
    ],
)
def test_exact_match(given: dict[str, Any], output: str, columns: dict[str, Any], expected: float) -> None:
    assert score({"type": "exact-match", **given}, output, **columns) == Score(expected)


def test_a_row_without_the_column_is_not_scored() -> None:
    assert score({"type": "exact-match"}, "x") == Score(None, "The row has none of label, answer, ground_truth, target.")
    assert score({"type": "exact_match", "column": "c"}, "x", label="x") == Score(None, "The row has no column 'c'.")
    assert score({"type": "regex", "pattern": "x", "column": "c"}, "x") == Score(None, "The row has no column 'c'.")


@pytest.mark.parametrize(
    ("given", "output", "columns", "expected"),
    [
        ({"pattern": r"\d+"}, "is 7", {}, 1.0),
        ({"pattern": r"^\d+$"}, "is 7", {}, 0.0),
        ({"pattern": r"#### (\d+)", "column": "label"}, "so #### 72.", {"label": "72"}, 1.0),
        ({"pattern": r"#### (\d+)", "column": "label"}, "so #### 73.", {"label": "72"}, 0.0),
        ({"pattern": r"\d+", "column": "label"}, "is 7", {"label": 7}, 1.0),
        ({"pattern": r"(a)|b", "column": "label"}, "b", {"label": "a"}, 0.0),
    ],
)
def test_regex(given: dict[str, Any], output: str, columns: dict[str, Any], expected: float) -> None:
    assert score({"type": "regex", **given}, output, **columns) == Score(expected)


def test_a_pattern_that_would_take_for_ever_is_the_items_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorers, "MATCHING_S", 0.05)

    found = score({"type": "regex", "pattern": r"^(\w+\s?)*\W$"}, CATASTROPHE + "é" * 40)

    assert found == Score(None, "The pattern took more than 0.05 s on this answer.")


@pytest.mark.parametrize(
    ("output", "expected"),
    [('{"a": 1}', 1.0), (' {"a": 1}\n', 1.0), ('{"a": "1"}', 0.0), ("no JSON", 0.0), ('{"a": NaN}', 0.0), ("[" * 100_000, 0.0)],
)
def test_json_schema(output: str, expected: float) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}

    assert score({"type": "json-schema", "schema": schema}, output) == Score(expected)


def test_a_pattern_within_a_schema_takes_linear_time() -> None:
    assert score({"type": "json-schema", "schema": {"pattern": "^(a+)+$"}}, f'"{CATASTROPHE}b"') == Score(0.0)


@pytest.mark.parametrize(
    ("given", "param", "message"),
    [
        ("exact-match", "scorers.0", "A scorer is an object with a 'type'."),
        ({}, "scorers.0.type", "This field is required."),
        (
            {"type": "bleu"},
            "scorers.0.type",
            "Unknown scorer 'bleu'; there are exact-match, regex, json-schema, reward-function, judge.",
        ),
        ({"type": "regex"}, "scorers.0.pattern", "This field is required."),
        ({"type": "regex", "pattern": "("}, "scorers.0.pattern", "This is no regular expression: missing ) at position 1."),
        ({"type": "regex", "pattern": 3}, "scorers.0.pattern", "This field is a text."),
        ({"type": "regex", "pattern": "a\0"}, "scorers.0.pattern", "This text holds a NUL or half a character."),
        ({"type": "exact-match", "colum": "a"}, "scorers.0.colum", "A scorer of the type 'exact-match' has no such field."),
        ({"type": "exact-match", "strip": 1}, "scorers.0.strip", "This field is true or false."),
        ({"type": "exact-match", "weight": -1}, "scorers.0.weight", "A weight is between 0 and 1e+06."),
        ({"type": "exact-match", "weight": True}, "scorers.0.weight", "This field is a number."),
        ({"type": "exact-match", "weight": 10**400}, "scorers.0.weight", "This number is not finite."),
        ({"type": "exact-match", "weight": 0}, "scorers.0.weight", "One scorer at least has a weight above 0."),
        ({"type": "exact-match", "name": ""}, "scorers.0.name", "A name has 1 to 64 characters."),
        (
            {"type": "judge", "model": "j", "prompt": "?"},
            "scorers.0.prompt",
            "The judge's prompt does not show the answer: it needs '{output}'.",
        ),
        (
            {"type": "judge", "model": "j", "scale": [1]},
            "scorers.0.scale",
            "A scale is a list of two numbers: the worst score and the best.",
        ),
        ({"type": "judge", "model": "j", "scale": [5, 1]}, "scorers.0.scale", "The worst score of a scale is below the best."),
    ],
)
def test_what_is_no_scorer_is_refused_by_its_field(given: Any, param: str, message: str) -> None:
    with pytest.raises(ScorerProblem) as caught:
        scorers.parse([given])

    assert (caught.value.param, caught.value.message) == (param, message)


@pytest.mark.parametrize("schema", [{"type": "objec"}, {"$ref": "http://127.0.0.1:9/x"}, {"$ref": "file:///etc/passwd"}])
def test_a_schema_that_is_none_or_refers_elsewhere_is_refused(schema: Any) -> None:
    with pytest.raises(ScorerProblem, match=r"^scorers\.0\.schema: This is no JSON schema: "):
        scorers.parse([{"type": "json-schema", "schema": schema}])


def test_scorers_have_names_of_their_own() -> None:
    one = {"type": "regex", "pattern": "x"}

    assert [scorer.name for scorer in scorers.parse([one, one, {**one, "name": "mine"}, one])] == [
        "regex",
        "regex-2",
        "mine",
        "regex-3",
    ]
    with pytest.raises(ScorerProblem, match=r"^scorers\.1\.name: There are two scorers called 'a'\.$"):
        scorers.parse([{**one, "name": "a"}, {**one, "name": "a"}])


def test_scorers_are_shown_as_they_could_be_given() -> None:
    given = [
        {"type": "exact_match"},
        {"type": "regex", "pattern": "(a)", "column": "c", "weight": 2},
        {"type": "json_schema", "schema": {"type": "object"}},
        {"type": "reward_function", "reward_function_id": "rf_1"},
        {"type": "judge", "model": "big", "scale": [1, 10]},
    ]
    shown = [scorer.as_json() for scorer in scorers.parse(given)]

    assert [one["type"] for one in shown] == ["exact-match", "regex", "json-schema", "reward-function", "judge"]
    assert shown[1] == {"type": "regex", "name": "regex", "weight": 2.0, "pattern": "(a)", "column": "c"}
    assert [scorer.as_json() for scorer in scorers.parse(shown)] == shown


def test_the_score_of_an_item_is_the_weighted_mean_of_what_was_scored() -> None:
    found = scorers.parse(
        [
            {"type": "exact-match", "weight": 3},
            {"type": "regex", "pattern": "x"},
            {"type": "json-schema", "schema": True, "weight": 0},
        ]
    )

    assert scorers.weighted(found, {"exact-match": 1.0, "regex": 0.0, "json-schema": 0.0}) == 0.75
    assert scorers.weighted(found, {"exact-match": None, "regex": 0.5, "json-schema": 1.0}) == 0.5
    assert scorers.weighted(found, {"exact-match": None, "regex": None, "json-schema": 1.0}) is None
