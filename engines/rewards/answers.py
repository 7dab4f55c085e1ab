"""What the answers of a reward function mean.

An answer has one item per completion: a finite number, None (skip this sample), or a dict of named components whose values are
finite numbers or None. A dict's reward is the sum of its components, each times its weight; a component of None was not measured
for that sample, and a dict without a measured component that counts skips the sample. Everything else is an error that names the
item; nothing is ever turned into a silent zero.

Nothing here runs users' code except `normalise`, which converts the objects that it returned and so belongs inside the jail.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engines.rewards.shapes import RewardProblem

MAX_COMPONENTS = 64
COMPONENT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
# In verl's dicts this is the reward, and all other entries are notes on it.
VERL_REWARD = "score"

Number = float | None


@dataclass(frozen=True)
class Answer:
    """One batch of answers in plain floats; all lists are as long as the batch.

    `errors` names what was wrong with an item and `lines` where, as far as that is known.
    """

    rewards: list[Number]
    components: dict[str, list[Number]]
    errors: list[str | None]
    lines: list[int | None] = field(default_factory=list)


@dataclass(frozen=True)
class Weights:
    """The factor of each component in the reward; of one that is not named it is 1, and of verl's notes 0."""

    named: Mapping[str, float]
    format: str = "trl"

    def of(self, name: str) -> float:
        return self.named.get(name, 0.0 if self.is_note(name) else 1.0)

    def is_note(self, name: str) -> bool:
        """Tell whether verl would only log this entry, whatever it is."""
        return self.format == "verl" and name != VERL_REWARD and name not in self.named


PLAIN = Weights({})


def check_weights(weights: Mapping[str, float]) -> None:
    """RewardProblem where the weights cannot be those of components."""
    if len(weights) > MAX_COMPONENTS:
        raise RewardProblem(f"There are {len(weights)} weights; a batch has at most {MAX_COMPONENTS} components.")
    for name, factor in weights.items():
        if not COMPONENT_NAME.fullmatch(name):
            raise RewardProblem(f"{_shown(name)} is no component name (letters, digits, `_`, `.`, `-`; at most 64).")
        if not math.isfinite(factor):
            raise RewardProblem(f"the weight of {name!r} is not a finite number.")


def normalise(answer: object, count: int, *, strict: bool = True, weights: Weights = PLAIN, called: str = "reward()") -> Answer:
    """Convert what a reward function returned for `count` completions into plain floats.

    RewardProblem where the whole has the wrong type or length. A bad item raises too, naming its index, unless `strict` is off:
    then its reward is None and `errors` says why. Numbers are anything with `__float__` or `__index__`; arrays with `tolist()`
    count as lists.
    """
    items = _items(answer, count, called)
    rewards: list[Number] = []
    components: dict[str, list[Number]] = {}
    errors: list[str | None] = [None] * count
    for index, item in enumerate(items):
        try:
            parts = _components(item, weights)
            _spread(parts, components, index, count)
            rewards.append(_total(parts, weights) if isinstance(item, dict) else _number(item))
        except RewardProblem as problem:
            if strict:
                raise RewardProblem(f"{called} gave item {index} (counted from 0) a wrong value: {problem.message}") from None
            errors[index] = problem.message
            rewards.append(None)
    return Answer(rewards, components, errors, [None] * count)


def verify(message: Mapping[str, object], count: int) -> Answer:
    """Read the answer that a jail sent, trusting nothing; RewardProblem where it is not one for `count` completions."""
    rewards, components, errors, lines = (message.get(key) for key in ("rewards", "components", "errors", "lines"))
    if not isinstance(components, dict) or len(components) > MAX_COMPONENTS:
        raise RewardProblem("the jail sent no components")
    if not all(COMPONENT_NAME.fullmatch(name) for name in components):
        raise RewardProblem("the jail sent a wrong component name")
    if not isinstance(errors, list) or len(errors) != count or not all(e is None or isinstance(e, str) for e in errors):
        raise RewardProblem("the jail sent no list of errors")
    if not isinstance(lines, list) or len(lines) != count or not all(n is None or type(n) is int for n in lines):
        raise RewardProblem("the jail sent no list of lines")
    columns = {name: _verified(values, count) for name, values in components.items()}
    return Answer(_verified(rewards, count), columns, errors, lines)


def _verified(values: object, count: int) -> list[Number]:
    if not isinstance(values, list) or len(values) != count:
        raise RewardProblem("the jail sent a list of the wrong length")
    if not all(value is None or (type(value) is float and math.isfinite(value)) for value in values):
        raise RewardProblem("the jail sent something that is no number")
    return values


def _items(answer: object, count: int, called: str) -> Sequence[object]:
    if answer is None:
        raise RewardProblem(f"{called} returned None instead of a list of {count} rewards; is a `return` missing?")
    if not isinstance(answer, (list, tuple)) and callable(getattr(answer, "tolist", None)):
        answer = answer.tolist()  # type: ignore[attr-defined]
    if not isinstance(answer, (list, tuple)):
        raise RewardProblem(f"{called} returned {_kind(answer)} instead of a list of {count} rewards.")
    if len(answer) != count:
        raise RewardProblem(f"{called} returned {len(answer)} rewards for {count} completions.")
    return answer


def _components(item: object, weights: Weights) -> dict[str, Number]:
    if not isinstance(item, dict):
        return {}
    if not item:
        raise RewardProblem("an empty dict names no component; return None to skip a sample.")
    if weights.format == "verl" and VERL_REWARD not in item:
        raise RewardProblem(f"the dict has no {VERL_REWARD!r}, which is the reward.")
    parts: dict[str, Number] = {}
    for name, value in item.items():
        try:
            parts[_named(name)] = _number(value)
        except RewardProblem as problem:
            if isinstance(name, str) and weights.is_note(name):
                continue
            raise RewardProblem(f"component {name!r}: {problem.message}" if _is_name(name) else problem.message) from None
    return parts


def _named(name: object) -> str:
    if not _is_name(name):
        raise RewardProblem(f"{_shown(name)} is no component name (letters, digits, `_`, `.`, `-`; at most 64).")
    return str(name)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and COMPONENT_NAME.fullmatch(name) is not None


def _spread(parts: dict[str, Number], components: dict[str, list[Number]], index: int, count: int) -> None:
    for name, value in parts.items():
        if name not in components and len(components) == MAX_COMPONENTS:
            raise RewardProblem(f"component {name!r} is one more than the {MAX_COMPONENTS} that a batch can have.")
        components.setdefault(name, [None] * count)[index] = value


def _total(parts: dict[str, Number], weights: Weights) -> Number:
    factors = {name: weights.of(name) for name in parts}
    counting = [name for name, factor in factors.items() if factor != 0.0]
    measured = [(factors[name], value) for name in counting if (value := parts[name]) is not None]
    if not measured and (counting or all(value is None for value in parts.values())):
        return None
    return _finite(sum(factor * value for factor, value in measured))


def _number(value: object) -> Number:
    if value is None:
        return None
    if isinstance(value, (str, bytes)) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise RewardProblem(f"{_kind(value)} is not a number; it must be a finite number or None.")
    try:
        return _finite(float(value))  # type: ignore[arg-type]
    except OverflowError:
        raise RewardProblem("the number is too large for a float.") from None


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise RewardProblem(f"{number} is not a finite number; return None to skip a sample.")
    return float(number)


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _shown(value: object) -> str:
    return repr(value[:64]) if isinstance(value, str) else _kind(value)
