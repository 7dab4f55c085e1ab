"""A thin client of the platform's REST and GraphQL interfaces: what the commands call, with errors that carry exit codes."""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import httpx2

from burnish.cli.connection import Target
from burnish.cli.exits import ERROR, TIMED_OUT, ApiError, CliError, Unreachable
from burnish.cli.patience import Patience, Tell, silent

Json = dict[str, Any]
Advance = Callable[[int], None]
TIMEOUT_S = 30.0
# A stream says something at least every 15 s: longer silence is a dead connection.
STREAM_SILENCE_S = 45.0
UPLOAD_S = 600.0
PAGE = 100
PARTIAL = 206
LAST_LINE = re.compile(r"\[Job (completed|failed|cancelled)\]")
GRAPHQL_STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "UNAVAILABLE": 503}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Line(NamedTuple):
    """One event of a server-sent stream; `cursor` resumes after it."""

    cursor: str | None
    data: str


class Api:
    """The platform as one key sees it. Every failure is a CliError."""

    def __init__(self, target: Target, timeout_s: float = TIMEOUT_S) -> None:
        self.target = target
        headers = {"Authorization": f"Bearer {target.api_key}", "User-Agent": "burnish-cli"}
        try:
            # A proxy of the network knows nothing of this machine's own addresses.
            proxied = httpx2.URL(target.base_url).host not in LOOPBACK
            self._http = httpx2.Client(base_url=target.base_url, headers=headers, timeout=timeout_s, trust_env=proxied)
        except (UnicodeError, ValueError, httpx2.InvalidURL) as error:
            raise CliError(f"The base URL or the API key cannot be sent: {error}", ERROR) from None

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Break off whatever is still being read, in any thread."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Json:
        given = {key: value for key, value in query.items() if value is not None}
        return self._json("GET", path, params=given)

    def post(self, path: str, body: Any = None, *, patient: bool = False) -> Json:
        """Post JSON; `patient` where the platform may work on the answer for as long as on an upload."""
        timeout = {"timeout": httpx2.Timeout(TIMEOUT_S, read=UPLOAD_S)} if patient else {}
        return self._json("POST", path, json=body, headers=_once(), **timeout)

    def patch(self, path: str, body: Any) -> Json:
        return self._json("PATCH", path, json=body, headers=_once())

    def put(self, path: str, body: Any) -> Json:
        return self._json("PUT", path, json=body, headers=_once())

    def delete(self, path: str) -> Json:
        return self._json("DELETE", path, headers=_once())

    def all(self, path: str, limit: int, **query: Any) -> list[Json]:
        """Return up to `limit` items of a list, newest first, over as many pages as that takes."""
        found: list[Json] = []
        while len(found) < limit:
            after = found[-1]["id"] if found else None
            page = self.get(path, limit=min(PAGE, limit - len(found)), after=after, **query)
            found += page["data"]
            if not page["has_more"] or not page["data"]:
                break
        return found

    def upload(self, path: str, fields: Mapping[str, str], name: str, file: BinaryIO) -> Json:
        """Post a file, read while it is sent; the platform answers when it has checked all of it."""
        timeout = httpx2.Timeout(TIMEOUT_S, read=UPLOAD_S)
        return self._json("POST", path, data=dict(fields), files={"file": (name, file)}, headers=_once(), timeout=timeout)

    def graphql(self, query: str, **variables: Any) -> Json:
        """Return `data`; CliError for errors of the whole operation."""
        answer = self._json("POST", "/graphql", json={"query": query, "variables": variables})
        errors = answer.get("errors") or []
        if errors:
            code = str((errors[0].get("extensions") or {}).get("code"))
            raise ApiError(errors[0]["message"], status=GRAPHQL_STATUS.get(code, 400), error_code=code)
        data: Json = answer["data"]
        return data

    @contextmanager
    def stream(self, method: str, path: str, **arguments: Any) -> Iterator[httpx2.Response]:
        """Open a request whose answer is read as it comes."""
        with self._failures(), self._http.stream(method, path, timeout=_patient(), **arguments) as response:
            if response.is_error:
                response.read()
                raise refused(response)
            yield response

    def events(self, method: str, path: str, **arguments: Any) -> Iterator[Line]:
        """Yield the events of one server-sent stream until it ends."""
        with self.stream(method, path, **arguments) as response:
            yield from parse_events(response.iter_lines())

    def follow(
        self, path: str, after: str | None = None, *, last: re.Pattern[str] | None = None, tell: Tell = silent, **query: Any
    ) -> Iterator[Line]:
        """Yield a resumable stream's events to its end, over broken connections: nothing twice, nothing left out.

        Where `last` is given, a stream that ends in any other line was cut off too. `tell` hears of outages.
        """
        cursor, patience, answered = after, Patience(tell), False
        while True:
            line = None
            try:
                with self.stream("GET", path, headers={"Last-Event-ID": cursor} if cursor else {}, params=query) as response:
                    patience.connected()
                    answered = True
                    for line in parse_events(response.iter_lines()):
                        patience.answered()
                        cursor = line.cursor or cursor
                        yield line
                if last is None or (line is not None and last.fullmatch(line.data)):
                    return
                raise Unreachable(f"The stream of {self.target.base_url} broke off.")
            except StreamError:
                # It has no status: a key that has ended shows when it asks for something else.
                self.get("/v1/me")
                raise
            except CliError as error:
                # A platform that never answered is not waited for, one that restarts is.
                if not answered:
                    raise
                patience.wait(error)

    def download(self, url: str, target: BinaryIO, start: Callable[[int | None], Advance], *, go_on: bool = False) -> None:
        """Write what a signed URL answers into a file; the key is not sent along. `start` gets the size, where it is known, and
        returns what counts the bytes. With `go_on` only what comes after the bytes that the file has is asked for.
        """
        proxied = httpx2.URL(url).host not in LOOPBACK
        have = target.tell() if go_on else 0
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        arguments: Any = {"timeout": _patient(), "follow_redirects": True, "trust_env": proxied, "headers": headers}
        with self._failures(), httpx2.stream("GET", url, **arguments) as response:
            if response.is_error:
                response.read()
                raise refused(response)
            if have and response.status_code != PARTIAL:
                target.truncate(0)
                target.seek(0)
            size = response.headers.get("content-length")
            advance = start(int(size) if size else None)
            for chunk in response.iter_bytes(2**16):
                target.write(chunk)
                advance(len(chunk))

    def _json(self, method: str, path: str, **arguments: Any) -> Json:
        with self._failures():
            try:
                response = self._http.request(method, path, **arguments)
            except (httpx2.ReadError, httpx2.RemoteProtocolError):
                # The connection broke before the answer. Reading can be done again, and a write has an idempotency key.
                response = self._http.request(method, path, **arguments)
        if response.is_error:
            raise refused(response)
        try:
            answer: Json = response.json()
        except ValueError:
            raise CliError(f"{self.target.base_url}{path} did not answer as Burnish does: is it the right URL?") from None
        return answer

    @contextmanager
    def _failures(self) -> Iterator[None]:
        url = self.target.base_url
        try:
            yield
        except httpx2.ConnectError:
            raise Unreachable(f"Nothing answers at {url}: `burnish up` is not running there.") from None
        except httpx2.TimeoutException:
            raise Unreachable(f"{url} did not answer in time.", TIMED_OUT) from None
        except httpx2.TransportError as error:
            raise Unreachable(f"The connection to {url} broke: {error or type(error).__name__}") from None


class StreamError(CliError):
    """What a stream said of itself after its start."""


def refused(response: httpx2.Response) -> ApiError:
    """Return the error that an answer tells."""
    try:
        answer = response.json()
        error = answer["errors"][0] if "errors" in answer else answer["error"]
        message, details = str(error["message"]), error.get("details") or []
    except (ValueError, LookupError, TypeError):
        return ApiError(f"HTTP {response.status_code} from {response.url}", status=response.status_code)
    if response.status_code == 401:
        return ApiError(
            f"{message} for {response.url.scheme}://{response.url.netloc.decode()}", status=401, hint="`burnish login`"
        )
    return ApiError(
        message,
        status=response.status_code,
        error_code=error.get("code"),
        param=error.get("param"),
        details=[_detail(item) for item in details if isinstance(item, dict)][:20] if len(details) > 1 else [],
        hint=error.get("hint"),
    )


def parse_events(lines: Iterator[str]) -> Iterator[Line]:
    """Yield the events of `text/event-stream` lines, which comments are not; CliError where the platform tells of a failure.

    An event that the connection cut off is left out: it comes again whole.
    """
    data: list[str] = []
    cursor, name = None, ""
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "id":
            cursor = value
        elif field == "event":
            name = value
        elif not line and data:
            yield _event(name, Line(cursor, "\n".join(data)))
            data, cursor, name = [], None, ""


def _event(name: str, line: Line) -> Line:
    if name != "error":
        return line
    found = json.loads(line.data)["error"]
    raise (Unreachable if found.get("code") == "upstream_unavailable" else StreamError)(str(found["message"]))


def decoded(line: Line) -> Json:
    """Return the JSON object of a completion stream's event; CliError where the stream broke off with an error."""
    found: Json = json.loads(line.data)
    if "error" in found:
        raise CliError(str(found["error"].get("message") or found["error"]))
    return found


def open_file(path: Path) -> BufferedReader:
    """Open a file that the user named; CliError where that fails."""
    try:
        return path.open("rb")
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}", ERROR) from None


def _detail(item: Mapping[str, Any]) -> str:
    where = f"line {item['line']}" if item.get("line") else item.get("param")
    return f"{where}: {item.get('message')}" if where else str(item.get("message"))


def _once() -> dict[str, str]:
    """Return a header that makes a request that is sent again after a broken connection do its work once."""
    return {"Idempotency-Key": uuid.uuid4().hex}


def _patient() -> httpx2.Timeout:
    return httpx2.Timeout(TIMEOUT_S, read=STREAM_SILENCE_S)
