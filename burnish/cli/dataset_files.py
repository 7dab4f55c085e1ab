"""A dataset's file on this machine, and what a dataset holds, as the commands show it."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.cli.exits import ERROR, CliError
from burnish.cli.output import Output
from burnish.kit.settings import Settings

if TYPE_CHECKING:
    from engines.data.jsonl import Report

SUMMARY = ("num_rows", "size_bytes", "duplicate_prompts", "video_rows")
TOKENS = ("base_model", "min", "mean", "p50", "p90", "p95", "p99", "max", "max_prompt_length", "over_limit")


def check(path: Path) -> "Report":
    """Check a file with the rules of an upload; CliError where it cannot be read or used as a whole."""
    # Loaded here only: numpy costs a fifth of a second, which no other command should pay.
    from engines.data import intake
    from engines.data.unpack import Unusable

    fields = Settings.model_fields
    most, line = fields["max_dataset_bytes"].default, fields["max_line_bytes"].default
    try:
        with tempfile.TemporaryDirectory(prefix="burnish-check-") as folder:
            return intake.take(path, Path(folder), most, line).report
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}", ERROR) from None
    except Unusable as error:
        raise CliError(f"{path}: {error}", ERROR) from None


def show(out: Output, found: Mapping[str, Any]) -> None:
    """Print what a dataset holds, for a person."""
    out.show(found, SUMMARY)
    rows = [{**column, "types": _types(column["types"])} for column in found["columns"] or []]
    if rows:
        out.text()
        out.table(rows, ("name", "types", "missing"), "")
    if found.get("tokens"):
        out.text()
        out.show(found["tokens"], TOKENS)


def _types(types: Mapping[str, int]) -> str:
    """Return the types of a column, the most frequent first, with their counts where there are several."""
    ordered = sorted(types.items(), key=lambda item: -item[1])
    return ", ".join(name if len(ordered) == 1 else f"{name} {count:,}" for name, count in ordered)
