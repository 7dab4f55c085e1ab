"""A whole platform as a user starts it: `burnish up` in a home of its own, on a port of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psutil

from tests.conftest import free_port

T = TypeVar("T")
BIN = Path(sys.executable).parent


def eventually(look: Callable[[], T | None], seconds: float = 90) -> T:
    """Return the first truthy answer of `look`; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing within {seconds} s")


@dataclass
class Platform:
    """A platform that was started by `burnish up`."""

    home: Path
    url: str
    key: str
    process: "subprocess.Popen[bytes]"
    env: Mapping[str, str]
    client: httpx2.Client

    def get(self, path: str) -> Any:
        response = self.client.get(path)
        response.raise_for_status()
        return response.json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        response = self.client.post(path, json=body or {})
        assert response.is_success, response.text
        return response.json()

    def parts(self, needle: str) -> list[psutil.Process]:
        """Return the platform's processes whose command line holds `needle`, guards aside."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            if "engines.guard" not in words and any(needle in word for word in words):
                found.append(process)
        return found

    def kill(self, needle: str) -> int:
        """Kill -9 the one process whose command line holds `needle`; return its pid."""
        victim = eventually(lambda: self.parts(needle), 30)[0]
        victim.kill()
        return int(victim.pid)

    def answers(self) -> bool:
        """Say whether the API is there."""
        try:
            return self.client.get("/health").status_code == 200
        except httpx2.HTTPError:
            return False


@contextmanager
def up(home: Path, **settings: str) -> Iterator[Platform]:
    """Run `burnish up`; what it says is in `up.log`. Its leases and billing periods are short, so that nobody waits for them."""
    port = free_port()
    env = {
        **os.environ,
        "BURNISH_HOME": str(home),
        "BURNISH_PORT": str(port),
        "BURNISH_CPU_FALLBACK": "true",
        "BURNISH_LEASE_S": "6",
        "BURNISH_BILLING_PERIOD_S": "5",
        **settings,
    }
    home.mkdir(exist_ok=True)
    with (home / "up.log").open("wb") as log, ExitStack() as undo:
        process = subprocess.Popen([BIN / "burnish", "up"], env=env, stdout=log, stderr=log)
        undo.callback(process.wait, 60)
        undo.callback(process.terminate)
        platform = _ready(home, f"http://127.0.0.1:{port}", process, env)
        undo.callback(platform.client.close)
        yield platform


def _ready(home: Path, url: str, process: "subprocess.Popen[bytes]", env: Mapping[str, str]) -> Platform:
    credentials_file = home / "credentials.json"

    def announced() -> bool:
        assert process.poll() is None, (home / "up.log").read_text()
        return credentials_file.exists()

    eventually(announced, 60)
    credentials = json.loads(credentials_file.read_text())
    headers = {"Authorization": f"Bearer {credentials['api_key']}"}
    client = httpx2.Client(base_url=url, headers=headers, timeout=60, trust_env=False, transport=httpx2.HTTPTransport(retries=5))
    platform = Platform(home, url, credentials["api_key"], process, env, client)
    eventually(platform.answers, 60)
    return platform
