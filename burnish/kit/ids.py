"""Ids: a prefix and a UUIDv7 in base32, so that they sort by the time they were made.

Crockford's alphabet in lower case keeps the order of the bytes under every common collation.
"""

import os
import re
import threading

from burnish.kit import clock

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
_SHAPE = re.compile(r"[a-z]+(?:-|_)[0-9a-hjkmnp-tv-z]{26}")
_lock = threading.Lock()
_last = 0


def uuid7() -> int:
    """Return a UUIDv7 (RFC 9562) as an integer; strictly increasing within this process."""
    global _last
    random = int.from_bytes(os.urandom(10))
    millis = clock.now_micros() // 1000
    value = millis << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    with _lock:
        _last = value if value > _last else _last + 1
        return _last


def new(prefix: str, separator: str = "_") -> str:
    """Return a fresh id such as `job_01kaj5…`."""
    value = uuid7()
    # Ten characters are the milliseconds, sixteen the rest; written out, because every request takes some ids.
    high, low, pair = value >> 80, value & (1 << 80) - 1, _PAIRS
    return (
        f"{prefix}{separator}"
        f"{pair[high >> 40]}{pair[high >> 30 & 1023]}{pair[high >> 20 & 1023]}{pair[high >> 10 & 1023]}{pair[high & 1023]}"
        f"{pair[low >> 70]}{pair[low >> 60 & 1023]}{pair[low >> 50 & 1023]}{pair[low >> 40 & 1023]}"
        f"{pair[low >> 30 & 1023]}{pair[low >> 20 & 1023]}{pair[low >> 10 & 1023]}{pair[low & 1023]}"
    )


def is_id(text: str, prefix: str) -> bool:
    return text.startswith(prefix + "_") and _SHAPE.fullmatch(text) is not None


def made_ms(item_id: str) -> int:
    """Return when an id was made, in milliseconds since the epoch; 0 for what is no id of ours."""
    if _SHAPE.fullmatch(item_id) is None:
        return 0
    value = 0
    for char in item_id[-26:]:
        value = value << 5 | ALPHABET.index(char)
    return value >> 80
