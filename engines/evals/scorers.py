"""What scores an answer, as callers give it.

`{"type": "exact-match" | "regex" | "json-schema" | "reward-function" | "judge", "name"?, "weight"?, …}`, with underscores for the
hyphens if one likes. A scorer gives a finite number or says why it gives none; none ever turns into a silent zero. Exact matches,
patterns, schemas and judges score between 0 and 1, a reward function whatever it returns.

What callers bring along cannot hold the host up: patterns are searched with a timeout, those within schemas are of the kind that
takes linear time, and a schema refers to nothing outside itself.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import jsonschema_rs

from burnish.kit import patterns
from engines.evals import schema_sizes
from engines.evals.judging import DEFAULT_PROMPT, JudgeProblem, check_prompt

LABELS = ("label", "answer", "ground_truth", "target")
LONGEST_NAME = 64
LONGEST_PATTERN = 1000
LONGEST_SCHEMA = 64 * 1024
LONGEST_PROMPT = 32 * 1024
MOST_WEIGHT = 1e6
MATCHING_S = 1.0
# Of the parts of a schema, each counted as often as it is referred to: what checking one value can take.
MOST_UNFOLDED = 20_000


class ScorerProblem(Exception):
    """Why what a caller gave is no scorer; `param` is where, such as `scorers.0.pattern`."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(f"{param}: {message}")
        self.param = param
        self.message = message


class Score(NamedTuple):
    """A score, or why there is none."""

    value: float | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An answer to be scored, and the row that it answers: `prompt` is a text or a list of messages."""

    prompt: Any
    columns: Mapping[str, Any]
    output: str


@dataclass(frozen=True)
class Scorer:
    """What all scorers have. The mean of an item's scores is weighted by `weight`."""

    type: ClassVar[str]
    name: str
    weight: float

    def as_json(self) -> dict[str, Any]:
        """Return it as a caller would give it, with all its defaults."""
        shown = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        return {"type": self.type, **shown}


@dataclass(frozen=True)
class PlainScorer(Scorer):
    """One that needs nothing but the item."""

    def score(self, item: Item) -> Score:
        raise NotImplementedError


@dataclass(frozen=True)
class ExactMatch(PlainScorer):
    """1 where the answer is what the column says, or one of the texts that it lists."""

    type: ClassVar[str] = "exact-match"
    column: str | None = None
    strip: bool = True
    ignore_case: bool = False

    def score(self, item: Item) -> Score:
        wanted = wanted_of(item.columns, self.column)
        if wanted is None:
            return missing(self.column)
        output = self._plain(item.output)
        return Score(float(any(output == self._plain(text) for text in wanted)))

    def _plain(self, text: str) -> str:
        text = text.strip() if self.strip else text
        return text.casefold() if self.ignore_case else text


@dataclass(frozen=True)
class Regex(PlainScorer):
    """1 where the pattern is found; with a column, where its first group, or all that it matches, is what the column says."""

    type: ClassVar[str] = "regex"
    pattern: str = ""
    column: str | None = None
    _compiled: Any = field(default=None, compare=False, repr=False)

    def score(self, item: Item) -> Score:
        wanted = None if self.column is None else wanted_of(item.columns, self.column)
        if self.column is not None and wanted is None:
            return missing(self.column)
        try:
            found = self._compiled.search(item.output, timeout=MATCHING_S, concurrent=True)
        except TimeoutError:
            return Score(None, f"The pattern took more than {MATCHING_S:g} s on this answer.")
        if found is None or wanted is None:
            return Score(float(found is not None))
        text = found[1] if self._compiled.groups else found[0]
        return Score(float(text is not None and any(text.strip() == one.strip() for one in wanted)))


@dataclass(frozen=True)
class JsonSchema(PlainScorer):
    """1 where the whole answer is JSON and valid against the schema."""

    type: ClassVar[str] = "json-schema"
    schema: Any = True
    _validator: Any = field(default=None, compare=False, repr=False)

    def score(self, item: Item) -> Score:
        try:
            value = json.loads(item.output, parse_constant=_no_constant)
            return Score(float(self._validator.is_valid(value)))
        except (ValueError, RecursionError):
            return Score(0.0)


@dataclass(frozen=True)
class Reward(Scorer):
    """What a reward function of the account says, in its jail."""

    type: ClassVar[str] = "reward-function"
    reward_function_id: str = ""


@dataclass(frozen=True)
class Judge(Scorer):
    """What a deployment says of the answer: a number within the scale, brought to 0 … 1."""

    type: ClassVar[str] = "judge"
    model: str = ""
    prompt: str = DEFAULT_PROMPT
    scale: tuple[float, float] = (0.0, 1.0)

    def as_json(self) -> dict[str, Any]:
        return {**super().as_json(), "scale": list(self.scale)}


def parse(given: Sequence[Any]) -> list[Scorer]:
    """Return the scorers that a caller gave; ScorerProblem names the first field that is wrong.

    What they refer to (reward functions, deployments, columns) is not looked up. One without a name is called as its type, and
    the next of that type gets a number.
    """
    if not given:
        raise ScorerProblem("scorers", "There must be one at least.")
    found: list[Scorer] = []
    for index, one in enumerate(given):
        scorer = _Fields(f"scorers.{index}", one).scorer({scorer.name for scorer in found})
        if any(scorer.name == other.name for other in found):
            raise ScorerProblem(f"scorers.{index}.name", f"There are two scorers called '{scorer.name}'.")
        found.append(scorer)
    if all(scorer.weight == 0 for scorer in found):
        raise ScorerProblem("scorers.0.weight", "One scorer at least has a weight above 0.")
    return found


class _Fields:
    """The fields of one scorer, each taken once and checked; what is left over is unknown."""

    def __init__(self, param: str, given: Any) -> None:
        if not isinstance(given, Mapping):
            raise ScorerProblem(param, "A scorer is an object with a 'type'.")
        self.param = param
        self.rest = {str(key): value for key, value in given.items()}

    def scorer(self, names: set[str]) -> Scorer:
        kind = str(self.take("type", str)).replace("_", "-")
        if kind not in _MAKERS:
            raise self.problem("type", f"Unknown scorer '{kind[:64]}'; there are {', '.join(_MAKERS)}.")
        name = self.take("name", str, None)
        if name is not None and not 0 < len(name) <= LONGEST_NAME:
            raise self.problem("name", f"A name has 1 to {LONGEST_NAME} characters.")
        weight = self.number("weight", self.take("weight", (int, float), 1.0))
        if not 0 <= weight <= MOST_WEIGHT:
            raise self.problem("weight", f"A weight is between 0 and {MOST_WEIGHT:g}.")
        made = _MAKERS[kind](self, name or _free(kind, names), weight)
        for key in self.rest:
            raise self.problem(key, f"A scorer of the type '{kind}' has no such field.")
        return made

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        """Take a field; null is as good as leaving it out."""
        value = self.rest.pop(key, None)
        if value is None:
            if default is ...:
                raise self.problem(key, "This field is required.")
            return default
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self.problem(key, f"This field is {_WORDS[kinds[0]]}.")
        if isinstance(value, str) and not _is_text(value):
            raise self.problem(key, "This text holds a NUL or half a character.")
        return value

    def number(self, key: str, value: float) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.problem(key, "This number is not finite.")
        return number

    def problem(self, key: str, message: str) -> ScorerProblem:
        return ScorerProblem(f"{self.param}.{key}", message)


def _exact_match(fields: _Fields, name: str, weight: float) -> Scorer:
    column, strip = fields.take("column", str, None), fields.take("strip", bool, True)
    return ExactMatch(name, weight, column, strip, fields.take("ignore_case", bool, False))


def _regex(fields: _Fields, name: str, weight: float) -> Scorer:
    pattern = fields.take("pattern", str)
    try:
        compiled = patterns.compiled(pattern, LONGEST_PATTERN)
    except ValueError as error:
        raise fields.problem("pattern", str(error)) from None
    return Regex(name, weight, pattern, fields.take("column", str, None), compiled)


def _json_schema(fields: _Fields, name: str, weight: float) -> Scorer:
    schema = fields.take("schema", (dict, bool))
    try:
        if len(json.dumps(schema)) > LONGEST_SCHEMA:
            raise fields.problem("schema", f"A schema has at most {LONGEST_SCHEMA} bytes.")
        if schema_sizes.unfolded(schema) > MOST_UNFOLDED:
            raise fields.problem("schema", "This schema refers to its own parts too often.")
        options = jsonschema_rs.RegexOptions()
        validator = jsonschema_rs.validator_for(schema, retriever=_retrieve, pattern_options=options)
    except (ValueError, RecursionError, jsonschema_rs.ReferencingError) as error:
        raise fields.problem("schema", f"This is no JSON schema: {str(error).splitlines()[0]}") from None
    return JsonSchema(name, weight, schema, validator)


def _reward(fields: _Fields, name: str, weight: float) -> Scorer:
    return Reward(name, weight, fields.take("reward_function_id", str))


def _judge(fields: _Fields, name: str, weight: float) -> Scorer:
    model, prompt = fields.take("model", str), fields.take("prompt", str, DEFAULT_PROMPT)
    try:
        check_prompt(prompt)
    except JudgeProblem as problem:
        raise fields.problem("prompt", str(problem)) from None
    if len(prompt) > LONGEST_PROMPT:
        raise fields.problem("prompt", f"A prompt has at most {LONGEST_PROMPT} characters.")
    scale = fields.take("scale", (list, tuple), [0, 1])
    if len(scale) != 2 or any(isinstance(end, bool) or not isinstance(end, (int, float)) for end in scale):
        raise fields.problem("scale", "A scale is a list of two numbers: the worst score and the best.")
    low, high = (fields.number("scale", end) for end in scale)
    if not low < high:
        raise fields.problem("scale", "The worst score of a scale is below the best.")
    return Judge(name, weight, model, prompt, (low, high))


_MAKERS: dict[str, Callable[[_Fields, str, float], Scorer]] = {
    "exact-match": _exact_match,
    "regex": _regex,
    "json-schema": _json_schema,
    "reward-function": _reward,
    "judge": _judge,
}
_WORDS: dict[type, str] = {str: "a text", bool: "true or false", int: "a number", list: "a list", dict: "an object"}
TYPES = tuple(_MAKERS)


def _free(kind: str, names: set[str]) -> str:
    number, name = 1, kind
    while name in names:
        number += 1
        name = f"{kind}-{number}"
    return name


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _retrieve(uri: str) -> Any:
    raise ValueError("a schema refers to nothing outside itself")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def wanted_of(columns: Mapping[str, Any], column: str | None) -> list[str] | None:
    """Return the texts that count as right: of a list any, else the one. None where the row has no such column."""
    value = columns.get(column) if column is not None else label_of(columns)
    if value is None:
        return None
    return [text_of(one) for one in value] if isinstance(value, list) else [text_of(value)]


def label_of(columns: Mapping[str, Any]) -> Any:
    """Return what a row says is right: its `label`, `answer`, `ground_truth` or `target`, the first that it has."""
    return next((columns[name] for name in LABELS if columns.get(name) is not None), None)


def text_of(value: Any) -> str:
    """Return a value of a row as a model would write it: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def missing(column: str | None) -> Score:
    return Score(None, f"The row has no column '{column}'." if column else f"The row has none of {', '.join(LABELS)}.")


def weighted(scorers: Sequence[Scorer], scores: Mapping[str, float | None]) -> float | None:
    """Return the weighted mean of the scores that there are; None where none counts."""
    counted = [(scorer.weight, value) for scorer in scorers if (value := scores.get(scorer.name)) is not None]
    total = sum(weight for weight, _ in counted)
    return sum(weight * value for weight, value in counted) / total if total > 0 else None
