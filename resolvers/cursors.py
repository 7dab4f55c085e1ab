"""Cursors: what they hold, hidden from clients. One of another list or stream is refused, never misread.

GraphQL and the event streams of REST give out the same ones: whoever has read to a place over the one may go on over the other.
"""

import base64
import binascii
from typing import NewType

from burnish.kit.errors import Invalid

Cursor = NewType("Cursor", str)


def item(kind: str, item_id: str) -> Cursor:
    """Return the cursor of an item in a list of `kind`."""
    return _write(kind, item_id)


def read_item(cursor: Cursor | None, kind: str) -> str | None:
    """Return the id that a list goes on after."""
    return None if cursor is None else _read(cursor, kind)


def position(resource_id: str, kind: str, seq: int) -> Cursor:
    """Return the cursor of a row in the stream (resource, kind)."""
    return _write(f"{resource_id}/{kind}", str(seq))


def read_position(cursor: Cursor, resource_id: str, kind: str) -> int:
    """Return the sequence number that a stream goes on after."""
    text = _read(cursor, f"{resource_id}/{kind}")
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise _refusal()
    return int(text)


def _write(scope: str, place: str) -> Cursor:
    return Cursor(base64.urlsafe_b64encode(f"{scope}:{place}".encode()).rstrip(b"=").decode())


def _read(cursor: Cursor, scope: str) -> str:
    try:
        found, _, place = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except (binascii.Error, ValueError):
        raise _refusal() from None
    if not place:
        raise _refusal()
    if found != scope:
        raise Invalid("This cursor belongs to another list or stream.", code="invalid_cursor", param="after")
    return place


def _refusal() -> Invalid:
    return Invalid("This is not a cursor that was given out here.", code="invalid_cursor", param="after")
