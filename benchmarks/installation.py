"""Our API process with its broker and a database, as benchmarks need it, and running programs for as long as a `with`."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from burnish.kit.core import Core, opened
from burnish.kit.settings import Settings
from burnish.local import broker_command
from engines.child import die_with_parent
from models import migrations
from models.account import Account
from resolvers import accounts

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
START_S = 60.0
API = (sys.executable, "-P", "-m", "burnish.serve")


@dataclass(frozen=True)
class Installation(Generic[T]):
    """A running platform; `key` is its operator's, `env` what its writers need, `made` what it was furnished with."""

    port: int
    api_pid: int
    broker_pid: int
    env: Mapping[str, str]
    database: Path
    key: str
    made: T

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def installed(furnish: Callable[[Core, Account], Awaitable[T]], *, log_level: str) -> Iterator[Installation[T]]:
    """Run the API process over what `furnish` has put into its database."""
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder, ExitStack() as undo:
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BURNISH_")},
            "BURNISH_HOME": folder,
            "BURNISH_PORT": str(free_port()),
            "BURNISH_LOG_LEVEL": log_level,
            "BURNISH_CPU_FALLBACK": "true",
        }
        settings = Settings(home=Path(folder), database_url="", redis_url="", storage_url="")
        settings.prepare_home()
        migrations.upgrade(settings.database)
        broker = undo.enter_context(running(broker_command(settings), env))
        until(settings.broker_socket.exists)
        key, made = asyncio.run(_furnished(settings, furnish))
        api = undo.enter_context(running(API, env))
        port = int(env["BURNISH_PORT"])
        until(lambda: listens(port))
        database = Path(settings.database.removeprefix("sqlite+aiosqlite:///"))
        yield Installation(port, api.pid, broker.pid, env, database, key, made)


async def _furnished(settings: Settings, furnish: Callable[[Core, Account], Awaitable[T]]) -> tuple[str, T]:
    async with opened(settings) as core:
        account, key = await accounts.create(core, "bench", operator=True)
        return key, await furnish(core, account)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(argv: Sequence[str], env: Mapping[str, str], stdin: int = subprocess.DEVNULL) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a program for as long as the context, and not longer than this process."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdin=stdin, stdout=quiet, preexec_fn=die_with_parent) as process:
        try:
            yield process
        finally:
            process.terminate()


def until(condition: Callable[[], bool], seconds: float = START_S) -> None:
    """Return once a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("a server does not start")
        time.sleep(0.02)
