"""The client: server-sent events, broken connections, and what failures become."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from burnish.cli import patience
from burnish.cli.client import Api, Line, parse_events
from burnish.cli.connection import Target
from burnish.cli.exits import ERROR, CliError, Unreachable
from tests.conftest import free_port


def test_events_have_cursors_and_comments_are_none() -> None:
    lines = [": keepalive", "id: 6", "id: 7", "data: one", "data: two", "", "data: three", "", ": keepalive", "data: cut off"]
    assert list(parse_events(iter(lines))) == [Line("7", "one\ntwo"), Line(None, "three")]


def test_error_event_ends_the_stream_with_its_message() -> None:
    with pytest.raises(CliError, match="It broke"):
        list(parse_events(iter(["event: error", 'data: {"error": {"message": "It broke"}}', ""])))
    away = 'data: {"error": {"code": "upstream_unavailable", "message": "Not now"}}'
    with pytest.raises(Unreachable, match="Not now"):
        list(parse_events(iter(["event: error", away, ""])))


class Breaking(BaseHTTPRequestHandler):
    """Serves the events 1 to `last`, two a connection, and breaks off in the middle of the next one."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str | None]] = []
    last: ClassVar[int] = 4

    def do_GET(self) -> None:
        cursor = self.headers.get("Last-Event-ID")
        self.asked.append(cursor)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        first = int(cursor or 0) + 1
        text = "".join(f"id: {number}\ndata: line {number}\n\n" for number in range(first, min(first + 2, self.last + 1)))
        done = first + 2 > self.last
        text += "" if done else f"id: {first + 2}\ndata: li"
        self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode() + (b"0\r\n\r\n" if done else b""))
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        return None


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", free_port()), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_followed_stream_goes_on_after_a_broken_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.01)
    Breaking.asked.clear()
    with serving(Breaking) as url, Api(Target(url, "vk_x", "test")) as api:
        assert [line.data for line in api.follow("/logs")] == ["line 1", "line 2", "line 3", "line 4"]
    assert Breaking.asked == [None, "2"]


def test_stream_without_its_last_line_was_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.01)
    Breaking.asked.clear()
    told: list[str] = []
    with serving(Breaking) as url, Api(Target(url, "vk_x", "test")) as api:
        followed = api.follow("/logs", "3", last=re.compile("line 5"), tell=told.append)
        assert next(followed).data == "line 4"
        monkeypatch.setattr(Breaking, "last", 5)
        assert [line.data for line in followed] == ["line 5"]
    assert Breaking.asked == ["3", "4"]
    assert told == [f"The stream of {url} broke off. Trying again.", "Connected again; nothing was missed."]


def test_platform_that_is_not_there_is_one_clear_line() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Api(Target(url, "vk_x", "test")) as api, pytest.raises(Unreachable) as refused:
        api.get("/v1/me")
    assert refused.value.message == f"Nothing answers at {url}: `burnish up` is not running there."
    assert refused.value.code == ERROR


class Stranger(BaseHTTPRequestHandler):
    """A web server that is not Burnish."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, format: str, *args: object) -> None:
        return None


def test_other_web_server_is_told_apart() -> None:
    with serving(Stranger) as url, Api(Target(url, "vk_x", "test")) as api, pytest.raises(CliError, match="is it the right URL"):
        api.get("/v1/me")
