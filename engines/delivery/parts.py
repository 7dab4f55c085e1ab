"""The files of a checkpoint in the form that somebody wants it in, each with its checksum.

A trained adapter is stored twice: merged into its base, and by itself in a folder beside that. Whoever takes the model away gets
either, or both as they are stored; the adapter alone comes without its folder, so that PEFT loads what arrives.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from burnish.kit.storage import Corrupt, Storage
from engines.evidence import ADAPTER
from models.job import Checkpoint

SUMS = "SHA256SUMS"
VIDEO = "sft_video_gen"

Weights = Literal["merged", "adapter", "both"]
MERGED: Weights = "merged"
ALONE: Weights = "adapter"
BOTH: Weights = "both"


@dataclass(frozen=True)
class Part:
    """A file: where it is stored, its path within the checkpoint, and the path that it is given away under."""

    key: str
    stored: str
    path: str
    size_bytes: int
    sha256: str | None


def offered(method: str, *, is_adapter: bool) -> tuple[Weights, ...]:
    """Return the forms in which the trained model of a job can be had."""
    if method == VIDEO:
        return (ALONE,)
    return (MERGED, ALONE, BOTH) if is_adapter else (MERGED,)


async def find(storage: Storage, checkpoint: Checkpoint, weights: Weights | None = None) -> list[Part]:
    """Return the files of a checkpoint, all of them by default.

    FileNotFoundError where nothing is stored any more, Corrupt where a file of it is missing.
    """
    prefix, sums = checkpoint.storage_prefix, checkpoint.checksums or {}
    found = {PurePosixPath(key).relative_to(prefix).as_posix(): (key, size) for key, size in await storage.list(prefix)}
    if not found:
        raise FileNotFoundError(prefix)
    if missing := sorted(sums.keys() - found.keys()):
        raise Corrupt(f"{missing[0]} is not stored any more")
    return [Part(found[path][0], path, name, found[path][1], sums.get(path)) for path, name in _named(list(found), weights)]


def _named(paths: Sequence[str], weights: Weights | None) -> list[tuple[str, str]]:
    """Return the stored path and the given one of each file that is wanted."""
    inside = ADAPTER + "/"
    apart = [path for path in paths if path.startswith(inside)]
    if weights is None or weights == BOTH or not apart:
        return [(path, path) for path in paths]
    if weights == MERGED:
        return [(path, path) for path in paths if path not in apart]
    return [(path, path.removeprefix(inside)) for path in apart]


def sums_file(sums: Iterable[tuple[str, str | None]]) -> bytes:
    """Return `SHA256SUMS` of (path, sha256), as `sha256sum -c` reads it; empty where no checksum is known."""
    return "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(sums) if sha256 is not None).encode()
