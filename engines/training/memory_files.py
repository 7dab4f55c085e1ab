"""Reading what a model's files say of themselves, where whoever offers the model chose what is in them.

Nothing that a file holds gets out of here unchecked, and no more of it is read than a real model has: what cannot be told is
Unknown with a reason, never another exception.
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, wraps
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

CONFIG_MAX_BYTES = 2**20
# Of all safetensors of a folder. Those of DeepSeek-V3, with 91,000 tensors in 163 files, have 12 MB.
HEADERS_MAX_BYTES = 16 * 2**20
FILES_MAX = 1024
SIDES_MAX = 16
# No width, depth or count of a model comes near; sums of products of them stay far within a float.
SIZE_MAX = 10**9
REMEMBERED = 64
WRONG = (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError, struct.error)

# A file's name, time of change, size and number on its disk; the name alone where it cannot be looked at.
Mark = tuple[str | int, ...]


class Unknown(Exception):
    """Nothing can be told of a model; the message says why."""


def remembered(*places: str) -> Callable[[Callable[[Path], T]], Callable[[Path], T]]:
    """Let a function read a folder once, as long as the files in its `places` stay as they are: also where it is Unknown."""

    def decorate(read: Callable[[Path], T]) -> Callable[[Path], T]:
        @lru_cache(maxsize=REMEMBERED)
        def outcome(folder: Path, marks: tuple[Mark, ...]) -> T | Unknown:
            try:
                return read(folder)
            except Unknown as reason:
                if isinstance(reason.__cause__, OSError):
                    # It may be over the next time.
                    raise
                return Unknown(str(reason))
            except WRONG as error:
                raise Unknown("its files cannot be read") from error

        @wraps(read)
        def known(folder: Path) -> T:
            found = outcome(folder, tuple(_marks(folder, places)))
            if isinstance(found, Unknown):
                raise Unknown(str(found))
            return found

        return known

    return decorate


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a small file; Unknown where there is none."""
    try:
        with _open(path) as file:
            text = file.read(CONFIG_MAX_BYTES + 1)
        found = None if len(text) > CONFIG_MAX_BYTES else json.loads(text)
    except WRONG as error:
        raise Unknown(f"its {path.name} cannot be read") from error
    if len(text) > CONFIG_MAX_BYTES:
        raise Unknown(f"its {path.name} is larger than {CONFIG_MAX_BYTES} bytes")
    if not isinstance(found, dict):
        raise Unknown(f"its {path.name} is not an object")
    return found


def number(config: Mapping[str, Any], name: str) -> int:
    """Return a size that a configuration has; Unknown where it has none."""
    value = config.get(name)
    if value is None:
        raise Unknown(f"its config.json has no {name}")
    if not _is_size(value, 1):
        raise Unknown(f"the {name} in its config.json is not a size")
    return int(value)


def headers(folder: Path) -> Iterator[tuple[str, tuple[list[int], str]]]:
    """Yield name, shape and dtype of every tensor in a folder's safetensors; Unknown where a file is none."""
    room = HEADERS_MAX_BYTES
    for path in _shards(folder):
        try:
            with _open(path) as file:
                (size,) = struct.unpack("<Q", file.read(8))
                if size > path.stat().st_size:
                    raise ValueError("it ends within its header")
                room -= size
                found = json.loads(file.read(size)) if room >= 0 else {}
            tensors = [_tensor(name, tensor) for name, tensor in found.items() if name != "__metadata__"]
        except WRONG as error:
            raise Unknown(f"its file {path.name} cannot be read") from error
        if room < 0:
            raise Unknown(f"the headers of its safetensors are larger than {HEADERS_MAX_BYTES} bytes")
        yield from tensors


def _tensor(name: str, tensor: Any) -> tuple[str, tuple[list[int], str]]:
    shape, kind = tensor["shape"], tensor["dtype"]
    is_shape = isinstance(shape, list) and len(shape) <= SIDES_MAX and all(_is_size(side, 0) for side in shape)
    if not is_shape or not isinstance(kind, str):
        raise ValueError(name)
    return name, (shape, kind)


def _is_size(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= SIZE_MAX


def _shards(folder: Path) -> list[Path]:
    found = list(islice(folder.glob("*.safetensors"), FILES_MAX + 1))
    if len(found) > FILES_MAX:
        raise Unknown(f"it has more than {FILES_MAX} safetensors")
    return sorted(found)


def _open(path: Path) -> Any:
    if not path.is_file():
        # Nor a pipe, which would keep its reader waiting.
        raise FileNotFoundError(path.name)
    return path.open("rb")


def _marks(folder: Path, places: tuple[str, ...]) -> Iterator[Mark]:
    for place in places:
        inside = folder / place
        for path in (*(inside / name for name in ("config.json", "model_index.json")), *_shards(inside)):
            try:
                found = path.stat()
            except OSError:
                yield (str(path),)
            else:
                yield str(path), found.st_mtime_ns, found.st_size, found.st_ino
