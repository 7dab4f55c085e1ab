"""What a row of a dataset is, for the lines of an upload and the rows of a connected source alike.

A row is a JSON object, most often with a `prompt`: a text, or a list of messages. That takes in verl's rows. A video row has a
`prompt` or a `caption`, and names its `video` (also `video_path` or `file_name`). What each method needs is in `rows`.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

MAX_DEPTH = 64
ROLES = ("system", "user", "assistant", "tool", "developer")
VIDEO_KEYS = ("video", "video_path", "file_name")
NO_URL = "is no URL that can be fetched"
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
HALF_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Problem(Exception):
    """Why a line is no row; its text is for the user."""


def parse(line: bytes, *, first: bool = False) -> dict[str, Any]:
    """Return the object of a line, with nothing in it that JSON, UTF-8 or a database would not take; Problem otherwise."""
    try:
        text = line.rstrip(b"\r\n").decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        raise Problem(f"not UTF-8 at byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise Problem("not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig) at column 1")
    try:
        row = DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Problem(f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}") from None
    except RecursionError:
        raise Problem(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise Problem(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise Problem("a row is a JSON object")
    if _is_suspect(line):
        _check_value(row, 0)
    return row


def prompt_of(row: Mapping[str, Any]) -> Any:
    """Return what the model is asked, after a look at it; Problem where the row asks nothing."""
    key = "caption" if row.get("prompt") is None and "caption" in row and video_of(row) is not None else "prompt"
    prompt = row.get(key)
    if prompt is None:
        raise Problem(f"no '{key}'")
    if isinstance(prompt, str):
        if not prompt.strip():
            raise Problem(f"'{key}' is empty")
        return prompt
    if key == "caption":
        raise Problem("'caption' is a text")
    if not isinstance(prompt, list) or not prompt:
        raise Problem("'prompt' is a text or a list of messages")
    check_messages(prompt, "prompt")
    return prompt


def check_messages(value: Any, key: str) -> None:
    """Raise Problem where what a row calls `key` is no list of messages. One that only calls tools has no content."""
    if not isinstance(value, list) or not value:
        raise Problem(f"'{key}' is a list of messages")
    for index, message in enumerate(value):
        if not isinstance(message, dict) or message.get("role") not in ROLES or not _has_content(message):
            raise Problem(f"'{key}[{index}]' is not a message {{role, content}} with a role of {', '.join(ROLES)}")


def _has_content(message: Mapping[str, Any]) -> bool:
    calls = message.get("tool_calls")
    content = message.get("content")
    return isinstance(content, (str, list)) or (content is None and isinstance(calls, list) and bool(calls))


def video_of(row: Mapping[str, Any]) -> str | None:
    """Return the URL or path of a video row's clip; None for any other row."""
    return next((row[key] for key in VIDEO_KEYS if isinstance(row.get(key), str) and row[key]), None)


def check_url(url: str) -> None:
    """Raise Problem where no client could ask for a URL: no host, a port that is none, control characters, halves of letters."""
    try:
        url.encode()
        parts = urlsplit(url)
        # The port is read as it is asked for.
        is_whole = bool(parts.hostname) and parts.port != 0 and UNPRINTABLE.search(url) is None
    except ValueError:
        is_whole = False
    if not is_whole:
        raise Problem(NO_URL)


def _is_suspect(line: bytes) -> bool:
    """Whether a line may hold what only a walk through its values finds: nesting, NUL, halves of surrogate pairs."""
    return line.count(b"[") + line.count(b"{") > MAX_DEPTH or b"\\u0000" in line or HALF_SURROGATE.search(line) is not None


def _check_value(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Problem(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if "\x00" in value:
            raise Problem("holds a NUL character")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Problem("holds half of a surrogate pair") from None
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_value(key, depth + 1)
            _check_value(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_value(item, depth + 1)


def _refuse_constant(name: str) -> float:
    raise Problem(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Problem("holds a number too large for JSON")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Problem(f"the key {json.dumps(key)} stands twice")
            seen.add(key)
    return made


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
