"""The command line as a user meets it, against an API that really runs."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from burnish.cli.main import app
from burnish.kit.settings import Settings
from tests.conftest import Server, Tenant

REWARD = "def reward(prompts, completions, **columns):\n    return [float(len(text)) for text in completions]\n"
JOB = """base_model = "tiny"
dataset = "prompts.jsonl"
reward = "reward.py"
output_name = "adder"
gpu = "CPU"

[hyperparameters]
learning_rate = 1e-3
max_steps = 4
"""


@dataclass
class Commands:
    """Runs `burnish` in the test's folder, as a tenant of the server."""

    environment: dict[str, str]
    folder: Path

    async def __call__(self, *arguments: str, code: int = 0, text: str | None = None) -> Result:
        """Run a command; fail where it does not end with `code`."""
        result = await self.ended(*arguments, text=text)
        assert result.exit_code == code, f"exit code {result.exit_code}\n{result.stdout}\n{result.stderr}"
        return result

    async def ended(self, *arguments: str, text: str | None = None) -> Result:
        """Run a command off the event loop, which the server needs, however it ends."""
        run = partial(CliRunner().invoke, app, list(arguments), input=text, env=self.environment, catch_exceptions=False)
        return await anyio.to_thread.run_sync(run)

    async def json(self, *arguments: str, code: int = 0) -> Any:
        """Run a command with --json and return what it printed on stdout, which must be nothing but one JSON value."""
        return json.loads((await self(*arguments, "--json", code=code)).stdout)

    async def lines(self, *arguments: str) -> list[Any]:
        """Run a command with --json and return the objects that it printed, one a line."""
        return [json.loads(line) for line in (await self(*arguments, "--json")).stdout.splitlines()]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the real console script."""
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("burnish")), *arguments],
            env={**os.environ, **self.environment},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the server's own log, which is of this process here, away from what commands print."""
    monkeypatch.setattr("burnish.kit.logging.configure", lambda level: None)
    with capture_logs():
        yield


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own, and no settings but the defaults."""
    for name in list(os.environ):
        if name.startswith("BURNISH_") and name != "BURNISH_TEST_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("BURNISH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def burnish(plain: Path, settings: Settings, server: Server) -> Commands:
    return Commands(environment(server, settings, server.tenant), plain)


@pytest.fixture
def as_tenant(plain: Path, settings: Settings, server: Server) -> Callable[..., Awaitable[Commands]]:
    """Return commands that run as a new tenant."""

    async def make(name: str, credit_usd: str) -> Commands:
        return Commands(environment(server, settings, await server.new_tenant(name, credit_usd)), plain)

    return make


@pytest.fixture
def job_file(plain: Path) -> Path:
    """A job file with its dataset and reward beside it."""
    (plain / "prompts.jsonl").write_text('{"prompt": "1+1", "answer": "2"}\n{"prompt": "1+2", "answer": "3"}\n')
    (plain / "reward.py").write_text(REWARD)
    path = plain / "job.toml"
    path.write_text(JOB)
    return path


def environment(server: Server, settings: Settings, tenant: Tenant) -> dict[str, str]:
    return {"BURNISH_BASE_URL": server.url, "BURNISH_API_KEY": tenant.key, "BURNISH_HOME": str(settings.home)}


def without(values: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in names}
