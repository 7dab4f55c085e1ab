"""The jail's self-test, run in each jail after its doors are shut and before any code of a user is there.

Believing that a call to the kernel worked is not enough: some hosts answer such calls and enforce nothing. So the jail tries
what it must not be able to do; one attempt that is not refused and it does not open.
"""

import contextlib
import ctypes
import errno
import os
import socket
from collections.abc import Callable

REFUSED = (errno.EPERM, errno.EACCES)
_PTRACE_ATTACH = 16

_libc = ctypes.CDLL(None, use_errno=True)


class Unproven(Exception):
    """The host let the jail do what it must not."""


def prove_calls(parent: int) -> None:
    """Try what the filter must refuse."""
    _refused("open a socket", lambda: _call("socket", socket.AF_INET, socket.SOCK_STREAM, 0))
    _refused("open a unix socket", lambda: _call("socket", socket.AF_UNIX, socket.SOCK_STREAM, 0))
    _refused("start a process", _fork)
    _refused("run a program", lambda: os.execv("/nonexistent", ["nothing"]))
    _refused("signal its parent", lambda: os.kill(parent, 0))
    _refused("trace its parent", lambda: _call("ptrace", _PTRACE_ATTACH, parent, 0, 0))
    _refused("write a file", lambda: os.close(os.open("made", os.O_WRONLY | os.O_CREAT)))


def prove_files(parent: int) -> None:
    """Try to read what is not the jail's."""
    for path in ("/etc/passwd", "/proc/self/environ", "/proc/self/mem", f"/proc/{parent}/environ"):
        _refused(f"read {path.replace(str(parent), 'PARENT')}", lambda path=path: os.close(os.open(path, os.O_RDONLY)))  # type: ignore[misc]


def _refused(what: str, attempt: Callable[[], object]) -> None:
    try:
        attempt()
    except OSError as error:
        if error.errno in REFUSED:
            return
        raise Unproven(f"an attempt to {what} was not refused but failed ({error.strerror})") from None
    raise Unproven(f"it could {what}")


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
