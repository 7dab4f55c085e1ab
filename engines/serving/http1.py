"""The gateway's own HTTP/1.1 client: one question to one server, at the least cost that Python allows.

Invariant: each request has one answer or one Unanswered (drawn in `http1_connection`), and each connection is in use, idle in
its origin's list, or closed. A request goes out at most twice: the second time where a connection from the list had been closed
by the server before it said a byte. Nothing is awaited that need not be: an exchange whose whole answer is short suspends once.
"""

import asyncio
import re
import ssl
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from httpx2 import create_ssl_context

from engines.serving.http1_connection import (
    Broken,
    Connection,
    Dropped,
    Response,
    Terms,
    TooLarge,
    TooSlow,
    Unanswered,
    Unreachable,
)

__all__ = ["Broken", "Client", "Dropped", "Response", "TooLarge", "TooSlow", "Unanswered", "Unreachable"]

# Servers of the field close what was idle for five seconds.
IDLE_S = 4.0
MAX_BODY_BYTES = 64 * 2**20
MAX_ORIGINS = 4096
MAX_PATHS = 64
PORTS = {"http": 80, "https": 443}
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
OURS = {"connection", "content-length", "content-type", "host", "transfer-encoding"}
PATH = re.compile(r"/[!-~]*")
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\t -~\x80-\xff]*")


@dataclass(slots=True, eq=False)
class _Origin:
    """A server, what each request to it begins with, and its connections that nobody uses; the one used last is the last."""

    host: str
    port: int
    authority: str
    prefix: str
    tls: bool
    idle: list[Connection] = field(default_factory=list)
    posts: dict[str, bytes] = field(default_factory=dict)

    def post(self, path: str) -> bytes:
        """Return and remember the head of a POST, up to the first header that is not always the same."""
        if len(self.posts) >= MAX_PATHS:
            self.posts.clear()
        self.posts[path] = head = self.head("POST", path) + b"content-type: application/json\r\n"
        return head

    def head(self, method: str, path: str) -> bytes:
        if not PATH.fullmatch(path):
            raise ValueError(f"not a path: {path!r}")
        lines = f"{method} {self.prefix}{path} HTTP/1.1", f"host: {self.authority}", "user-agent: burnish", "accept: */*"
        return "".join(line + "\r\n" for line in (*lines, "accept-encoding: identity")).encode()


class Client:
    """Connections to any number of servers, for one event loop.

    `connect_s` bounds a connection's making (DNS and TLS included), `silence_s` the time that a server may send nothing while
    it is read from, `idle_s` how long a connection is kept for the next request, and `max_body_bytes` what `Response.read` keeps.
    """

    def __init__(
        self,
        *,
        connect_s: float = 5.0,
        silence_s: float = 600.0,
        idle_s: float = IDLE_S,
        max_body_bytes: int = MAX_BODY_BYTES,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._connect_s = connect_s
        self._silence_s = silence_s
        self._terms = Terms(idle_s, max_body_bytes)
        self._tls = tls
        self._origins: dict[str, _Origin] = {}
        self._closed = False

    def post(
        self, base: str, path: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS, *, silence_s: float | None = None
    ) -> Coroutine[Any, Any, Response]:
        """Send a JSON document to `base` (`http(s)://host[:port][/prefix]`) + `path` and return the answer.

        Unanswered where there is none, ValueError for what cannot be sent. Cancelled, the connection ends.
        """
        origin = self._origins.get(base) or self._origin(base)
        head = origin.posts.get(path) or origin.post(path)
        if headers:
            head += _lines(headers)
        request = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)
        return self._exchange(origin, request, self._silence_s if silence_s is None else silence_s)

    def get(
        self, base: str, path: str, headers: Mapping[str, str] = NO_HEADERS, *, silence_s: float | None = None
    ) -> Coroutine[Any, Any, Response]:
        """Ask for `base` + `path`; as `post`."""
        origin = self._origins.get(base) or self._origin(base)
        request = origin.head("GET", path) + _lines(headers) + b"\r\n"
        return self._exchange(origin, request, self._silence_s if silence_s is None else silence_s)

    async def close(self) -> None:
        """End all connections, whatever goes on in them, and wait until they have ended."""
        self._closed = True
        for connection in list(self._terms.open):
            connection.fail(Broken, "the client was closed")
        while self._terms.open:
            await asyncio.sleep(0)

    async def _exchange(self, origin: _Origin, request: bytes, silence_s: float) -> Response:
        if origin.idle:
            answer = origin.idle.pop().send(request, silence_s)
            await answer.arrival()
            failure = answer.failure
            if failure is None:
                return answer
            if failure[0] is not Dropped:
                raise failure[0](failure[1])
        answer = (await self._connect(origin)).send(request, silence_s)
        await answer.arrival()
        failure = answer.failure
        if failure is not None:
            raise failure[0](failure[1])
        return answer

    async def _connect(self, origin: _Origin) -> Connection:
        if origin.tls and self._tls is None:
            # It reads hundreds of certificates.
            self._tls = await asyncio.to_thread(create_ssl_context)
        name = f"{origin.host}:{origin.port}"
        self._must_be_open(name)
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(name, origin.idle, self._terms),
                    origin.host,
                    origin.port,
                    ssl=self._tls if origin.tls else None,
                )
        except TimeoutError:
            raise Unreachable(f"{name}: no connection within {self._connect_s:g} s") from None
        except (OSError, ValueError) as error:
            raise Unreachable(f"{name}: no connection ({error})") from error
        if connection.lost:
            raise Unreachable(f"{name}: it ended the connection at once")
        # Only now: of a connection whose maker was cancelled, uvloop says no more.
        self._terms.open.add(connection)
        try:
            self._must_be_open(name)
        except Unreachable:
            connection.fail(Unreachable, "the client was closed")
            raise
        return connection

    def _must_be_open(self, name: str) -> None:
        if self._closed:
            raise Unreachable(f"{name}: the client is closed")

    def _origin(self, base: str) -> _Origin:
        """Read a base and remember it; ValueError for what is none."""
        parts = urlsplit(base)
        if parts.scheme not in PORTS or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"not a server's address: {base!r}")
        prefix = parts.path.rstrip("/")
        if prefix and not PATH.fullmatch(prefix):
            raise ValueError(f"not a server's address: {base!r}")
        authority = parts.netloc.rpartition("@")[2]
        if not authority.isascii():
            authority = authority.encode("idna").decode()
        port = parts.port or PORTS[parts.scheme]
        if len(self._origins) >= MAX_ORIGINS:
            # Its idle connections end when their time is over.
            del self._origins[next(iter(self._origins))]
        self._origins[base] = origin = _Origin(parts.hostname, port, authority, prefix, parts.scheme == "https")
        return origin


def _lines(headers: Mapping[str, str]) -> bytes:
    for name, value in headers.items():
        if not NAME.fullmatch(name) or not VALUE.fullmatch(value) or name.lower() in OURS:
            raise ValueError(f"not a header to send: {name!r}")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
