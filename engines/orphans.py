"""Finds the processes that outlived the one that answers for them, and ends them.

Every child carries `BURNISH_CHILD_OF=<pid>:<start time>` in its environment, and so does all that it starts. The start time, in
clock ticks since boot, makes the pair name one process even after its pid is used again. A process without the marker is never
touched.
"""

import contextlib
import os
import re
import signal
from pathlib import Path

VARIABLE = "BURNISH_CHILD_OF"
_MARK = re.compile(rb"(?:^|\0)" + VARIABLE.encode() + rb"=(\d+):(\d+)(?:\0|$)")
_DEAD_STATES = ("Z", "X")


def mark() -> str:
    """Return the value of `BURNISH_CHILD_OF` for children of the current process."""
    pid = os.getpid()
    return f"{pid}:{_start_ticks(Path('/proc'), pid)}"


def abandoned() -> bool:
    """Say whether the process that the current one's marker names is gone."""
    return _is_orphan(Path("/proc"), os.getpid())


def sweep(proc: str | Path = "/proc") -> list[int]:
    """Kill every marked process whose marker names a process that is no longer alive; return their pids."""
    root = Path(proc)
    pids = [int(entry.name) for entry in root.iterdir() if entry.name.isdecimal()]
    return [pid for pid in pids if pid != os.getpid() and _end_if_orphan(root, pid)]


def _end_if_orphan(root: Path, pid: int) -> bool:
    if not _is_orphan(root, pid):
        return False
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # Looked at again now that the handle pins the process: the pid may have gone to another one meanwhile.
        if not _is_orphan(root, pid):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        return True
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)


def _is_orphan(root: Path, pid: int) -> bool:
    with contextlib.suppress(OSError):
        found = _MARK.search((root / str(pid) / "environ").read_bytes())
        return found is not None and _start_ticks(root, int(found[1])) != int(found[2])
    return False


def _start_ticks(root: Path, pid: int) -> int | None:
    """Return when a process started, or None where it is dead, a zombie included."""
    try:
        stat = (root / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The second field is the name in brackets, which may hold spaces and brackets itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in _DEAD_STATES else int(fields[19])
