"""Stands between the host process and one child, so that nothing of the child is ever left behind.

    python -P -m engines.guard -- COMMAND…

The command runs in a session of its own, with the guard's stdin, stdout, stderr and inherited file descriptors. The guard is a
subreaper: whatever the command starts, however detached, becomes the guard's child in the end.

    the command ends            its remaining descendants are killed; the guard exits with its code, 128+n where signal n ended it
    SIGTERM, SIGINT, SIGHUP     passed on to the command
    SIGQUIT                     everything is killed at once
    the guard's parent dies     everything is killed at once
    the guard itself is killed  the command dies by its parent-death signal; `engines.orphans` finds what else was running

Single-threaded and of the standard library only, so that forking is safe and it starts in a blink.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

from engines import orphans

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
EXIT_PARENT_GONE = 128 + signal.SIGKILL
EXIT_NOT_FOUND = 127
EXIT_NOT_EXECUTABLE = 126
PASSED_ON = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
WATCHED = PASSED_ON | {signal.SIGCHLD, signal.SIGQUIT}

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def main(command: Sequence[str]) -> int:
    """Run the command to its end and return the exit code."""
    parent = os.getppid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    # It needs no signal of its own: on each one the kernel is asked whether the parent is still there.
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the first line here ran; then only the marker still tells.
    if os.getppid() != parent or orphans.abandoned():
        return EXIT_PARENT_GONE
    environment = {**os.environ, orphans.VARIABLE: orphans.mark(), "SPT_NOENV": "1"}
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        _become(command, environment, guard, before)
    _let_go_of_files()
    return _watch(child, parent)


def _become(command: Sequence[str], environment: dict[str, str], guard: int, mask: Iterable[int]) -> NoReturn:
    code = EXIT_NOT_FOUND
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(EXIT_PARENT_GONE)
        # Python ignores these, and what is ignored stays so over exec.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execvpe(command[0], list(command), environment)
    except FileNotFoundError as error:
        print(f"engines.guard: {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
    except OSError as error:
        print(f"engines.guard: {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        code = EXIT_NOT_EXECUTABLE
    finally:
        os._exit(code)


def _let_go_of_files() -> None:
    """Close all but stderr: a pipe must end when the command closes it, not when the guard does."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))


def _watch(child: int, parent: int) -> int:
    while True:
        status = _reap(child)
        if status is not None:
            _kill_descendants()
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if os.getppid() != parent:
            _kill_descendants()
            return EXIT_PARENT_GONE
        received = signal.sigwait(WATCHED)
        if received == signal.SIGQUIT:
            _kill_descendants()
            return 128 + signal.SIGKILL
        if received in PASSED_ON and os.getppid() == parent:
            os.kill(child, received)


def _reap(child: int) -> int | None:
    """Collect every process that has ended; return the command's wait status once it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = status


def _kill_descendants() -> None:
    """Kill until none is left: what a killed process leaves behind becomes the guard's child and is found in the next round."""
    while True:
        for pid in _descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _descendants() -> list[int]:
    """Return all descendants, zombies included, parents before their children."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            parent = _parent_of(int(entry))
            children.setdefault(parent, []).append(int(entry))
    found: list[int] = []
    level = [os.getpid()]
    while level:
        level = [pid for above in level for pid in children.get(above, [])]
        found += level
    return found


def _parent_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] != "--":
        print("usage: python -P -m engines.guard -- COMMAND [ARGUMENT…]", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[2:]))
