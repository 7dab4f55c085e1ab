"""What a reward function must look like, how it is called and what its answers mean.

Nothing here runs users' code except `normalise`, which converts the objects that it returned and so belongs inside the jail.
Standard library only: the API imports this module to check uploads.

An answer is a list with one item per completion: a finite number, None (skip this sample), or a dict of named components whose
values are finite numbers or None. A dict's reward is the sum of its numbers; a component of None was not measured for that
sample, and a dict of nothing but None skips the sample. Everything else is an error that names the item; nothing is ever turned
into a silent zero.
"""

import ast
import inspect
import math
import re
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_SOURCE_BYTES = 256 * 1024
MAX_COMPONENTS = 64
COMPONENT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
ENTRY_POINTS = {"trl": "reward"}
FORMATS = ("trl", "miles", "verl")

_FIRST_ERRORS = 3
# `warnings.catch_warnings` swaps a list of the whole process: two checks at once would restore each other's.
_quiet = threading.Lock()

Number = float | None


class RewardProblem(Exception):
    """A reward function or its answer breaks the rules; `line` is the line of the user's file where there is one."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True)
class Answer:
    """One batch of answers in plain floats; all lists are as long as the batch. `errors` names what was wrong with an item."""

    rewards: list[Number]
    components: dict[str, list[Number]]
    errors: list[str | None]


def check(source: bytes, format: str) -> None:
    """Refuse a reward file that can never work, without running any of it; RewardProblem names the line.

    A file that passes may still fail when it is loaded: imports and everything else at its top level run in the jail only.
    """
    entry_line(source, format)


def entry_line(source: bytes, format: str) -> int:
    """Check the file as `check` does and return the line of the function that is called."""
    name = _entry_point(format)
    return _callable_by_keyword(_find(_parse(decoded(source)), name)).lineno


def imported_modules(source: bytes) -> list[tuple[str, list[str]]]:
    """Return each absolute import anywhere in the file as (module, names taken from it)."""
    found: list[tuple[str, list[str]]] = []
    for node in ast.walk(_parse(decoded(source))):
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.append((node.module, [alias.name for alias in node.names]))
        elif isinstance(node, ast.AsyncFunctionDef):
            found.append(("asyncio", []))
    return found


def _entry_point(format: str) -> str:
    if format in ENTRY_POINTS:
        return ENTRY_POINTS[format]
    if format in FORMATS:
        raise RewardProblem(f"Reward functions of format {format!r} cannot be run by this release; use 'trl'.")
    raise RewardProblem(f"Unknown reward function format {format!r}; the formats are {', '.join(FORMATS)}.")


def decoded(source: bytes) -> str:
    """Return the file as text. It is always read as UTF-8, whatever encoding its first lines declare."""
    if len(source) > MAX_SOURCE_BYTES:
        raise RewardProblem(f"The file has {len(source)} bytes; at most {MAX_SOURCE_BYTES} are allowed.")
    if b"\0" in source:
        raise RewardProblem("The file holds a NUL byte.", source.count(b"\n", 0, source.index(b"\0")) + 1)
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RewardProblem("The file is not UTF-8.", source.count(b"\n", 0, error.start) + 1) from None


def _parse(text: str) -> ast.Module:
    """Parse and compile `text`; compiling finds what the grammar alone does not, such as a `return` outside a function."""
    try:
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            compile(tree, "<reward>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise RewardProblem(f"{type(error).__name__}: {error.msg}", error.lineno) from None
    except (MemoryError, RecursionError):
        raise RewardProblem("The file is nested too deeply to be parsed.", 1) from None
    except ValueError as error:
        raise RewardProblem(f"The file cannot be parsed: {error}", 1) from None
    return tree


def _find(tree: ast.Module, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    functions = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    for function in reversed(functions):
        if function.name == name:
            return function
    if not functions:
        raise RewardProblem(f"The file defines no top-level function; it must have `def {name}(`.", 1)
    names = ", ".join(f"`{function.name}`" for function in functions[:_FIRST_ERRORS])
    raise RewardProblem(f"The file defines {names} at its top level, but no `def {name}(`.", functions[0].lineno)


def _callable_by_keyword(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.FunctionDef | ast.AsyncFunctionDef:
    if function.args.posonlyargs:
        raise RewardProblem(
            f"`{function.name}` is called by keyword and cannot take positional-only parameters.", function.lineno
        )
    return function


def accepted(function: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments that `function` takes: all of them with a `**` parameter, else those that it names.

    TRL passes everything and so breaks on a function without `**kwargs`; here such a function works and sees only what it asks
    for. RewardProblem names a parameter without a default that no column fills.
    """
    parameters = inspect.signature(function).parameters.values()
    missing = [p.name for p in parameters if _named(p) and p.default is p.empty and p.name not in offered]
    if missing:
        raise RewardProblem(
            f"reward() requires {', '.join(map(repr, missing))}, but the batch has only {', '.join(map(repr, offered))}."
        )
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(offered)
    return {p.name: offered[p.name] for p in parameters if _named(p) and p.name in offered}


def _named(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def normalise(answer: object, count: int, *, strict: bool = True) -> Answer:
    """Convert what a reward function returned for `count` completions into plain floats.

    RewardProblem where the whole has the wrong type or length. A bad item raises too, naming its index, unless `strict` is off:
    then its reward is None and `errors` says why. Numbers are anything with `__float__` or `__index__`; arrays with `tolist()`
    count as lists.
    """
    items = _items(answer, count)
    rewards: list[Number] = []
    components: dict[str, list[Number]] = {}
    errors: list[str | None] = [None] * count
    for index, item in enumerate(items):
        try:
            parts = _components(item)
            _spread(parts, components, index, count)
            rewards.append(_total(parts) if isinstance(item, dict) else _number(item))
        except RewardProblem as problem:
            if strict:
                raise RewardProblem(f"reward() gave item {index} (counted from 0) a wrong value: {problem.message}") from None
            errors[index] = problem.message
            rewards.append(None)
    return Answer(rewards, components, errors)


def verify(message: Mapping[str, Any], count: int) -> Answer:
    """Read the answer that a jail sent, trusting nothing; RewardProblem where it is not one for `count` completions."""
    rewards, components, errors = (message.get(key) for key in ("rewards", "components", "errors"))
    if not isinstance(components, dict) or len(components) > MAX_COMPONENTS:
        raise RewardProblem("the jail sent no components")
    if not all(COMPONENT_NAME.fullmatch(name) for name in components):
        raise RewardProblem("the jail sent a wrong component name")
    if not isinstance(errors, list) or len(errors) != count or not all(e is None or isinstance(e, str) for e in errors):
        raise RewardProblem("the jail sent no list of errors")
    columns = {name: _verified(values, count) for name, values in components.items()}
    return Answer(_verified(rewards, count), columns, errors)


def _verified(values: object, count: int) -> list[Number]:
    if not isinstance(values, list) or len(values) != count:
        raise RewardProblem("the jail sent a list of the wrong length")
    if not all(value is None or (type(value) is float and math.isfinite(value)) for value in values):
        raise RewardProblem("the jail sent something that is no number")
    return values


def _items(answer: object, count: int) -> list[object] | tuple[object, ...]:
    if answer is None:
        raise RewardProblem(f"reward() returned None instead of a list of {count} rewards; is a `return` missing?")
    if not isinstance(answer, (list, tuple)) and callable(getattr(answer, "tolist", None)):
        answer = answer.tolist()  # type: ignore[attr-defined]
    if not isinstance(answer, (list, tuple)):
        raise RewardProblem(f"reward() returned {_kind(answer)} instead of a list of {count} rewards.")
    if len(answer) != count:
        raise RewardProblem(f"reward() returned {len(answer)} rewards for {count} completions.")
    return answer


def _components(item: object) -> dict[str, Number]:
    if not isinstance(item, dict):
        return {}
    if not item:
        raise RewardProblem("an empty dict names no component; return None to skip a sample.")
    parts: dict[str, Number] = {}
    for name, value in item.items():
        if not isinstance(name, str) or not COMPONENT_NAME.fullmatch(name):
            raise RewardProblem(f"{_shown(name)} is no component name (letters, digits, `_`, `.`, `-`; at most 64).")
        try:
            parts[str(name)] = _number(value)
        except RewardProblem as problem:
            raise RewardProblem(f"component {name!r}: {problem.message}") from None
    return parts


def _spread(parts: dict[str, Number], components: dict[str, list[Number]], index: int, count: int) -> None:
    for name, value in parts.items():
        if name not in components and len(components) == MAX_COMPONENTS:
            raise RewardProblem(f"component {name!r} is one more than the {MAX_COMPONENTS} that a batch can have.")
        components.setdefault(name, [None] * count)[index] = value


def _total(parts: dict[str, Number]) -> Number:
    numbers = [value for value in parts.values() if value is not None]
    return _finite(sum(numbers)) if numbers else None


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
    return number


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _shown(value: object) -> str:
    return repr(value[:64]) if isinstance(value, str) else _kind(value)
