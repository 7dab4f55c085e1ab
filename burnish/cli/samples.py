"""Completions to try a reward function on, as a file of the user's has them; and scores, as a terminal shows them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from burnish.cli.exits import ERROR, USAGE, CliError
from burnish.cli.output import Output
from burnish.kit.errors import BurnishError
from resolvers import inputs
from resolvers.reward_bench import SampleInput


def read(path: Path) -> list[dict[str, Any]]:
    """Return the samples of a JSONL file; CliError naming the line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path}: {getattr(error, 'strerror', None) or error}", ERROR) from None
    found = [_sample(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise CliError(f"{path}: there are no samples in it.", USAGE)
    return found


def _sample(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
        inputs.parse(SampleInput, data)
    except (ValueError, RecursionError) as error:
        raise CliError(f"{path}, line {number}: not JSON: {error}", USAGE) from None
    except BurnishError as error:
        raise CliError(f"{path}, line {number}: {error.message}", USAGE) from None
    sample: dict[str, Any] = data
    return sample


def weights(given: Sequence[str]) -> dict[str, float]:
    """Return `name=factor` options; CliError for any other."""
    found: dict[str, float] = {}
    for item in given:
        name, _, factor = item.partition("=")
        try:
            found[name.strip()] = float(factor)
        except ValueError:
            raise CliError(f"--weight: {item} is not NAME=FACTOR.", USAGE) from None
    return found


def show(out: Output, rewards: Sequence[float | None], components: Mapping[str, Sequence[float | None]]) -> None:
    """Print a line a sample: its reward and the parts of it."""
    columns = ("sample", "reward", *components)
    rows = [
        {"sample": index, "reward": _number(reward), **{name: _number(values[index]) for name, values in components.items()}}
        for index, reward in enumerate(rewards)
    ]
    out.table(rows, columns, "No samples.")


def _number(value: float | None) -> str:
    return "skipped" if value is None else f"{value:g}"
