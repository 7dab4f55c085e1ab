"""One jailed process seen from outside: start it, pass one request and one answer with a deadline, end it.

Nothing that the process does blocks the caller past a deadline: every pipe is read and written without blocking, in one loop,
and what it prints is taken off its hands however much it is, though only the first part is kept.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from engines.rewards.confine import Policy

MAX_OUTPUT_BYTES = 64 * 1024
DUMP_WAIT_S = 0.5
EXIT_WAIT_S = 2.0

_ROOT = Path(__file__).resolve().parents[2]
_START = "import sys; sys.path.insert(0, sys.argv[1]); from engines.rewards.jail_main import main; main(sys.argv[2])"
# One thread: BLAS libraries start one a core when they load, and the jail has none to give.
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_COMMAND = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _START, str(_ROOT)]
_CHUNK = 256 * 1024
_DRAIN_READS = 64
_DUMP_PAUSE_S = 0.05
_SAMPLE_S = 0.2
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Reason = Literal["deadline", "exited", "closed", "flooded"]


class Lost(Exception):
    """The process is gone.

    `code` is its exit code or minus a signal, `peak_bytes` the most memory that it was seen to hold, `dump` what it wrote of its
    stack on the way out.
    """

    def __init__(self, reason: Reason, code: int, peak_bytes: int, dump: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.peak_bytes = peak_bytes
        self.dump = dump


class Output:
    """What the process printed since `clear`, cut at MAX_OUTPUT_BYTES."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._kept = bytearray()
        self._total = 0

    def add(self, data: bytes) -> None:
        self._kept += data[: MAX_OUTPUT_BYTES - len(self._kept)]
        self._total += len(data)

    def __str__(self) -> str:
        text = self._kept.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        cut = f"\n[cut: {self._total} bytes were printed, the first {MAX_OUTPUT_BYTES} are kept]\n"
        return text + cut if self._total > MAX_OUTPUT_BYTES else text


class JailProcess:
    """A started process. One exchange at a time; the process ends with the thread that started it."""

    def __init__(self, policy: Policy, folder: str) -> None:
        requests, self._requests = os.pipe()
        (self._answers, answers), (self._dumps, dumps), (self._printed, printed) = os.pipe(), os.pipe(), os.pipe()
        self._printing = True
        self.output = Output()
        self.peak_bytes = 0
        pipes = {"requests": requests, "answers": answers, "dumps": dumps}
        try:
            self._process = subprocess.Popen(
                [*_COMMAND, json.dumps({**pipes, "policy": asdict(policy)})],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                pass_fds=list(pipes.values()),
                env=_ENVIRONMENT,
                cwd=folder,
                start_new_session=True,
            )
        except BaseException:
            self._close_pipes()
            raise
        finally:
            for fd in (*pipes.values(), printed):
                os.close(fd)
        for fd in self._ends():
            os.set_blocking(fd, False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def exchange(self, request: bytes, deadline_s: float, limit_bytes: int) -> bytes:
        """Send `request` (it may be empty) and return the line that answers it, at most `limit_bytes` long.

        Lost where no such line comes; the process has been ended then.
        """
        until = time.monotonic() + deadline_s
        unsent, answer = memoryview(request), bytearray()
        while not answer.endswith(b"\n"):
            self._note_memory()
            ready = self._ready(until, writing=bool(unsent))
            if not ready and time.monotonic() >= until:
                raise self._lost("deadline")
            if self._printed in ready:
                self._drain()
            if self._requests in ready:
                unsent = self._write(unsent)
            if self._answers in ready:
                data = os.read(self._answers, _CHUNK)
                answer += data
                if not data:
                    raise self._lost("exited" if self._gone() else "closed")
            if len(answer) > limit_bytes:
                raise self._lost("flooded")
        self._drain()
        return bytes(answer)

    def end(self) -> int:
        """Kill all of its session and return its exit code, or minus the signal that ended it. To be called once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        self._drain()
        self._close_pipes()
        return code

    def _ready(self, until: float, *, writing: bool) -> set[int]:
        """Wait a little for something to read or, when `writing`, for room to write."""
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        if self._printing:
            poll.register(self._printed, select.POLLIN)
        if writing:
            poll.register(self._requests, select.POLLOUT)
        left_s = min(until - time.monotonic(), _SAMPLE_S)
        return {fd for fd, _ in poll.poll(left_s * 1000)} if left_s > 0 else set()

    def _note_memory(self) -> None:
        """Sample the resident memory: what the kernel says in the end begins with what this process held at the start."""
        with contextlib.suppress(OSError):
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
            self.peak_bytes = max(self.peak_bytes, pages * _PAGE_BYTES)

    def _write(self, data: memoryview) -> memoryview:
        try:
            return data[os.write(self._requests, data) :]
        except BrokenPipeError:
            return data[len(data) :]

    def _drain(self) -> None:
        """Take what was printed. Bounded, so that a process that never stops printing cannot keep the caller here."""
        for _ in range(_DRAIN_READS):
            try:
                data = os.read(self._printed, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                self._printing = False
                return
            self.output.add(data)

    def _gone(self) -> bool:
        """Tell whether the process that closed its end is ending, rather than alive without it."""
        pidfd = os.pidfd_open(self.pid)
        try:
            return _readable(pidfd, EXIT_WAIT_S)
        finally:
            os.close(pidfd)

    def _lost(self, reason: Reason) -> Lost:
        if reason == "deadline":
            os.kill(self.pid, signal.SIGUSR1)
        dump = self._dump(DUMP_WAIT_S if reason == "deadline" else 0.0)
        return Lost(reason, self.end(), self.peak_bytes, dump)

    def _dump(self, wait_s: float) -> str:
        """Read the stack that the process writes on its way out; wait up to `wait_s` for it to begin."""
        dump = b""
        while len(dump) < _CHUNK and _readable(self._dumps, wait_s):
            data = os.read(self._dumps, _CHUNK)
            if not data:
                break
            dump, wait_s = dump + data, min(wait_s, _DUMP_PAUSE_S)
        return dump.decode("ascii", errors="replace")

    def _ends(self) -> tuple[int, ...]:
        return self._requests, self._answers, self._dumps, self._printed

    def _close_pipes(self) -> None:
        for fd in self._ends():
            os.close(fd)


def _readable(fd: int, wait_s: float) -> bool:
    """Wait for something to read. An API process may have more files open than `select` can take."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(wait_s * 1000))
