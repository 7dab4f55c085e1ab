"""The examples of the documents that the project starts from, as they stand there, and what it takes to send and compare them.

The curl lines are sent literally: only the host, the key and the ids are replaced.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

FOLDER = Path(__file__).parent
HOST = "https://api.veri.studio"
KEY = "vk_your_api_key"
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z")
DOCUMENTED_TIME = re.compile(r"2026-\d{2}-\d{2}T\d{2}:\d{2}:00Z|2026-04-14T12:10:05Z")
DOCUMENTED_ID = re.compile(r"((?:ds|rf|job|dep|req|chatcmpl)[_-])[a-z]+\d+")


@dataclass(frozen=True)
class Example:
    """One example; `response` is a JSON value, or what a stream holds."""

    curl: str = ""
    response: Any = None

    def request(self, client: httpx2.AsyncClient, key: str, ids: Mapping[str, str]) -> httpx2.Request:
        """Return the request that the curl line makes, to the client's host, with a real key and real ids."""
        text = self.curl.replace(HOST, str(client.base_url).rstrip("/")).replace(KEY, key)
        for documented, real in ids.items():
            text = re.sub(rf"\b{documented}\b", real, text)
        return _request(shlex.split(text.replace("\\\n", " ")))


def load(name: str) -> dict[str, Any]:
    """Return the examples of a document by their names; what is no example is there as it is."""
    found = json.loads((FOLDER / f"{name}.json").read_text())
    return {key: Example(**value) if isinstance(value, dict) else value for key, value in found.items()}


def _request(words: list[str]) -> httpx2.Request:
    """Return what `curl` would send; an option that is not known here fails."""
    assert words.pop(0) == "curl"
    method, url, headers, body = "", "", {}, None
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(":")
            headers[name] = value.strip()
        elif word == "-d":
            body = words.pop(0)
        elif word != "-N":
            assert word.startswith("http"), word
            url = word
    return httpx2.Request(method or ("GET" if body is None else "POST"), url, headers=headers, content=body)


@dataclass
class Comparison:
    """Holds an answer against an example: every documented field is there, with the documented type, nullness and value, and
    every documented element in its place. What the answer has beyond them is its own affair, and so is the order of its
    fields: the documents show the same object in several.

    `free` names the fields, as dotted paths without indices, whose value depends on the installation: those keep their type.
    """

    free: frozenset[str] = frozenset()
    used: set[str] = field(default_factory=set)

    def differences(self, documented: Any, real: Any, path: str = "") -> Iterator[str]:
        """Yield every difference, in words."""
        where = path or "the answer"
        if isinstance(documented, dict):
            yield from self._object(documented, real, path)
        elif isinstance(documented, list):
            if not isinstance(real, list) or len(real) != len(documented):
                yield f"{where}: documented with {len(documented)} elements, is {real!r}"
            else:
                for one, other in zip(documented, real, strict=True):
                    yield from self.differences(one, other, path)
        elif _kind(documented) != _kind(real) or (documented != real and not self._may_differ(documented, real, path)):
            yield f"{where}: documented as {documented!r}, is {real!r}"

    def _object(self, documented: dict[str, Any], real: Any, path: str) -> Iterator[str]:
        if not isinstance(real, dict):
            yield f"{path or 'the answer'}: documented as an object, is {real!r}"
            return
        for name, value in documented.items():
            inner = f"{path}.{name}" if path else name
            if name not in real:
                yield f"{inner}: missing"
            else:
                yield from self.differences(value, real[name], inner)

    def _may_differ(self, documented: Any, real: Any, path: str) -> bool:
        if path in self.free:
            self.used.add(path)
            return True
        if not isinstance(documented, str):
            return False
        if DOCUMENTED_TIME.fullmatch(documented):
            return TIME.fullmatch(real) is not None
        known = DOCUMENTED_ID.fullmatch(documented)
        return known is not None and str(real).startswith(known[1])


def _kind(value: Any) -> str:
    # JSON knows one kind of number.
    return "number" if type(value) in (int, float) else type(value).__name__


def compare(documented: Any, real: Any, *free: str) -> None:
    """Fail with every difference between an answer and an example; also where a value that may differ does not."""
    comparison = Comparison(frozenset(free))
    found = list(comparison.differences(documented, real))
    assert not found, "\n".join(found)
    assert comparison.used == set(free), f"these do not differ: {sorted(set(free) - comparison.used)}"
