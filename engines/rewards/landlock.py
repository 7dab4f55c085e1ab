"""Landlock: an unprivileged process gives up every file but a few folders, and cannot get them back.

The invariant: after `restrict` the process can read beneath the folders it named and do nothing else to files, open no TCP
connection and signal nobody outside, as far as the kernel's version of Landlock knows these things. It does not cover what is
open already, nor `stat`, nor sockets other than TCP (see `engines.rewards.seccomp`).
"""

import ctypes
import os
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# How many kinds of file access each version knows; later versions add none.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_FILE_RIGHTS_LATEST = 16
_NET_RIGHTS = 0b11
_SCOPES = 0b11

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scopes", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed", ctypes.c_uint64), ("fd", ctypes.c_int32)]


def version() -> int:
    """Return the kernel's version of Landlock, 0 where it has none or has it switched off."""
    found = _libc.syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint32(_GET_VERSION))
    return max(int(found), 0)


def restrict(readable: Iterable[str], listable: Iterable[str] = ()) -> None:
    """Leave this process only reading beneath `readable` (files or folders; missing ones are passed over), and the names, not
    the contents, beneath `listable`.

    Needs `no_new_privs`. OSError where the kernel refuses.
    """
    ruleset = _create(version())
    try:
        for path in readable:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        for path in listable:
            _allow(ruleset, path, _READ_DIR)
        _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _create(known: int) -> int:
    rights = (1 << _FILE_RIGHTS.get(known, _FILE_RIGHTS_LATEST)) - 1
    attributes = _Ruleset(rights, _NET_RIGHTS if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    return _call(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = _PathBeneath(rights if os.path.isdir(path) else rights & ~_READ_DIR, fd)
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(fd)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock call {number}: {os.strerror(code)}")
    return result
