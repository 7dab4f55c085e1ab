"""What reward code tries against the host: each attempt is refused by the kernel, and honest code then works in the same jail.

Everything runs twice: with Landlock, where the kernel has it, and without it, where files are shut.
"""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from engines.protocol import ChildFailure
from engines.rewards import landlock
from engines.rewards.jail import Jail

# Each completion is code; the reward says how running it ended.
REWARD = """
import ctypes, errno, fcntl, os, resource, signal, socket, subprocess, threading

libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

def attempt(code):
    try:
        exec(code, globals())
    except PermissionError as error:
        return {"refused": 1}
    except Exception as error:
        print(type(error).__name__, error)
        return {"failed": 1}
    return {"allowed": 1}

def reward(completions, **columns):
    return [attempt(code) for code in completions]
"""

USERFAULTFD, EXECVEAT, QUEUE_SIGNAL = (323, 322, 129) if platform.machine() == "x86_64" else (282, 281, 138)
ATTEMPTS = [
    "open('/etc/passwd').read()",
    "open('/proc/PARENT/environ', 'rb').read()",
    "open('/proc/PARENT/mem', 'rb')",
    "os.readlink('/proc/PARENT/cwd')",
    "os.listdir('/proc/PARENT/fd')",
    "open('/proc/self/environ', 'rb').read()",
    "open('/proc/self/mem', 'rb')",
    "open('/proc/self/mem', 'r+b')",
    "open('/proc/self/maps')",
    "open('/dev/shm/made', 'w')",
    "os.listdir('/')",
    f"open({__file__!r}).read()",
    "open('/dev/tty')",
    "open('made', 'w')",
    "os.open('made', os.O_RDONLY | os.O_CREAT)",
    f"open({str(Path(os.__file__))!r}, 'a')",
    "os.mkdir('/tmp/made')",
    "os.unlink('/tmp/none')",
    "os.rename('/tmp/none', '/tmp/other')",
    "os.symlink('/etc/passwd', 'link')",
    "os.chmod('/tmp', 0o777)",
    "os.truncate('/tmp/none', 0)",
    "os.mkfifo('/tmp/made')",
    "os.chdir('/')",
    "os.chroot('/')",
    "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)",
    "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "socket.socketpair()",
    "os.fork()",
    "subprocess.run(['/bin/true'])",
    "os.posix_spawn('/bin/true', ['true'], {})",
    "os.execv('/bin/true', ['true'])",
    "os.kill(os.getppid(), 0)",
    "os.kill(os.getpid(), signal.SIGKILL)",
    "signal.pthread_kill(threading.get_ident(), signal.SIGKILL)",
    "os.pidfd_open(os.getppid())",
    "os.setsid()",
    "os.setuid(12345)",
    "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
    "fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())",
    "os.memfd_create('x')",
    "call('ptrace', 0, 0, 0, 0)",
    "call('ptrace', 16, os.getppid(), 0, 0)",
    "call('process_vm_writev', os.getppid(), 0, 0, 0, 0, 0)",
    f"call('syscall', ctypes.c_long({USERFAULTFD}), 0)",
    f"call('syscall', ctypes.c_long({EXECVEAT}), 0, b'', 0, 0, 0x1000)",
    f"call('syscall', ctypes.c_long({QUEUE_SIGNAL}), os.getppid(), 0, 0)",
    "call('shmget', 0, 4096, 0o1777)",
    "call('vmsplice', 1, 0, 0, 0)",
    "call('unshare', 0x40000000)",
    "call('process_vm_readv', os.getppid(), 0, 0, 0, 0, 0)",
    "call('mount', b'none', b'/tmp', b'tmpfs', 0, 0)",
    "call('unshare', 0x10000000)",
    "call('setns', 0, 0)",
    "call('prctl', 1, 0, 0, 0, 0)",
    "call('syscall', ctypes.c_long(41 if os.uname().machine == 'x86_64' else 198), 2, 1, 0)",
    "call('syscall', ctypes.c_long(425), 1, 0)",
    "call('syscall', ctypes.c_long(321 if os.uname().machine == 'x86_64' else 280), 0, 0, 0)",
    "call('syscall', ctypes.c_long(250 if os.uname().machine == 'x86_64' else 219), 0, -3, 0)",
]
OPEN_PIPES = """
import stat
for fd in range(64):
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        continue
    assert fd == 0 or stat.S_ISFIFO(mode), fd
"""
INT_0x80 = """
import ctypes, mmap

def reward(completions, **columns):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (getpid); int 0x80; ret
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""

pytestmark = pytest.mark.parametrize("jail", ["landlock", "shut"], indirect=True, scope="module")


@contextlib.contextmanager
def kernel(with_landlock: bool) -> Iterator[None]:
    if with_landlock:
        if landlock.version() == 0:
            pytest.skip("this kernel has no Landlock")
        yield
    else:
        with patch.object(landlock, "version", return_value=0):
            yield


@pytest.fixture(scope="module")
def jail(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    path = tmp_path_factory.mktemp("reward") / "reward.py"
    path.write_text(REWARD)
    with kernel(request.param == "landlock"), Jail(path) as jail:
        yield jail


def outcome(jail: Jail, code: str) -> tuple[dict[str, list[float | None]], str]:
    scores = jail.score([""], [code], {})
    return scores.components, scores.stdout


@pytest.mark.parametrize("code", ATTEMPTS)
def test_the_attempt_is_refused_and_honest_code_then_works(jail: Jail, code: str) -> None:
    pid = jail.pid
    # Not in the parameter: a test has the same name in every process that runs some of them.
    assert outcome(jail, code.replace("PARENT", str(os.getpid()))) == ({"refused": [1.0]}, "")
    assert outcome(jail, "assert sum(range(10)) == 45") == ({"allowed": [1.0]}, "")
    assert jail.pid == pid


def test_threads_cannot_be_started(jail: Jail) -> None:
    assert outcome(jail, "threading.Thread(target=print).start()") == ({"failed": [1.0]}, "RuntimeError can't start new thread\n")


def test_the_environment_is_empty_but_for_constants(jail: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNISH_SECRET", "hunter2")
    names = "['HOME', 'LANG', 'MKL_NUM_THREADS', 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'PATH']"
    assert outcome(jail, f"assert sorted(os.environ) == {names}, sorted(os.environ)") == ({"allowed": [1.0]}, "")
    assert outcome(jail, "assert os.environ['HOME'] == '/nonexistent'") == ({"allowed": [1.0]}, "")


def test_only_its_own_pipes_are_open(jail: Jail) -> None:
    held = os.open(__file__, os.O_RDONLY)
    try:
        os.set_inheritable(held, True)
        assert outcome(jail, OPEN_PIPES) == ({"allowed": [1.0]}, "")
    finally:
        os.close(held)


def test_it_is_powerless_in_a_session_and_an_empty_folder_of_its_own(jail: Jail) -> None:
    folder = Path(f"/proc/{jail.pid}/cwd").resolve()
    assert list(folder.iterdir()) == []
    assert os.getsid(jail.pid or 0) == jail.pid
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{jail.pid}/status").read_text().splitlines())
    assert (status["CapEff"], status["CapPrm"], status["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")
    assert (status["Seccomp"], status["Threads"]) == ("2", "1")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 only")
def test_a_call_of_another_architecture_ends_the_process(jail: Jail, tmp_path: Path) -> None:
    (tmp_path / "reward.py").write_text(INT_0x80)
    with Jail(tmp_path / "reward.py") as other:
        with pytest.raises(ChildFailure) as caught:
            other.score([""], [""], {})
    assert caught.value.code == "reward_function_error"
    assert "process was ended by SIG" in caught.value.message


def test_installed_libraries_can_be_used(jail: Jail, tmp_path: Path) -> None:
    source = "import numpy, wave\ndef reward(completions, **k):\n    return numpy.array([len(c) / 2 for c in completions])\n"
    (tmp_path / "reward.py").write_text(source)
    with Jail(tmp_path / "reward.py") as other:
        assert other.score(["", ""], ["a", "bb"], {}).rewards == [0.5, 1.0]


def test_nothing_is_loaded_from_elsewhere(jail: Jail) -> None:
    """A file of the host is no module, however it is asked for."""
    load = f"import importlib.util as u; s = u.spec_from_file_location('x', {__file__!r})"
    for code in (
        f"{load}; s.loader.exec_module(u.module_from_spec(s))",
        f"ctypes.CDLL({str(Path(__file__).with_name('conftest.py'))!r})",
    ):
        components, _ = outcome(jail, code)
        assert "allowed" not in components


def test_what_is_pickled_is_never_unpickled_by_the_parent(jail: Jail, tmp_path: Path) -> None:
    """The protocol is JSON: an object with a hostile `__reduce__` is a wrong value and no more."""
    source = """
import os
class Hostile:
    def __reduce__(self):
        return os.system, ("touch made",)
def reward(completions, **columns):
    return [Hostile() for _ in completions]
"""
    (tmp_path / "reward.py").write_text(source)
    with Jail(tmp_path / "reward.py") as other:
        found = other.score([""], [""], {}, strict=False)
    assert found.errors == ["a Hostile is not a number; it must be a finite number or None."]
