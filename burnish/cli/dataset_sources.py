"""What `burnish datasets connect` makes of its arguments."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from burnish.cli.exits import USAGE, CliError

TYPES = {
    "s3": "s3", "gs": "gs", "az": "az", "https": "url", "http": "url",
    "postgres": "postgres", "postgresql": "postgres", "mysql": "mysql",
}  # fmt: skip
FLAGS = {
    "source_uri": "SOURCE",
    "huggingface_dataset": "SOURCE",
    "db_connection": "SOURCE",
    "db_query": "--query",
    "credentials": "--credentials",
    "column_mapping": "--map",
    "name": "--name",
}
HUB = "hf:"


def body(source: str, *, split: str | None, config: str | None, mapping: Sequence[str], query: str | None) -> dict[str, Any]:
    """Return the request's body; CliError naming the flag that does not go with the source."""
    kind = _kind(source)
    made: dict[str, Any] = {"source_type": kind}
    if mapping:
        made["column_mapping"] = dict(map(_pair, mapping))
    if kind == "hf":
        made["huggingface_dataset"] = source.removeprefix(HUB)
        made["huggingface_config"] = {
            key: value for key, value in (("split", split), ("config_name", config)) if value is not None
        }
    elif split is not None or config is not None:
        raise CliError(f"{'--split' if split is not None else '--config'}: only datasets of the hub have one", USAGE)
    if kind in ("postgres", "mysql"):
        if query is None:
            raise CliError("--query: a database needs one", USAGE)
        return {**made, "db_connection": source, "db_query": query}
    if query is not None:
        raise CliError("--query: only a database has one", USAGE)
    return made if kind == "hf" else {**made, "source_uri": source}


def name_of(source: str) -> str:
    """Return a name for a dataset of the source."""
    if _kind(source) == "hf":
        return source.removeprefix(HUB).replace("/", "-")[:128]
    parts = urlsplit(source)
    return (parts.path.rstrip("/").rpartition("/")[2].partition(".")[0] or parts.hostname or "dataset")[:128]


def read_credentials(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file; `-` is standard input."""
    try:
        found = json.loads(Path("/dev/stdin" if str(path) == "-" else path).read_text())
    except OSError as error:
        raise CliError(f"--credentials: {path}: {error.strerror}", USAGE) from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CliError(f"--credentials: {path} is not a JSON object", USAGE)
    return found


def _kind(source: str) -> str:
    scheme, separator, _ = source.partition("://")
    if not separator:
        return "hf"
    if scheme not in TYPES:
        raise CliError(f"SOURCE: {scheme}:// is not read; there are {', '.join(f'{name}://' for name in TYPES)} and hf:", USAGE)
    return TYPES[scheme]


def _pair(text: str) -> tuple[str, str]:
    column, separator, name = text.partition("=")
    if not (column and separator and name):
        raise CliError(f"--map: COLUMN=NAME is needed, not {text}", USAGE)
    return column, name
