"""The platform that the demo uses: the one that runs already, or one of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from burnish.cli import watch
from burnish.cli.connection import Target
from burnish.cli.exits import ERROR, CliError
from burnish.cli.output import Output
from burnish.kit.settings import Settings
from engines import orphans

READY_S = 90.0
STOP_S = 90.0
TAIL = 20


class Running:
    """A platform that answers. `process` is the one that the demo started, None where it was there before."""

    def __init__(self, target: Target, process: "subprocess.Popen[bytes] | None", log: Path) -> None:
        self.target = target
        self.process = process
        self.log = log


@contextmanager
def running(settings: Settings, out: Output) -> Iterator[Running]:
    """Yield the platform at the settings' address; one that had to be started is stopped after the block, however that ends."""
    log = settings.home / "logs" / "up.log"
    if healthy(settings):
        out.say(f"  using the platform that runs at {settings.base_url}")
        yield Running(credentials(settings), None, log)
        return
    process = start(settings, log)
    try:
        with watch.waiting(out, f"  starting the platform (its log: {log})") as tell:
            tell(f"  starting the platform (its log: {log})")
            wait_ready(settings, process, log)
        out.say(f"  running at {settings.base_url}")
        yield Running(credentials(settings), process, log)
    finally:
        stop(process, out)


def healthy(settings: Settings) -> bool:
    """Say whether a platform answers; CliError where something else does."""
    try:
        answer = httpx2.get(f"{settings.base_url}/health", timeout=5, trust_env=False)
        return answer.status_code == 200 and answer.json().get("status") == "ok"
    except httpx2.TransportError:
        return False
    except ValueError:
        raise CliError(
            f"Something other than Burnish answers at {settings.base_url}.", ERROR, hint="--port chooses another."
        ) from None


def start(settings: Settings, log: Path) -> "subprocess.Popen[bytes]":
    """Run `burnish up` as a child that does not see the terminal's Ctrl-C, and that does not outlive this process."""
    settings.prepare_home()
    log.parent.mkdir(mode=0o700, exist_ok=True)
    command = [sys.executable, "-P", "-m", "engines.guard", "--", sys.executable, "-P", "-m", "burnish.cli.main", "up"]
    address = ["--host", settings.host, "--port", str(settings.port)]
    environment = {**os.environ, "BURNISH_HOME": str(settings.home), orphans.VARIABLE: orphans.mark()}
    with log.open("wb") as file:
        return subprocess.Popen(
            [*command, *address],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_ready(settings: Settings, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while not healthy(settings):
        code = process.poll()
        if code is not None or time.monotonic() > deadline:
            what = f"ended with exit code {code}" if code is not None else f"is not ready after {READY_S:g} s"
            raise CliError(f"`burnish up` {what}.", ERROR, details=log.read_text(errors="replace").splitlines()[-TAIL:])
        time.sleep(0.2)


def stop(process: "subprocess.Popen[bytes]", out: Output) -> None:
    """Stop the platform as Ctrl-C would, and wait until all of it is gone."""
    if process.poll() is not None:
        return
    out.say("Stopping the platform.")
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def credentials(settings: Settings) -> Target:
    """Return the key that this installation's platform made; CliError where the running one is another's."""
    try:
        found = json.loads((settings.home / "credentials.json").read_text())
        target = Target(settings.base_url, found["api_key"], "credentials.json")
    except (OSError, ValueError, KeyError):
        raise _anothers(settings) from None
    answer = httpx2.get(
        f"{settings.base_url}/v1/me", headers={"Authorization": f"Bearer {target.api_key}"}, timeout=10, trust_env=False
    )
    if answer.status_code == 401:
        raise _anothers(settings)
    return target


def _anothers(settings: Settings) -> CliError:
    return CliError(
        f"The platform at {settings.base_url} is not the installation in {settings.home}.",
        ERROR,
        hint="--port chooses another address, BURNISH_HOME another installation.",
    )
