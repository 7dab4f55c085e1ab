"""Starting a child and listening to it: its protocol, its log and its end.

Called from the main thread of the host process only: the kernel ties a parent-death signal to the thread that forked. Every child
stands behind `engines.guard`, so that killing the guard's command, the guard or this process leaves nothing behind.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from engines import orphans, protocol

# What a child may know of this process's environment: never the platform's own settings, which hold keys.
PASSED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
)
PASSED_PREFIXES = (
    "CUDA_",
    "NVIDIA_",
    "NCCL_",
    "HF_ENDPOINT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
READ_BYTES = 2**16
MAX_LOG_LINE = 2**14
# A step's rollouts are one line. A child that says more at once has gone wrong.
MAX_MESSAGE_BYTES = 2**26


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a child's environment."""
    passed = {key: value for key, value in os.environ.items() if key in PASSED or key.startswith(PASSED_PREFIXES)}
    return {**passed, "PYTHONUNBUFFERED": "1", orphans.VARIABLE: orphans.mark(), **(extra or {})}


class Child:
    """A running child. `messages` and `log` end when it has closed its end of the pipes."""

    def __init__(self, process: asyncio.subprocess.Process, messages: asyncio.StreamReader | None) -> None:
        self._process = process
        self._messages = messages

    @classmethod
    async def task(cls, task: str, spec: Mapping[str, Any], *, cwd: Path, env: Mapping[str, str] | None = None) -> "Child":
        """Start one of our own tasks (`engines.child`) and hand it its spec."""
        reading, writing = os.pipe()
        command = [sys.executable, "-P", "-m", "engines.child"]
        try:
            child = await cls._start(command, cwd, {**(env or {}), protocol.FD_VARIABLE: str(writing)}, writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        child._messages = await _reader(reading)
        await child.send("spec", version=protocol.VERSION, task=task, spec=dict(spec))
        return child

    @classmethod
    async def command(cls, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> "Child":
        """Start a command that does not speak our protocol."""
        return await cls._start(argv, cwd, env or {}, None)

    @classmethod
    async def _start(cls, argv: Sequence[str], cwd: Path, env: Mapping[str, str], fd: int | None) -> "Child":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "engines.guard", "--", *argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=cwd,
            env=environment(env),
            pass_fds=[] if fd is None else [fd],
            start_new_session=True,
        )
        return cls(process, None)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a control message; a child that is gone already hears nothing."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(protocol.encode({"type": kind, **fields}))
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return

    async def messages(self) -> AsyncIterator[protocol.Message]:
        """Yield what the child says, a message at a time; nothing more is read before a message has been dealt with.

        ChildFailure where it says more than `MAX_MESSAGE_BYTES` at once.
        """
        assert self._messages is not None
        async for line in _lines(self._messages):
            yield protocol.decode(line, _loads)

    async def log(self) -> AsyncIterator[str]:
        """Yield the lines of stdout and stderr, each cut to 16 KiB."""
        assert self._process.stdout is not None
        async for line in _lines(self._process.stdout, most=MAX_LOG_LINE):
            yield line.decode(errors="replace").replace("\x00", "�").rstrip()

    async def wait(self) -> int:
        """Return the exit code of the child, 128+n where signal n ended it."""
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the child and all its descendants at once."""
        self._signal(signal.SIGQUIT)

    def _signal(self, signum: int) -> None:
        if self.is_running:
            self._process.send_signal(signum)


def _loads(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # Slower, and it knows what orjson refuses: half of a surrogate pair.
        return json.loads(line)


async def _reader(fd: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", 0))
    return reader


async def _lines(reader: asyncio.StreamReader, most: int | None = None) -> AsyncIterator[bytes]:
    """Yield whole lines; longer ones than `most` are cut there. A carriage return ends a line too, so that progress bars become
    lines. Without `most` a line is whole, and ChildFailure where it does not end within `MAX_MESSAGE_BYTES`.
    """
    pieces: list[bytes] = []
    size = 0
    while data := await reader.read(READ_BYTES):
        if most is not None:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = data.split(b"\n")
        for ended in others:
            yield b"".join([*pieces, first])[:most]
            pieces, size, first = [], 0, ended
        if most is None or size < most:
            pieces.append(first)
            size += len(first)
        if most is None and size > MAX_MESSAGE_BYTES:
            message = f"The child said more than {MAX_MESSAGE_BYTES // 2**20} MiB in one message."
            raise protocol.ChildFailure("worker_lost", message, "platform")
    if size:
        yield b"".join(pieces)[:most]
