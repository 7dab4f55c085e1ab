"""What a reward file must look like: it is read and parsed here, never run.

Standard library only: the API imports this module to check uploads.
"""

import ast
import re
import threading
import warnings
from dataclasses import dataclass

MAX_SOURCE_BYTES = 256 * 1024
# What each format defines, and what its function is given beside the columns of the dataset.
ENTRY_POINTS = {"trl": "reward", "miles": "reward", "verl": "compute_score"}
FORMATS = tuple(ENTRY_POINTS)
GIVEN = {
    "trl": ("prompts", "completions", "completion_ids"),
    "miles": (),
    "verl": ("data_source", "solution_str", "ground_truth", "extra_info"),
}
# These never are columns, whatever a dataset calls its own.
RESERVED = frozenset({"prompt", "prompts", "completion", "completions", "completion_ids"})
GROUND_TRUTH = ("ground_truth", "answer", "label", "solution")

_FIRST_ERRORS = 3
_TOKENS = re.compile(r"\b(completion_ids|tokens|response_length)\b")
# `warnings.catch_warnings` swaps a list of the whole process: two checks at once would restore each other's.
_quiet = threading.Lock()

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class RewardProblem(Exception):
    """A reward function or its answer breaks the rules; `line` is the line of the user's file where there is one."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True)
class Shape:
    """What a file tells of itself without being run.

    `line` is that of the function that is called. `columns` are those of the dataset that it cannot do without: parameters
    without a default, and what it takes from its `**` parameter by name. `modules` are its absolute imports as (module, names
    taken from it). `tokens` says whether it may look at token ids.
    """

    line: int
    columns: tuple[str, ...]
    modules: list[tuple[str, list[str]]]
    tokens: bool


def check(source: bytes, format: str) -> Shape:
    """Refuse a reward file that can never work, without running any of it; RewardProblem names the line.

    A file that passes may still fail when it is loaded: imports and everything else at its top level run in the jail only.
    """
    text = decoded(source)
    tree = _parse(text)
    function = _callable(_find(tree, _entry_point(format)), format)
    columns = _columns(function) if format == "trl" else ()
    return Shape(function.lineno, columns, _imports(tree), bool(_TOKENS.search(text)))


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


def _entry_point(format: str) -> str:
    if format not in ENTRY_POINTS:
        raise RewardProblem(f"Unknown reward function format {format!r}; the formats are {', '.join(FORMATS)}.")
    return ENTRY_POINTS[format]


def _imports(tree: ast.Module) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.append((node.module, [alias.name for alias in node.names]))
        elif isinstance(node, ast.AsyncFunctionDef):
            found.append(("asyncio", []))
    return found


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


def _find(tree: ast.Module, name: str) -> _Function:
    functions = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    for function in reversed(functions):
        if function.name == name:
            return function
    if not functions:
        raise RewardProblem(f"The file defines no top-level function; it must have `def {name}(`.", 1)
    names = ", ".join(f"`{function.name}`" for function in functions[:_FIRST_ERRORS])
    raise RewardProblem(f"The file defines {names} at its top level, but no `def {name}(`.", functions[0].lineno)


def _callable(function: _Function, format: str) -> _Function:
    """Refuse parameters that the format's call can never fill."""
    given = function.args
    if format == "miles":
        positional = [*given.posonlyargs, *given.args]
        needed = len(positional) - len(given.defaults)
        keyword = any(default is None for default in given.kw_defaults)
        if keyword or needed > 2 or (len(positional) < 2 and given.vararg is None):
            raise RewardProblem(f"`{function.name}` is called as `reward(args, sample)`.", function.lineno)
    elif given.posonlyargs:
        raise RewardProblem(
            f"`{function.name}` is called by keyword and cannot take positional-only parameters.", function.lineno
        )
    return function


def _columns(function: _Function) -> tuple[str, ...]:
    given = function.args
    without_default = given.args[: len(given.args) - len(given.defaults)]
    names = [parameter.arg for parameter in without_default]
    names += [parameter.arg for parameter, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
    if given.kwarg is not None:
        names += [
            node.slice.value
            for node in ast.walk(function)
            if isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id == given.kwarg.arg
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ]
    return tuple(dict.fromkeys(name for name in names if name not in RESERVED))
