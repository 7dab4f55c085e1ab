"""Moments that OpenAI's dialect gives in seconds since 1970, as all other commands print them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any


def readable(found: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return an object with these of its fields as moments in RFC 3339."""
    return found | {name: _moment(found[name]) for name in names if found.get(name) is not None}


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
