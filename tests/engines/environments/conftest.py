"""A real environment server on loopback, and a tiny model that half knows how to use its tools."""

import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engines.conftest import ROOT, shared_cache
from tests.engines.environments.names import KEY

RECIPES = [ROOT / "engines" / "bases" / name for name in ("tiny.py", "tiny_tools.py")]


@pytest.fixture(scope="session")
def tools_model() -> Path:
    """Return the folder of the tiny model with tools, made once for each version of its recipe and shared by all test runs."""
    version = hashlib.sha256(b"".join(recipe.read_bytes() for recipe in RECIPES)).hexdigest()[:12]
    folder = shared_cache() / f"tiny-tools-{version}"
    if not folder.is_dir():
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-P", "-m", "engines.bases.tiny_tools", str(folder)]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=200)
    return folder


@dataclass
class EnvironmentServer:
    """A server of the environments in `tests.engines.environments.server`, each a variant of whatever is asked for."""

    url: str

    def state(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.url}/_state") as answer:
            found: dict[str, int] = json.load(answer)
        return found

    @property
    def hosts(self) -> dict[str, Any]:
        return {"api_url": self.url, "session_url": self.url, "timeout_s": 20.0}


@pytest.fixture(scope="module")
def environments() -> Iterator[EnvironmentServer]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENREWARD_DISABLE_UPDATE_CHECK": "1"}
    command = [sys.executable, "-P", "-m", "tests.engines.environments.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            yield EnvironmentServer(f"http://localhost:{json.loads(process.stdout.readline())['port']}")
        finally:
            process.kill()


def source(name: str, **changes: Any) -> dict[str, Any]:
    """Return an environment of the server as a job's spec has it."""
    return {"id": f"owner/{name}", "variant": name, "api_key": KEY} | changes
