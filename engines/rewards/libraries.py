"""Which installed libraries reward code may import.

The operator's list counts twice. The kernel lets the jail read the folders of these libraries and of what they brought in, so
that nothing else can be loaded however it is asked for; and the `import` statements of the user's file are looked at first, only
so that a refusal says why.
"""

import builtins
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

SETTING = "BURNISH_REWARD_LIBRARIES"


def top(module: str) -> str:
    return module.partition(".")[0]


def wanted(modules: Iterable[tuple[str, list[str]]], allowed: Sequence[str] | None) -> list[str]:
    """Return the allowed libraries that a file imports; none where all are allowed, as nobody has vouched for their code."""
    return sorted({top(module) for module, _ in modules} & set(allowed or ()))


def readable(folders: Sequence[str], allowed: Sequence[str] | None) -> list[str]:
    """Return the files and folders of the allowed libraries and of what is loaded by now; all where all are allowed."""
    if allowed is None:
        return list(folders)
    found: list[str] = []
    for name in (*allowed, *{top(module) for module in list(sys.modules)}):
        spec = None if name in sys.stdlib_module_names else _spec(name, folders)
        if spec is not None:
            found += _places(spec, folders)
    return list(dict.fromkeys(found))


def _spec(name: str, folders: Sequence[str]) -> ModuleSpec | None:
    try:
        return PathFinder.find_spec(name, list(folders))
    except (ImportError, ValueError, AttributeError):
        return None


def _places(spec: ModuleSpec, folders: Sequence[str]) -> list[str]:
    """Return where a library lies, with the shared objects that its wheel put beside it."""
    own = list(spec.submodule_search_locations or ()) or [spec.origin or ""]
    beside = [str(Path(folder) / f"{spec.name}.libs") for folder in folders]
    return [place for place in (*own, *beside) if place and Path(place).exists()]


def guarded_builtins(allowed: Sequence[str] | None) -> dict[str, Any]:
    """Return the builtins for the user's module, whose `import` names the setting where a library is not allowed."""
    if allowed is None:
        return vars(builtins)
    return {**vars(builtins), "__import__": _guard(frozenset(allowed))}


def _guard(allowed: frozenset[str]) -> Callable[..., ModuleType]:
    def guard(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> ModuleType:
        if level == 0 and top(name) not in allowed and top(name) not in sys.stdlib_module_names:
            listed = ", ".join(sorted(allowed)) or "none"
            message = f"reward functions may not import {top(name)!r} here: {SETTING} of this installation allows {listed}"
            raise ModuleNotFoundError(message, name=name)
        return builtins.__import__(name, globals, locals, fromlist, level)

    return guard
