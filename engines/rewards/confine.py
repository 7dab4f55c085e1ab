"""Take from this process everything that reward code has no business with, for good.

Order matters and is part of the design: limits and privileges first (they need calls that the filter refuses), then files, then
system calls, so that every step is covered by the ones before it. Whatever fails, fails loudly: a jail is whole or it does not
open.
"""

import ctypes
import os
import resource
import signal
import sys
import sysconfig
from dataclasses import dataclass

from engines.rewards import landlock, seccomp

MAX_OPEN_FILES = 64

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION_3 = 0x20080522
_TIME_ZONES = "/usr/share/zoneinfo"
_LINKER_CACHE = "/etc/ld.so.cache"

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Policy:
    """What the parent decided. `libraries` are folders of installed packages; without `landlock`, seccomp shuts files."""

    parent: int
    memory_bytes: int
    landlock: bool
    libraries: list[str]


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def die_with(parent: int) -> None:
    """Die with the thread of `parent` that started this process, or now where it is gone already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def confine(policy: Policy) -> None:
    """Apply everything; without Landlock, `shut_files` must follow before any code of a user runs."""
    _offer_to_oom_killer()
    _limit(policy.memory_bytes)
    _drop_privileges()
    if policy.landlock:
        landlock.restrict(_readable(policy.libraries))
    seccomp.install(open_files=True, stackable=not policy.landlock)


def shut_files() -> None:
    """Refuse to open any file from here on."""
    seccomp.install(open_files=False)


def _offer_to_oom_killer() -> None:
    """Have the kernel end this process before the trainer when memory runs out; one without the file has no such killer."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        return


def _limit(memory_bytes: int) -> None:
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def _drop_privileges() -> None:
    """Drop every capability, so that root in the jail is nobody special, and refuse to gain any."""
    nothing = (ctypes.c_uint32 * 6)()
    if _libc.capset(ctypes.byref(_CapabilityHeader(_CAPABILITY_VERSION_3, 0)), nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _readable(libraries: list[str]) -> list[str]:
    """Python's own library, installed packages, the system's shared libraries (no others live in these folders), time zones."""
    own = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.join(sys.base_prefix, "lib")]
    triplet = sysconfig.get_config_var("MULTIARCH")
    shared = ["/lib64", "/usr/lib64", *([f"/lib/{triplet}", f"/usr/lib/{triplet}"] if triplet else [])]
    # A system interpreter's prefix holds much else: only its own folder in there is needed.
    own = [folder for folder in own if os.path.realpath(folder) not in ("/usr/lib", "/usr/local/lib", "/lib")]
    return [*own, *libraries, *shared, _LINKER_CACHE, _TIME_ZONES]


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
