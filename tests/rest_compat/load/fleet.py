"""The engines of a load: processes that are started, killed and given commands, and what their journals say."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from tests.conftest import free_port
from tests.rest_compat.load import engine as program

DEADLINE_S = 30.0
POLL_S = 0.01


@dataclass
class Entry:
    """One request as the engine that took it wrote it down; `how` is null where it was killed meanwhile, or has not ended. The id
    of its answer is `cmpl-` and the serial.
    """

    engine: str
    serial: str
    number: int
    began_at: float
    made: int = 0
    how: str | None = None
    paused: bool = False


async def until(look: Callable[[], Any], what: str) -> Any:
    """Return the first truthy answer of `look`."""
    deadline = monotonic() + DEADLINE_S
    while not (found := look()):
        assert monotonic() < deadline, f"{what}: not within {DEADLINE_S} s"
        await asyncio.sleep(POLL_S)
    return found


@dataclass
class Engine:
    """One engine, always on the same port; its journal goes on over its lives."""

    name: str
    folder: Path
    port: int = field(default_factory=free_port)
    _process: asyncio.subprocess.Process | None = None
    _read: int = 0
    _entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        return self._process is not None

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        argv = [sys.executable, "-I", program.__file__, str(self.port), str(self._journal)]
        self._process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe)
        assert await self._line() == {"listening": self.port}

    async def kill(self) -> None:
        """Kill -9 it."""
        assert self._process is not None
        self._process.kill()
        await self._ended()

    async def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            await self._ended()

    async def tell(self, command: str) -> dict[str, int]:
        """Give it a command and return how busy it is."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        return await self._line()

    async def idle(self) -> None:
        """Wait until nobody waits for anything that it makes."""
        deadline = monotonic() + DEADLINE_S
        while (await self.tell("busy"))["busy"]:
            assert monotonic() < deadline, f"{self.name} is still busy"
            await asyncio.sleep(POLL_S)

    def entries(self) -> list[Entry]:
        """Return what it has written down until now, in order."""
        if self._journal.exists():
            with self._journal.open("rb") as journal:
                journal.seek(self._read)
                for line in journal:
                    if line.endswith(b"\n"):
                        self._read += len(line)
                        self._note(*json.loads(line))
        return list(self._entries.values())

    def of(self, number: int) -> list[Entry]:
        return [entry for entry in self.entries() if entry.number == number]

    @property
    def _journal(self) -> Path:
        return self.folder / f"{self.name}.journal"

    def _note(self, word: str, serial: str, what: int, more: Any = None) -> None:
        if word == "began":
            self._entries[serial] = Entry(self.name, serial, what, more)
            return
        entry = self._entries[serial]
        entry.made, entry.how, entry.paused = what, more, entry.paused or word == "paused"

    async def _line(self) -> dict[str, int]:
        assert self._process is not None and self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), DEADLINE_S)
        told: dict[str, int] = json.loads(line)
        return told

    async def _ended(self) -> None:
        assert self._process is not None
        await self._process.wait()
        # Its pipes are closed with the last reference to it, or a loop that has ended complains of them.
        self._process._transport.close()  # type: ignore[attr-defined]
        self._process = None


@asynccontextmanager
async def running(folder: Path, *names: str) -> AsyncIterator[list[Engine]]:
    """Run engines of these names."""
    engines = [Engine(name, folder) for name in names]
    try:
        await asyncio.gather(*(engine.start() for engine in engines))
        yield engines
    finally:
        await asyncio.gather(*(engine.close() for engine in engines))
