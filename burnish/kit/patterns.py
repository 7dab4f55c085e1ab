"""Regular expressions that callers give: none takes gigabytes to compile, and whoever searches with one gives it a timeout."""

import math
import re
from typing import Any

import regex

# What is repeated within what is repeated is copied as often as their product: `(a{3000}b){3000}` takes gigabytes.
MOST_REPEATED = 1_000
REPEATS = re.compile(r"\{([0-9]*)(?:,([0-9]*))?\}")
# In this mode numbers may be written with spaces and comments between their digits.
VERBOSE = re.compile(r"\(\?[a-z0-9-]*x", re.IGNORECASE)


def compiled(pattern: str, longest: int) -> Any:
    """Return the pattern, whose methods take `timeout` and, to let others work meanwhile, `concurrent=True`; ValueError with a
    sentence for the caller where it is none or may take too much.
    """
    if len(pattern) > longest:
        raise ValueError(f"A pattern has at most {longest} characters.")
    if VERBOSE.search(pattern):
        raise ValueError("A pattern cannot be verbose here.")
    repeated = math.prod(max(1, *(int(number or 0) for number in found)) for found in REPEATS.findall(pattern))
    if repeated > MOST_REPEATED:
        raise ValueError(f"This pattern repeats too much: all its counts multiply to {MOST_REPEATED:,} at most.")
    try:
        # The library would keep the last 500 of all callers.
        return regex.compile(pattern, cache_pattern=False)
    except (regex.error, OverflowError, RecursionError) as error:
        raise ValueError(f"This is no regular expression: {error}.") from None
