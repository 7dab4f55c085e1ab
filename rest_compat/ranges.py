"""Parts of a download: a client that lost its connection goes on where it was (RFC 9110, section 14).

One range of bytes at a time: several at once, and units other than bytes, are answered with the whole, as a server may.
"""

import re

from starlette.requests import Request

from rest_compat.errors import RangeNotSatisfiable

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
RANGE_HEADER = "Range"
HEADERS = {RANGE_HEADER: {"type": "string", "description": "Which bytes to send, as in `bytes=1000-`."}}


def wanted(request: Request, size_bytes: int, tag: str) -> tuple[int, int] | None:
    """Return where the part that is asked for begins and before what it ends, None for the whole.

    `tag` is what the download is known by: a client that names another in `If-Range` has a part of something else.
    """
    found = RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if found is None or request.headers.get("if-range", tag) != tag:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), min(size_bytes, int(last) + 1) if last else size_bytes
        if last and int(last) < start:
            return None
    if start >= size_bytes:
        raise RangeNotSatisfiable(f"There are {size_bytes} bytes: none of them is within this range.", size_bytes)
    return start, end
