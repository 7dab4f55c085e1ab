"""The system calls that reward code may make: an allow-list as a BPF program, for x86-64 and arm64.

The invariant: what is not listed fails with EPERM, whoever asks and however (ctypes too). No call that creates a process or a
thread, opens a socket, writes, creates or changes a file, touches another process or a key, or loads code into the kernel is
listed. A call of another architecture, or of x32, ends the process. One thread is all there is, so that one filter covers
everything.
"""

import ctypes
import errno
import os
import signal
import struct
from dataclasses import dataclass
from typing import NamedTuple

_NO_NUMBER = -1
# name: (x86-64, arm64)
_ALWAYS = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "lseek": (8, 62), "pread64": (17, 67),
    "readv": (19, 65), "writev": (20, 66), "dup": (32, 23), "dup2": (33, _NO_NUMBER), "dup3": (292, 24),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216), "madvise": (28, 233),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136),
    "sigaltstack": (131, 132), "restart_syscall": (219, 128), "alarm": (37, _NO_NUMBER), "setitimer": (38, 103),
    "getitimer": (36, 102),
    "stat": (4, _NO_NUMBER), "lstat": (6, _NO_NUMBER), "newfstatat": (262, 79), "statx": (332, 291), "access": (21, _NO_NUMBER),
    "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, _NO_NUMBER), "readlinkat": (267, 78),
    "getcwd": (79, 17), "getdents64": (217, 61),
    "select": (23, _NO_NUMBER), "pselect6": (270, 72), "poll": (7, _NO_NUMBER), "ppoll": (271, 73), "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21), "epoll_wait": (232, _NO_NUMBER), "epoll_pwait": (281, 22),
    "gettimeofday": (96, 169), "time": (201, _NO_NUMBER), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115), "nanosleep": (35, 101), "getrandom": (318, 278),
    "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "uname": (63, 160), "sysinfo": (99, 179), "getrlimit": (97, 163),
    "getrusage": (98, 165), "times": (100, 153), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
# Refused together with opening: links in /proc tell what other processes have open.
_WITH_FILES = ("readlink", "readlinkat")
_CHECKED = {
    "open": (2, _NO_NUMBER), "openat": (257, 56), "ioctl": (16, 29), "fcntl": (72, 25), "prlimit64": (302, 261),
    "tgkill": (234, 131), "seccomp": (317, 277),
}  # fmt: skip
# The C library asks for these first and falls back to what the filter knows.
_UNKNOWN_TO_US = {"clone3": (435, 435), "openat2": (437, 437)}

_MACHINES = {"x86_64": 0, "aarch64": 1}
_AUDIT_ARCH = (0xC000003E, 0xC00000B7)
_X32_BIT = 0x40000000

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_TMPFILE & ~os.O_DIRECTORY
_IOCTLS = (0x5401, 0x5421, 0x5450, 0x5451)  # TCGETS (isatty), FIONBIO, FIONCLEX, FIOCLEX
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; F_SETOWN would signal other processes through O_ASYNC.
_FCNTLS = (0, 1, 2, 3, 4, 1030)

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16

_MODE_FILTER, _EVERY_THREAD = 1, 1


class _Test(NamedTuple):
    """A condition on 32 bits of the call's arguments, at offset `at`: jump on when it does not hold."""

    at: int
    code: int
    value: int
    holds_on: bool = True


@dataclass(frozen=True)
class _Rule:
    name: str
    tests: tuple[_Test, ...]


def _low(argument: int) -> int:
    return _ARGUMENTS_AT + 8 * argument


def _rules(pid: int, open_files: bool, stackable: bool) -> list[_Rule]:
    null = (_Test(_low(2), _EQUAL, 0), _Test(_low(2) + 4, _EQUAL, 0))
    rules = [_Rule("ioctl", (_Test(_low(1), _EQUAL, command),)) for command in _IOCTLS]
    rules += [_Rule("fcntl", (_Test(_low(1), _EQUAL, command),)) for command in _FCNTLS]
    rules.append(_Rule("prlimit64", (_Test(_low(0), _EQUAL, 0), *null)))
    # abort() and raise(); a process that could SIGKILL itself would look like one that the machine killed.
    deadly = tuple(_Test(_low(2), _EQUAL, number, holds_on=False) for number in (signal.SIGKILL, signal.SIGSTOP))
    rules.append(_Rule("tgkill", (_Test(_low(0), _EQUAL, pid), *deadly)))
    if open_files:
        rules.append(_Rule("open", (_Test(_low(1), _ANY_BIT, _WRITING, holds_on=False),)))
        rules.append(_Rule("openat", (_Test(_low(2), _ANY_BIT, _WRITING, holds_on=False),)))
    if stackable:
        rules.append(_Rule("seccomp", (_Test(_low(0), _EQUAL, _MODE_FILTER),)))
    return rules


def program(machine: str, pid: int, *, open_files: bool, stackable: bool = False) -> bytes:
    """Assemble the filter for `machine` (as `os.uname` says it) and the process `pid`.

    `open_files` allows opening for reading and reading links; `stackable` allows one more filter to be installed on top.
    KeyError for another machine.
    """
    column = _MACHINES[machine]
    lines = [
        _line(_LOAD, _ARCH_AT),
        _line(_EQUAL, _AUDIT_ARCH[column], 1, 0),
        _line(_RETURN, KILL_PROCESS),
        _line(_LOAD, _NUMBER_AT),
        _line(_AT_LEAST, _X32_BIT, 0, 1),
        _line(_RETURN, KILL_PROCESS),
    ]
    for numbers, verdict in ((_ALWAYS, ALLOW), (_UNKNOWN_TO_US, _ERRNO | errno.ENOSYS)):
        for number in (pair[column] for name, pair in numbers.items() if open_files or name not in _WITH_FILES):
            lines += [_line(_EQUAL, number, 0, 1), _line(_RETURN, verdict)] if number != _NO_NUMBER else []
    for rule in _rules(pid, open_files, stackable):
        lines += _assemble(rule, _CHECKED[rule.name][column])
    return b"".join([*lines, _line(_RETURN, _ERRNO | errno.EPERM)])


def _assemble(rule: _Rule, number: int) -> list[bytes]:
    """Allow the call where every test holds; else go on with the next rule, which loads the call's number again."""
    if number == _NO_NUMBER:
        return []
    lines = [_line(_LOAD, _NUMBER_AT), _line(_EQUAL, number, 0, 2 * len(rule.tests) + 1)]
    for index, test in enumerate(rule.tests):
        beyond = 2 * (len(rule.tests) - index - 1) + 1
        jumps = (0, beyond) if test.holds_on else (beyond, 0)
        lines += [_line(_LOAD, test.at), _line(test.code, test.value, *jumps)]
    return [*lines, _line(_RETURN, ALLOW)]


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_char_p)]


def install(*, open_files: bool, stackable: bool = False) -> None:
    """Put the filter on every thread of this process, for good. Needs `no_new_privs`; OSError where the kernel refuses."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no system call filter for {machine}")
    code = program(machine, os.getpid(), open_files=open_files, stackable=stackable)
    filter = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    number = ctypes.c_long(_CHECKED["seccomp"][_MACHINES[machine]])
    refused = libc.syscall(number, ctypes.c_uint(_MODE_FILTER), ctypes.c_uint(_EVERY_THREAD), ctypes.byref(filter))
    if refused != 0:
        raise OSError(ctypes.get_errno(), "the kernel took no system call filter")
