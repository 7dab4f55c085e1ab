import errno
import json
import os
import struct
from pathlib import Path

import pytest

from engines.rewards import seccomp

PID = 4242
ALLOWED, EPERM, ENOSYS, KILLED = seccomp.ALLOW, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS, seccomp.KILL_PROCESS
X86, ARM = 0xC000003E, 0xC00000B7
# Name: [number on x86-64, number on arm64], null where there is none; taken from the user headers of Linux 6.1
# (asm/unistd_64.h, and asm-generic/unistd.h as arm64 includes it).
KERNEL: dict[str, list[int | None]] = json.loads(Path(__file__).with_name("syscalls.json").read_text())
BEYOND = 1024
JUDGED = {"open", "openat", "ioctl", "fcntl", "prlimit64", "tgkill"}
MACHINES = [("x86_64", X86, 0), ("aarch64", ARM, 1)]


def judge(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """Run the filter as the kernel would on one call and return its verdict."""
    data = struct.pack("IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    lines = list(struct.iter_unpack("HBBI", program))
    accumulator = at = 0
    while True:
        code, if_true, if_false, value = lines[at]
        if code == 0x06:
            return int(value)
        if code == 0x20:
            (accumulator,) = struct.unpack_from("I", data, value)
            at += 1
            continue
        holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
        at += 1 + (if_true if holds else if_false)


def program(machine: str, *, open_files: bool = True, stackable: bool = False) -> bytes:
    return seccomp.program(machine, PID, open_files=open_files, stackable=stackable)


@pytest.mark.parametrize(("machine", "arch", "column"), MACHINES)
def test_calls_that_python_lives_by_are_allowed(machine: str, arch: int, column: int) -> None:
    for number in ((0, 63), (1, 64), (9, 222), (11, 215), (231, 94), (318, 278), (15, 139)):
        assert judge(program(machine), arch, number[column]) == ALLOWED


@pytest.mark.parametrize(("machine", "arch", "column"), MACHINES)
@pytest.mark.parametrize(
    "number",
    [
        pytest.param((41, 198), id="socket"),
        pytest.param((53, 199), id="socketpair"),
        pytest.param((42, 203), id="connect"),
        pytest.param((56, 220), id="clone"),
        pytest.param((59, 221), id="execve"),
        pytest.param((322, 281), id="execveat"),
        pytest.param((101, 117), id="ptrace"),
        pytest.param((310, 270), id="process_vm_readv"),
        pytest.param((62, 129), id="kill"),
        pytest.param((200, 130), id="tkill"),
        pytest.param((424, 424), id="pidfd_send_signal"),
        pytest.param((165, 40), id="mount"),
        pytest.param((321, 280), id="bpf"),
        pytest.param((425, 425), id="io_uring_setup"),
        pytest.param((272, 97), id="unshare"),
        pytest.param((308, 268), id="setns"),
        pytest.param((250, 219), id="keyctl"),
        pytest.param((319, 279), id="memfd_create"),
        pytest.param((263, 35), id="unlinkat"),
        pytest.param((157, 167), id="prctl"),
        pytest.param((317, 277), id="seccomp"),
        pytest.param((9999, 9999), id="unknown"),
    ],
)
def test_other_calls_are_refused(machine: str, arch: int, column: int, number: tuple[int, int]) -> None:
    assert judge(program(machine), arch, number[column]) == EPERM


@pytest.mark.parametrize(("machine", "arch", "column"), MACHINES)
def test_files_open_for_reading_only_and_not_at_all_once_shut(machine: str, arch: int, column: int) -> None:
    openat, folder = (257, 56)[column], 0xFFFFFF9C
    opened = program(machine)
    assert judge(opened, arch, openat, folder, 0, os.O_RDONLY | os.O_CLOEXEC) == ALLOWED
    for flag in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, 0o20000000):
        assert judge(opened, arch, openat, folder, 0, flag) == EPERM
    assert judge(program(machine, open_files=False), arch, openat, folder, 0, os.O_RDONLY) == EPERM
    assert judge(opened, arch, 437) == ENOSYS


def test_the_old_open_of_x86_is_judged_like_openat() -> None:
    assert judge(program("x86_64"), X86, 2, 0, os.O_RDONLY) == ALLOWED
    assert judge(program("x86_64"), X86, 2, 0, os.O_WRONLY) == EPERM
    assert judge(program("x86_64", open_files=False), X86, 2, 0, os.O_RDONLY) == EPERM


@pytest.mark.parametrize(("machine", "arch", "column"), MACHINES)
def test_arguments_decide_where_a_call_reaches_further(machine: str, arch: int, column: int) -> None:
    tgkill, prlimit, fcntl, ioctl = ((234, 131), (302, 261), (72, 25), (16, 29))
    verdicts = {
        (tgkill[column], PID, 7, 6): ALLOWED,
        (tgkill[column], PID, 7, 9): EPERM,
        (tgkill[column], PID, 7, 19): EPERM,
        (tgkill[column], PID + 1, 7, 6): EPERM,
        (prlimit[column], 0, 7, 0): ALLOWED,
        (prlimit[column], 0, 7, 1): EPERM,
        (prlimit[column], 0, 7, 1 << 32): EPERM,
        (prlimit[column], 1, 7, 0): EPERM,
        (fcntl[column], 1, 3): ALLOWED,
        (fcntl[column], 1, 8): EPERM,
        (ioctl[column], 1, 0x5401): ALLOWED,
        (ioctl[column], 1, 0x5412): EPERM,
    }
    assert {call: judge(program(machine), arch, *call) for call in verdicts} == verdicts


@pytest.mark.parametrize(("machine", "arch", "column"), MACHINES)
def test_clone3_is_unknown_so_that_the_c_library_falls_back(machine: str, arch: int, column: int) -> None:
    assert judge(program(machine), arch, 435) == ENOSYS


@pytest.mark.parametrize(("machine", "arch", "other"), [("x86_64", X86, ARM), ("aarch64", ARM, X86), ("x86_64", X86, 0x40000003)])
def test_calls_of_another_architecture_end_the_process(machine: str, arch: int, other: int) -> None:
    assert judge(program(machine), other, 1) == KILLED


def test_calls_of_x32_end_the_process() -> None:
    assert judge(program("x86_64"), X86, 0x40000000 | 41) == KILLED


@pytest.mark.parametrize(("machine", "arch", "column"), MACHINES)
def test_a_stackable_filter_allows_one_more_filter(machine: str, arch: int, column: int) -> None:
    seccomp_call = (317, 277)[column]
    assert judge(program(machine, stackable=True), arch, seccomp_call, 1) == ALLOWED
    assert judge(program(machine, stackable=True), arch, seccomp_call, 0) == EPERM


def test_a_machine_without_a_table_has_no_filter() -> None:
    with pytest.raises(KeyError):
        program("riscv64")


@pytest.mark.parametrize(("machine", "arch", "column"), MACHINES)
def test_every_number_is_the_one_that_the_kernel_has_for_the_name(machine: str, arch: int, column: int) -> None:
    """A wrong number would allow another call than the one that was meant."""
    listed = {**seccomp._ALWAYS, **seccomp._CHECKED, **seccomp._UNKNOWN_TO_US}
    numbers = {name: pair[column] if pair[column] != seccomp._NO_NUMBER else None for name, pair in listed.items()}
    assert numbers == {name: KERNEL[name][column] for name in listed}


@pytest.mark.parametrize(("machine", "arch", "column"), MACHINES)
def test_no_call_of_the_kernel_beyond_the_list_is_allowed(machine: str, arch: int, column: int) -> None:
    names = {pair[column]: name for name, pair in KERNEL.items() if pair[column] is not None}
    filters = [program(machine), program(machine, open_files=False)]
    for number in range(BEYOND):
        verdicts = {judge(code, arch, number, *[2**64 - 1] * 6) for code in filters}
        name = names.get(number, "unknown")
        if name in seccomp._UNKNOWN_TO_US:
            assert verdicts == {ENOSYS}, name
        elif name in ("readlink", "readlinkat"):
            assert verdicts == {ALLOWED, EPERM}, name
        else:
            assert verdicts == {ALLOWED if name in seccomp._ALWAYS else EPERM}, name
    assert JUDGED | {"seccomp"} == set(seccomp._CHECKED)


@pytest.mark.parametrize(("machine", "arch", "column"), MACHINES)
@pytest.mark.parametrize(
    "name",
    [
        "bpf", "clone", "connect", "execve", "execveat", "fork", "init_module", "io_uring_enter", "io_uring_register",
        "io_uring_setup", "kcmp", "kexec_load", "keyctl", "kill", "memfd_create", "memfd_secret", "mount", "move_pages",
        "name_to_handle_at", "open_by_handle_at", "perf_event_open", "pidfd_getfd", "pidfd_open", "pidfd_send_signal", "prctl",
        "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "seccomp",
        "sendmsg", "setns", "setrlimit", "shmget", "socket", "socketpair", "splice", "syslog", "tkill", "unshare", "userfaultfd",
        "vfork", "vmsplice",
    ],
)  # fmt: skip
def test_a_call_that_escapes_are_made_of_is_refused(machine: str, arch: int, column: int, name: str) -> None:
    number = KERNEL[name][column]
    if number is not None:
        assert judge(program(machine), arch, number) == EPERM
