"""Lengths of time as people type them: `90`, `15m`, `12h`, `30d`, `2w`."""

import re
from datetime import UTC, datetime, timedelta

from burnish.cli.exits import USAGE, CliError

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
SHAPE = re.compile(r"(\d{1,10})([smhdw]?)")


def seconds(text: str, flag: str) -> int:
    """Return a length in seconds; CliError (`USAGE`) naming the flag where it is none."""
    found = SHAPE.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise CliError(f"{flag}: '{text}' is no length of time such as 90 (seconds), 15m, 12h, 30d or 2w.", USAGE)
    return int(found[1]) * UNITS[found[2]]


def moment(text: str, flag: str) -> str:
    """Return a moment in RFC 3339: as it is given, or so long ago; CliError (`USAGE`) naming the flag where it is neither."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        try:
            return (datetime.now(UTC) - timedelta(seconds=seconds(text, flag))).isoformat().replace("+00:00", "Z")
        except (CliError, OverflowError):
            message = f"{flag}: '{text}' is neither a length of time such as 12h or 7d nor a moment such as 2026-01-31T09:00Z."
            raise CliError(message, USAGE) from None
    return (given if given.tzinfo else given.astimezone()).isoformat().replace("+00:00", "Z")
