"""A dataset's file on this machine, and what a dataset holds, as the commands show it."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.cli.exits import ERROR, USAGE, CliError
from burnish.cli.output import Output
from burnish.kit.settings import Settings

if TYPE_CHECKING:
    from engines.data.jsonl import Report

SUMMARY = ("num_rows", "size_bytes", "duplicate_prompts", "video_rows")
CLIPS = ("num_rows", "total_frames", "min_frames", "max_frames")
TOKENS = (
    "base_model", "method", "min", "mean", "p50", "p90", "p95", "p99", "max", "max_prompt_length", "max_length", "over_limit",
)  # fmt: skip


def check(path: Path) -> "Report":
    """Check a file with the rules of an upload; CliError where it cannot be read or used as a whole."""
    # Loaded here only: numpy costs a fifth of a second, which no other command should pay.
    from engines.data import intake
    from engines.protocol import ChildFailure

    fields = Settings.model_fields
    try:
        with tempfile.TemporaryDirectory(prefix="burnish-check-") as folder:
            if intake.is_plain(path):
                return intake.plain(path, Path(folder), fields["max_line_bytes"].default).report
            return asyncio.run(_unpacked(path.resolve(), Path(folder)))
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}", ERROR) from None
    except ChildFailure as failure:
        raise CliError(f"{path}: {failure.message}", ERROR) from None


async def _unpacked(path: Path, folder: Path) -> "Report":
    """Take a packed file apart in the same child as the platform does: clips are decoded nowhere else."""
    from engines import task
    from engines.data.jsonl import Report

    fields = Settings.model_fields
    most, line = fields["max_dataset_bytes"].default, fields["max_line_bytes"].default
    spec = {"path": str(path), "folder": str(folder), "max_bytes": most, "max_line_bytes": line}
    found = await task.run("data.intake", spec, folder=folder, deadline_s=fields["source_timeout_s"].default)
    return Report(**found["report"])


def problems_for(found: "Report", method: str) -> list[str]:
    """Return the lines that do not serve a method; CliError for one that there is not."""
    if method not in found.methods:
        raise CliError(f"--method: there are {', '.join(found.methods)}, not {method}", USAGE)
    fit = found.methods[method]
    if fit["rows"] == found.num_rows:
        return []
    lines = [f"line {problem['line']}: {problem['message']}" for problem in fit["problems"]]
    return [f"{found.num_rows - fit['rows']:,} of {found.num_rows:,} rows do not serve {method}", *lines]


def holdings(found: "Report") -> dict[str, Any]:
    """Return what a checked file holds, as the platform tells it of a dataset."""
    clips = found.clips
    return {
        **found.statistics,
        "num_rows": found.num_rows,
        "size_bytes": found.size_bytes,
        "methods": [{"name": name, "num_rows": fit["rows"], "problems": fit["problems"]} for name, fit in found.methods.items()],
        "clips": clips
        and {
            "num_rows": clips["rows"],
            "total_frames": clips["frames"],
            "min_frames": clips["min_frames"],
            "max_frames": clips["max_frames"],
            "shapes": [{**shape, "num_rows": shape["rows"]} for shape in clips["shapes"]],
        },
    }


def show(out: Output, found: Mapping[str, Any]) -> None:
    """Print what a dataset holds, for a person."""
    out.show(found, SUMMARY)
    rows = [{**column, "types": _types(column["types"])} for column in found["columns"] or []]
    _table(out, rows, ("name", "types", "missing"))
    _table(out, found.get("methods") or [], ("name", "num_rows"))
    if found.get("clips"):
        out.text()
        out.show(found["clips"], CLIPS)
        _table(out, found["clips"]["shapes"], ("width", "height", "fps", "num_rows"))
    if found.get("tokens"):
        out.text()
        out.show(found["tokens"], TOKENS)


def _table(out: Output, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    if rows:
        out.text()
        out.table(rows, columns, "")


def _types(types: Mapping[str, int]) -> str:
    """Return the types of a column, the most frequent first, with their counts where there are several."""
    ordered = sorted(types.items(), key=lambda item: -item[1])
    return ", ".join(name if len(ordered) == 1 else f"{name} {count:,}" for name, count in ordered)
