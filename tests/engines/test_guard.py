"""The guard, with real processes: whatever dies, nothing of the command outlives it."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines import orphans

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20

# Starts one process that goes on as a plain child, one in a session of its own, and a daemon that forked twice; says their pids.
FAMILY = """
    import os, subprocess, sys, time
    SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
    plain = subprocess.Popen(SLEEP).pid
    session = subprocess.Popen(SLEEP, start_new_session=True).pid
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        daemon = os.fork()
        if daemon:
            os.write(writing, str(daemon).encode())
            os._exit(0)
        os.execv(SLEEP[0], SLEEP)
    os.wait()
    print(os.getpid(), plain, session, os.read(reading, 20).decode(), flush=True)
"""


Start = Callable[..., subprocess.Popen[str]]


def python(script: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(script)]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), orphans.VARIABLE: orphans.mark(), **more}


def guarded(*command: str) -> list[str]:
    return [sys.executable, "-P", "-m", "engines.guard", "--", *command]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def gone(*pids: int) -> bool:
    return eventually(lambda: not any(alive(pid) for pid in pids))


@pytest.fixture
def start() -> Iterator[Start]:
    """Start processes in the guard's care and end them, with all that is left of them, after the test."""
    started: list[subprocess.Popen[str]] = []

    def _start(*command: str, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            guarded(*command), env=environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True, pass_fds=pass_fds
        )
        started.append(process)
        return process

    yield _start
    for process in started:
        process.kill()
        process.wait(DEADLINE_S)
    orphans.sweep()
    for process in started:
        process.communicate(timeout=DEADLINE_S)


def pids_of(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    return [int(pid) for pid in process.stdout.readline().split()]


@pytest.mark.parametrize(
    ("script", "code"),
    [("raise SystemExit(7)", 7), ("pass", 0), ("import os; os.kill(os.getpid(), 9)", 137), ("import os; os.abort()", 134)],
)
def test_the_guard_exits_with_the_code_of_its_command(start: Start, script: str, code: int) -> None:
    assert start(*python(script)).wait(DEADLINE_S) == code


def test_a_command_that_does_not_exist_is_named(start: Start) -> None:
    process = start("/nonexistent/engine")
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, errors) == (127, "engines.guard: /nonexistent/engine: No such file or directory\n")


def test_a_command_that_cannot_be_executed_is_named(start: Start, tmp_path: Path) -> None:
    process = start(str(tmp_path))
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, errors) == (126, f"engines.guard: {tmp_path}: Permission denied\n")


def test_without_a_command_the_guard_says_how_it_is_used() -> None:
    done = subprocess.run(guarded(), env=environment(), capture_output=True, text=True, timeout=DEADLINE_S)
    assert (done.returncode, done.stderr) == (2, "usage: python -P -m engines.guard -- COMMAND [ARGUMENT…]\n")


def test_standard_streams_and_inherited_descriptors_reach_the_command(start: Start) -> None:
    reading, writing = os.pipe()
    process = start(
        *python(f"import os, sys; os.write({writing}, sys.stdin.readline().encode()); print('out'); sys.stderr.write('err')"),
        pass_fds=(writing,),
    )
    os.close(writing)
    assert process.communicate("hello\n", timeout=DEADLINE_S) == ("out\n", "err")
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"hello\n"


def test_a_pipe_ends_when_the_command_closes_it(start: Start) -> None:
    reading, writing = os.pipe()
    process = start(*python(f"import os, sys; os.close({writing}); os.close(1); sys.stdin.read()"), pass_fds=(writing,))
    os.close(writing)
    assert process.stdout is not None
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b""
    assert process.stdout.read() == ""
    assert process.poll() is None


def test_descendants_die_with_the_command_however_detached(start: Start) -> None:
    process = start(*python(FAMILY))
    pids = pids_of(process)
    assert process.wait(DEADLINE_S) == 0
    assert not any(alive(pid) for pid in pids)


def test_the_command_leads_a_session_of_its_own(start: Start) -> None:
    out, _ = start(*python("import os; print(os.getsid(0) == os.getpgid(0) == os.getpid())")).communicate(timeout=DEADLINE_S)
    assert out == "True\n"


def test_no_signal_is_blocked_or_ignored_in_the_command(start: Start) -> None:
    out, _ = start("cat", "/proc/self/status").communicate(timeout=DEADLINE_S)
    status = dict(line.split(":\t", 1) for line in out.splitlines())
    # From 32 on are real-time signals, the C library's own among them: whatever started the tests may have left them ignored.
    standard = (1 << 31) - 1
    assert (int(status["SigBlk"], 16) & standard, int(status["SigIgn"], 16) & standard) == (0, 0)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on_and_the_command_may_end_well(start: Start, signum: signal.Signals) -> None:
    script = (
        f"import signal, sys; signal.signal({int(signum)}, lambda *_: sys.exit(5)); print('ready', flush=True); signal.pause()"
    )
    process = start(*python(script))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signum)
    assert process.wait(DEADLINE_S) == 5


def test_sigquit_kills_everything_even_what_ignores_signals(start: Start) -> None:
    process = start(
        *python("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)" + textwrap.dedent(FAMILY) + "signal.pause()")
    )
    pids = pids_of(process)
    process.send_signal(signal.SIGTERM)
    assert process.poll() is None
    process.send_signal(signal.SIGQUIT)
    assert process.wait(DEADLINE_S) == 137
    assert not any(alive(pid) for pid in pids)


def test_everything_dies_with_the_guards_parent() -> None:
    script = f"""
        import subprocess, signal
        subprocess.Popen({guarded(*python(FAMILY + "    time.sleep(600)"))!r})
        signal.pause()
    """
    host = subprocess.Popen(python(script), env=environment(), stdout=subprocess.PIPE, text=True)
    pids = pids_of(host)
    assert len(pids) == 4
    host.kill()
    host.wait(DEADLINE_S)
    assert gone(*pids)
    host.communicate(timeout=DEADLINE_S)


def test_a_guard_whose_parent_died_first_starts_nothing(tmp_path: Path) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "from engines import orphans; print(orphans.mark())"],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    late = environment(**{orphans.VARIABLE: dead.stdout.strip()})
    done = subprocess.run(guarded("touch", str(tmp_path / "started")), env=late, timeout=DEADLINE_S)
    assert done.returncode == 137
    assert not (tmp_path / "started").exists()


def test_when_the_guard_is_killed_the_command_dies_and_the_sweep_finds_the_rest(
    start: Start,
) -> None:
    process = start(*python(FAMILY + "    time.sleep(600)"))
    command, *descendants = pids_of(process)
    process.kill()
    process.wait(DEADLINE_S)
    assert gone(command)
    assert all(alive(pid) for pid in descendants)
    assert set(orphans.sweep()) >= set(descendants)
    assert gone(*descendants)
