"""A hub in this process: the routes of a Hugging Face hub that a download uses, over plain HTTP."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from huggingface_hub import DatasetCard

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Repositories by name, each a file name to bytes; `token` guards them all where it is set."""

    repos: dict[str, dict[str, bytes]]
    token: str | None = None
    status: int | None = None
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def downloads(self) -> list[str]:
        return [path.rsplit("/", 1)[1] for path in self.requests if path.startswith("GET") and "/resolve/" in path]


class Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: Any) -> None:
        """Say nothing: the tests read `hub.requests`."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.status is not None:
            self._send(self.hub.status, b"{}", body=body)
        elif self.hub.token is not None and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._send(401, b"{}", body=body, headers={"X-Error-Code": "GatedRepo"})
        elif (found := self._find(path)) is None:
            self._send(404, b"{}", body=body, headers={"X-Error-Code": self._missing(path)})
        else:
            self._send(200, found, body=body, headers={"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(found).hexdigest()}"'})

    def _find(self, path: str) -> bytes | None:
        for repo, files in self.hub.repos.items():
            if path in (f"/api/models/{repo}", f"/api/models/{repo}/revision/main", f"/api/models/{repo}/revision/{COMMIT}"):
                siblings = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
                return json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode()
            if path == f"/api/models/{repo}/tree/{COMMIT}":
                return json.dumps([self._entry(name, content) for name, content in files.items()]).encode()
            if path in (f"/api/datasets/{repo}", f"/api/datasets/{repo}/revision/{COMMIT}"):
                return self._dataset(repo, files)
            for prefix in (f"/{repo}/resolve/{COMMIT}/", f"/datasets/{repo}/resolve/{COMMIT}/"):
                if path.startswith(prefix):
                    return files.get(path.removeprefix(prefix))
        return None

    def _dataset(self, repo: str, files: dict[str, bytes]) -> bytes:
        """Return what a hub knows of a dataset: its files, and what its card declares."""
        siblings = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
        declared = vars(DatasetCard(files.get("README.md", b"").decode()).data)
        return json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings, "cardData": declared}).encode()

    def _entry(self, name: str, content: bytes) -> dict[str, Any]:
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def _missing(self, path: str) -> str:
        known = [f"/api/{kind}/{repo}/" for kind in ("models", "datasets") for repo in self.hub.repos]
        return "RevisionNotFound" if path.startswith(tuple(known)) else "RepoNotFound"

    def _send(self, status: int, content: bytes, *, body: bool, headers: dict[str, str] | None = None) -> None:
        wanted = self.headers.get("Range")
        if wanted and body and status == 200:
            first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            span = {"Content-Range": f"bytes {first}-{min(last, len(content) - 1)}/{len(content)}"}
            status, content, headers = 206, content[first : last + 1], {**(headers or {}), **span}
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


@contextmanager
def serving(hub: Hub, handler: type[Handler] = Handler) -> Iterator[Hub]:
    """Serve the hub on a free port of this machine while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
