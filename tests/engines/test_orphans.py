"""Orphans are known by their marker alone."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines import orphans

SLEEP = [sys.executable, "-c", "print('ready', flush=True); import time; time.sleep(600)"]


@pytest.fixture
def sleeper() -> Iterator[Callable[[str | None], subprocess.Popen[str]]]:
    """Start processes with a marker, or without one."""
    started: list[subprocess.Popen[str]] = []

    def _start(marker: str | None) -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if key != orphans.VARIABLE}
        if marker is not None:
            environment[orphans.VARIABLE] = marker
        process = subprocess.Popen(SLEEP, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield _start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def dead_pid() -> Iterator[int]:
    """A pid whose process has ended and that no other can have: its zombie is kept."""
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout is not None
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid
    process.communicate()


def test_a_child_of_a_dead_process_is_killed(sleeper: Callable[[str | None], subprocess.Popen[str]], dead_pid: int) -> None:
    orphan = sleeper(f"{dead_pid}:1")
    assert orphan.pid in orphans.sweep()
    assert orphan.wait(10) == -9


def test_a_child_of_a_process_that_lives_is_left_alone(sleeper: Callable[[str | None], subprocess.Popen[str]]) -> None:
    child = sleeper(orphans.mark())
    assert child.pid not in orphans.sweep()
    assert child.poll() is None


def test_a_pid_that_was_used_again_does_not_hide_an_orphan(sleeper: Callable[[str | None], subprocess.Popen[str]]) -> None:
    pid, ticks = orphans.mark().split(":")
    orphan = sleeper(f"{pid}:{int(ticks) - 1}")
    assert orphan.pid in orphans.sweep()
    assert orphan.wait(10) == -9


def test_a_zombie_does_not_answer_for_its_children(sleeper: Callable[[str | None], subprocess.Popen[str]], dead_pid: int) -> None:
    ticks = Path(f"/proc/{dead_pid}/stat").read_text().rpartition(")")[2].split()[19]
    orphan = sleeper(f"{dead_pid}:{ticks}")
    assert orphan.pid in orphans.sweep()


@pytest.mark.parametrize("marker", [None, "", "nonsense", "1", "1:2:3", "-1:1"])
def test_a_process_without_a_whole_marker_is_never_touched(
    sleeper: Callable[[str | None], subprocess.Popen[str]], marker: str | None
) -> None:
    stranger = sleeper(marker)
    assert stranger.pid not in orphans.sweep()
    assert stranger.poll() is None


def test_a_variable_that_only_ends_in_the_name_is_not_the_marker(
    sleeper: Callable[[str | None], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch, dead_pid: int
) -> None:
    monkeypatch.setenv(f"X_{orphans.VARIABLE}", f"{dead_pid}:1")
    stranger = sleeper(None)
    assert stranger.pid not in orphans.sweep()


def test_the_sweeping_process_spares_itself(tmp_path: Path) -> None:
    own = tmp_path / str(os.getpid())
    own.mkdir()
    (own / "environ").write_bytes(f"A=b\0{orphans.VARIABLE}=999999999:1\0".encode())
    assert orphans.sweep(tmp_path) == []


def test_a_process_of_another_user_is_passed_over(tmp_path: Path) -> None:
    """Its environment cannot be read."""
    (tmp_path / "1").mkdir()
    assert orphans.sweep(tmp_path) == []
