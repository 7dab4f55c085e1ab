"""The routes of a Hugging Face hub that an upload uses: repositories made, files as plain text or by LFS, one commit."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.engines.bases.stub_hub import COMMIT, Handler, Hub, serving

# Larger files go by LFS, as binary ones do on the real hub.
PLAIN_BYTES = 4096


@dataclass
class WritableHub(Hub):
    """`failures` are the statuses that so many first requests of an upload are answered with."""

    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)


class WritableHandler(Handler):
    hub: WritableHub

    def do_POST(self) -> None:
        self._write()

    def do_PUT(self) -> None:
        self._write()

    def _write(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if path.startswith("/lfs/"):
            self.hub.stored[path.removeprefix("/lfs/")] = content
            return self._say(200, {})
        self.hub.tokens.add(self.headers.get("Authorization", ""))
        if self.hub.token is not None and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._say(401, {"error": "Invalid username or password."})
        if self.hub.failures:
            return self._say(self.hub.failures.pop(0), {"error": "not now"})
        return self._say(*self._answered(path, content))

    def _answered(self, path: str, content: bytes) -> tuple[int, Any]:
        if path == "/api/repos/create":
            asked = json.loads(content)
            repo = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            if repo in self.hub.repos:
                return 409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{repo}"}
            self.hub.repos[repo], self.hub.private[repo] = {}, asked.get("visibility") == "private"
            return 200, {"url": f"{self.hub.url}/{repo}"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        for repo in self.hub.repos:
            if path == f"/api/models/{repo}/preupload/main":
                files = json.loads(content)["files"]
                modes = [(item["path"], "lfs" if item["size"] > PLAIN_BYTES else "regular") for item in files]
                return 200, {"files": [{"path": name, "uploadMode": mode, "shouldIgnore": False} for name, mode in modes]}
            if path == f"/{repo}.git/info/lfs/objects/batch":
                return 200, {"objects": [self._upload(item) for item in json.loads(content)["objects"]]}
            if path == f"/api/models/{repo}/commit/main":
                for line in content.splitlines():
                    self._commit(self.hub.repos[repo], json.loads(line))
                return 200, {"commitOid": COMMIT, "commitUrl": f"{self.hub.url}/{repo}/commit/{COMMIT}"}
        return 404, {"error": "Repository not found"}

    def _upload(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{item['oid']}", "header": {}}}}

    def _commit(self, files: dict[str, bytes], line: dict[str, Any]) -> None:
        value = line["value"]
        if line["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            files[value["path"]] = self.hub.stored[value["oid"]]

    def _say(self, status: int, answer: Any) -> None:
        self._send(status, json.dumps(answer).encode(), body=True, headers={"Content-Type": "application/json"})


@contextmanager
def serving_writes(hub: WritableHub) -> Iterator[WritableHub]:
    """Serve the hub on a free port of this machine while the block runs."""
    with serving(hub, WritableHandler):
        yield hub
