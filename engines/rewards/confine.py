"""Take from this process everything that reward code has no business with, for good.

Order matters and is part of the design: limits and privileges first (they need calls that the filter refuses), then files, then
system calls, so that every step is covered by the ones before it. Whatever fails, fails loudly: a jail is whole or it does not
open, unless the operator has said that it may (`unprotected`). The namespaces alone are a wall that may be missing.
"""

import ctypes
import os
import resource
import signal
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field

from engines.rewards import landlock, libraries, namespaces, proof, seccomp

MAX_OPEN_FILES = 64

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION_3 = 0x20080522
_TIME_ZONES = "/usr/share/zoneinfo"
_LINKER_CACHE = "/etc/ld.so.cache"

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Policy:
    """What the parent decided.

    `folders` are those of installed packages and `libraries` the names that may be imported from them, None for all. Without
    `landlock`, seccomp shuts files. With `unprotected` a wall that cannot be put up is left out.
    """

    parent: int
    memory_bytes: int
    landlock: bool
    folders: list[str]
    libraries: list[str] | None = None
    unprotected: bool = False


@dataclass
class Walls:
    """What holds the jail, and what of it could not be put up and why."""

    standing: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def die_with(parent: int) -> None:
    """Die with the thread of `parent` that started this process, or now where it is gone already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def confine(policy: Policy) -> Walls:
    """Apply everything and try it; without Landlock, `shut_files` must follow before any code of a user runs."""
    walls = Walls()
    _put_up(walls, "one thread", _be_alone, optional=policy.unprotected)
    _offer_to_oom_killer()
    _put_up(walls, "namespaces", namespaces.enter, optional=True)
    # Entering a user namespace may have undone this.
    die_with(policy.parent)
    _put_up(walls, "limits", lambda: _limit(policy.memory_bytes), optional=policy.unprotected)
    _put_up(walls, "no privileges", _drop_privileges, optional=policy.unprotected)
    if policy.landlock:
        _put_up(walls, "Landlock", lambda: landlock.restrict(_readable(policy), policy.folders), optional=policy.unprotected)
    _put_up(walls, "seccomp", lambda: _filter(policy), optional=policy.unprotected)
    if policy.landlock:
        _put_up(walls, "no files", lambda: proof.prove_files(policy.parent), optional=policy.unprotected)
    return walls


def _filter(policy: Policy) -> None:
    seccomp.install(open_files=True, stackable=not policy.landlock)
    proof.prove_calls(policy.parent)


def shut_files(policy: Policy) -> None:
    """Refuse to open any file from here on."""
    try:
        seccomp.install(open_files=False)
        proof.prove_files(policy.parent)
    except (OSError, proof.Unproven):
        if not policy.unprotected:
            raise


def _put_up(walls: Walls, name: str, build: Callable[[], object], *, optional: bool) -> None:
    try:
        build()
    except (OSError, ValueError, proof.Unproven) as error:
        if not optional:
            raise
        walls.missing[name] = str(error)
    else:
        walls.standing.append(name)


def _be_alone() -> None:
    """Landlock would not cover a thread that a library started when it was loaded."""
    if len(os.listdir("/proc/self/task")) > 1:
        raise OSError("an allowed library starts threads when it is loaded")


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


def _readable(policy: Policy) -> list[str]:
    """Python's own library, allowed packages, the system's shared libraries (no others live in these folders), time zones."""
    own = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.join(sys.base_prefix, "lib")]
    triplet = sysconfig.get_config_var("MULTIARCH")
    shared = ["/lib64", "/usr/lib64", *([f"/lib/{triplet}", f"/usr/lib/{triplet}"] if triplet else [])]
    # A system interpreter's prefix holds much else: only its own folder in there is needed.
    own = [folder for folder in own if os.path.realpath(folder) not in ("/usr/lib", "/usr/local/lib", "/lib")]
    return [*own, *libraries.readable(policy.folders, policy.libraries), *shared, _LINKER_CACHE, _TIME_ZONES]


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
