"""A web server in this process with files on it: parts of them too, redirects, and a log of who asked with what."""

import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow
import pyarrow.parquet


@dataclass
class Files:
    """`/to?url=…` redirects. `authorization` guards all where it is set; `ranges` is whether parts are given."""

    files: dict[str, bytes]
    authorization: str | None = None
    ranges: bool = True
    url: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    served: Files

    def log_message(self, *_: Any) -> None:
        """Say nothing: the tests read `requests`."""

    def do_GET(self) -> None:
        parts, given = urlsplit(self.path), self.headers.get("Authorization")
        self.served.requests.append((self.path, given))
        content = self.served.files.get(parts.path)
        if parts.path == "/to":
            self._send(302, b"", {"Location": parse_qs(parts.query)["url"][0]})
        elif self.served.authorization is not None and given != self.served.authorization:
            self._send(401, b"", {})
        elif content is None:
            self._send(404, b"", {})
        elif self.served.ranges and (wanted := self.headers.get("Range")):
            first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            part = content[first : last + 1]
            self._send(206, part, {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}"})
        else:
            self._send(200, content, {})

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(files: dict[str, bytes], **more: Any) -> Iterator[Files]:
    """Serve files on a free port of this machine while the block runs."""
    served = Files(files, **more)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"served": served}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def parquet(columns: Mapping[str, Any], group: int = 100) -> bytes:
    held = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(dict(columns)), held, row_group_size=group)
    return held.getvalue()
