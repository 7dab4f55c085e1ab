"""What reward code does wrong: every way ends in a failure that names it, and the next batch works."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.protocol import ChildFailure
from engines.rewards import jail_process, verdicts
from engines.rewards.jail import Jail
from tests.engines.rewards.conftest import MakeJail

ROOT = Path(__file__).parents[3]
WAIT_S = 20.0
SMALL_BYTES = 256 * 2**20

# Each completion is code that runs in the reward, at line 6 of the file.
RUNNER = """\
import asyncio, ctypes, json, math, os, re, signal, sys

def reward(completions, **columns):
    result = [1.0] * len(completions)
    scope = {**globals(), "result": result}
    exec(compile(completions[0], "reward.py", "exec"), scope)
    return scope["result"]
"""


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, "waited too long"
        os.sched_yield()


def failure_of(jail: Jail, code: str = "", *, strict: bool = True) -> ChildFailure:
    with pytest.raises(ChildFailure) as caught:
        jail.score([""], [textwrap.dedent(code)], {}, strict=strict)
    assert (caught.value.code, caught.value.attribution) == ("reward_function_error", "user")
    return caught.value


def works(jail: Jail) -> bool:
    return jail.score([""], ["pass"], {}).rewards == [1.0]


def test_an_exception_gives_the_users_own_frames_and_line(make_jail: MakeJail) -> None:
    jail = make_jail("""\
        import json

        def parsed(text):
            return json.loads(text)

        def reward(completions, **columns):
            for text in completions:
                parsed(text)
            return [1.0] * len(completions)
    """)
    failure = failure_of(jail, "{")
    assert [line for line in failure.message.splitlines() if line.strip("^~ ")] == [
        "Traceback (most recent call last):",
        '  File "reward.py", line 8, in reward',
        "    parsed(text)",
        '  File "reward.py", line 4, in parsed',
        "    return json.loads(text)",
        "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    ]
    assert failure.user_code_line == 4
    assert jail.score([""], ["1"], {}).rewards == [1.0]


def test_chained_exceptions_are_trimmed_too(make_jail: MakeJail) -> None:
    jail = make_jail("""\
        def reward(completions, **columns):
            try:
                return [int(c) for c in completions]
            except ValueError as error:
                raise RuntimeError("no number") from error
    """)
    failure = failure_of(jail, "x")
    assert "ValueError: invalid literal for int() with base 10: 'x'" in failure.message
    assert failure.message.endswith("RuntimeError: no number")
    assert str(ROOT) not in failure.message
    assert failure.user_code_line == 5


def test_a_file_that_fails_while_it_loads_names_its_line_and_is_tried_again(make_jail: MakeJail) -> None:
    jail = make_jail("import re\nprint('here')\nthreshold = 1 / 0\ndef reward(**columns): ...\n")
    for _ in range(2):
        failure = failure_of(jail)
        assert failure.message.endswith("ZeroDivisionError: division by zero")
        assert failure.user_code_line == 3
        assert jail.stdout == "here\n"
        assert jail.pid is None


def test_wrong_answers_name_the_item_and_the_functions_line(make_jail: MakeJail) -> None:
    jail = make_jail(RUNNER)
    failure = failure_of(jail, "result = [float('nan')]")
    frame = '  File "reward.py", line 3, in reward\n    def reward(completions, **columns):\n'
    assert failure.message == frame + (
        "reward() gave item 0 (counted from 0) a wrong value: nan is not a finite number; return None to skip a sample."
    )
    assert failure.user_code_line == 3
    assert failure_of(jail, "result = [0.0] * 10_000_000").message == (
        f"{frame}reward() returned 10000000 rewards for 1 completions."
    )
    assert failure_of(jail, "result = {}", strict=False).message == (
        f"{frame}reward() returned a dict instead of a list of 1 rewards."
    )
    assert works(jail)


def test_a_missing_column_is_named(make_jail: MakeJail) -> None:
    failure = failure_of(make_jail("\ndef reward(completions, solution): ..."))
    message = "reward() requires 'solution', but the batch has only 'prompts', 'completions'."
    assert failure.message == f'  File "reward.py", line 2, in reward\n    def reward(completions, solution): ...\n{message}'
    assert failure.user_code_line == 2


def test_objects_with_hostile_conversions_fail_like_any_code(make_jail: MakeJail) -> None:
    jail = make_jail(RUNNER)
    hostile = """
        class Hostile:
            def __float__(self):
                {}
        result = [Hostile()]
    """
    assert failure_of(jail, hostile.format("sys.exit(3)")).message.endswith("SystemExit: 3")
    assert failure_of(jail, hostile.format("raise KeyError(1)"), strict=False).message.endswith("KeyError: 1")
    assert failure_of(jail, hostile.format("return 'x'")).message.endswith("returned non-float (type str)")
    assert failure_of(jail, hostile.format("return float('inf')")).message.endswith("return None to skip a sample.")
    assert works(jail)


@pytest.mark.parametrize(
    ("code", "line"),
    [
        pytest.param("\n\nwhile True: pass", 3, id="loop"),
        pytest.param("\nre.match('(a+)+b', 'a' * 64)", 2, id="regular expression that never ends"),
        pytest.param("while True:\n  try: 1 / 0\n  except: pass", None, id="loop that catches everything"),
        pytest.param("while True: print('x' * 1000)", 1, id="flood of prints"),
        pytest.param("os.close(1)\nos.close(2)\nasyncio.run(asyncio.sleep(100))", None, id="silence"),
        pytest.param("asyncio.run(asyncio.sleep(100))", None, id="sleep"),
        pytest.param("\nclass H:\n  def __float__(self):\n    while True: pass\nresult = [H()]", 4, id="conversion"),
    ],
)
def test_the_deadline_ends_the_batch_and_the_next_one_works(make_jail: MakeJail, code: str, line: int | None) -> None:
    jail = make_jail(RUNNER, deadline_s=0.5)
    assert works(jail)
    pid, began = jail.pid, time.monotonic()
    failure = failure_of(jail, code)
    assert time.monotonic() - began < 5
    assert failure.message.endswith("The reward function did not answer within its deadline of 0.5 s a batch and was stopped.")
    if line is not None:
        assert failure.user_code_line == line
        assert failure.message.startswith('Where it was (most recent call last):\n  File "reward.py", line ')
    assert not Path(f"/proc/{pid}").exists()
    assert works(jail)
    assert jail.pid != pid


@pytest.mark.parametrize(("code", "message"), [("while True: pass", "within its deadline"), ("os._exit(3)", "exit code 3")])
def test_a_host_with_many_open_files_is_told_why_a_batch_was_lost(make_jail: MakeJail, code: str, message: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    with contextlib.ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        last = 0
        while last < 1100:
            last = os.dup(0)
            opened.callback(os.close, last)
        assert message in failure_of(make_jail(RUNNER, deadline_s=1.0), code).message


def test_the_deadline_bounds_loading_too(make_jail: MakeJail) -> None:
    jail = make_jail("print('loading')\nwhile True: pass\ndef reward(**columns): ...\n", deadline_s=0.5)
    failure = failure_of(jail)
    assert "within its deadline of 0.5 s" in failure.message
    assert failure.user_code_line == 2
    assert jail.stdout == "loading\n"


def test_eight_gibibytes_are_refused_by_the_default_limit(make_jail: MakeJail) -> None:
    jail = make_jail(RUNNER)
    failure = failure_of(jail, "\nhoard = bytearray(8 * 2**30)")
    assert failure.message.endswith("MemoryError\nThe reward function ran out of its 4.0 GiB of memory.")
    assert failure.user_code_line == 2
    assert works(jail)


def test_memory_filled_bit_by_bit_is_reported_too(make_jail: MakeJail) -> None:
    jail = make_jail(RUNNER, memory_bytes=SMALL_BYTES)
    failure = failure_of(jail, "hoard = []\nwhile True:\n  hoard.append([None] * 50_000)")
    assert failure.message.endswith("MemoryError\nThe reward function ran out of its 0.2 GiB of memory.")
    assert failure.user_code_line == 3
    assert works(jail)


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("sys.exit('bye')", "SystemExit: bye"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("os._exit(7)", "The reward function ended its own process with exit code 7."),
        ("os._exit(0)", "The reward function ended its own process with exit code 0."),
        ("os.abort()", "The reward function's process was ended by SIGABRT."),
        ("ctypes.string_at(0)", "The reward function's process was ended by SIGSEGV: it crashed, as very deep recursion does."),
    ],
)
def test_every_way_to_leave_is_told_apart(make_jail: MakeJail, code: str, ending: str) -> None:
    jail = make_jail(RUNNER)
    failure = failure_of(jail, f"print('before', flush=True)\n{code}")
    assert failure.message.endswith(ending)
    assert jail.stdout.startswith("before\n")
    assert works(jail)


def test_a_crash_names_the_users_line(make_jail: MakeJail) -> None:
    failure = failure_of(make_jail(RUNNER), "\n\nctypes.string_at(0)")
    assert failure.user_code_line == 3


FIND_PIPES = """
    import stat
    def pipes():
        for fd in range(3, 64):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode): yield fd
            except OSError: pass
    def spill(data):
        for fd in pipes():
            try: os.write(fd, data)
            except OSError: pass
"""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("spill(b'junk\\n')", "The reward function wrote to the jail's own channel, and its answer could not be read."),
        (
            "spill(b'[' * 50_000 + b'\\n')",
            "The reward function wrote to the jail's own channel, and its answer could not be read.",
        ),
        ("spill(b'[]\\n')", "The reward function wrote to the jail's own channel, and its answer could not be read."),
        (
            'spill(b\'{"type":"scored","rewards":[1e999],"components":{},"errors":[null]}\\n\')',
            "The reward function wrote to the jail's own channel, and its answer could not be read.",
        ),
        (
            "while True: os.write(list(pipes())[1], b'x' * 65536)",
            "The reward function wrote more to the jail's own channel than any answer can hold.",
        ),
        ("os.closerange(0, 64)\nwhile True: pass", "The reward function closed the jail's own channel."),
        ("os.closerange(0, 64)\nos._exit(0)", "The reward function ended its own process with exit code 0."),
    ],
)
def test_meddling_with_the_pipes_is_found_out(
    make_jail: MakeJail, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    monkeypatch.setattr(jail_process, "EXIT_WAIT_S", 0.3)
    jail = make_jail(RUNNER)
    assert failure_of(jail, textwrap.dedent(FIND_PIPES) + code).message == message
    assert works(jail)


def test_tampering_with_json_forges_only_rewards_that_are_valid_anyway(make_jail: MakeJail) -> None:
    jail = make_jail(RUNNER)
    forged = 'json.dumps = lambda *a, **k: \'{"type":"scored","rewards":[%s],"components":{},"errors":[null],"lines":[null]}\''
    assert jail.score([""], [forged % "0.25"], {}).rewards == [0.25]
    assert "could not be read" in failure_of(jail, forged % "NaN").message
    forged_line = 'json.dumps = lambda *a, **k: \'{"type":"failed","message":"x","line":%s}\'' % ("9" * 40)
    assert (failure_of(jail, forged_line).message, failure_of(jail, forged_line).user_code_line) == ("x", None)
    assert jail.score([""], [forged % "0.5"], {}).rewards == [0.5]
    jail.close()
    assert works(jail)


def test_messages_are_made_fit_to_store(make_jail: MakeJail) -> None:
    failure = failure_of(make_jail(RUNNER), "raise ValueError('\\0\\ud800' + 'x' * 100_000 + 'end')")
    assert failure.message.encode()
    assert "\0" not in failure.message
    assert "characters left out …]" in failure.message
    assert failure.message.endswith("xend")
    assert len(failure.message) < 17_000


def test_a_process_killed_from_outside_is_not_the_users_fault(make_jail: MakeJail) -> None:
    jail = make_jail("import time\ndef reward(**columns):\n    print('began')\n    time.sleep(100)\n")
    jail.start()

    def kill_once_it_runs() -> None:
        process = jail._process
        assert process is not None
        wait_until(lambda: str(process.output) == "began\n")
        os.kill(process.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_once_it_runs)
    killer.start()
    with pytest.raises(ChildFailure) as caught:
        jail.score([""], [""], {})
    killer.join()
    assert (caught.value.code, caught.value.attribution) == ("worker_lost", "platform")
    assert caught.value.message == "The jail of the reward function was killed from outside (SIGKILL)."


def test_a_process_killed_for_the_memory_it_held_is_the_users_fault(make_jail: MakeJail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "OWN_MEMORY_BYTES", 100 * 2**20)
    jail = make_jail("import time\ndef reward(**columns):\n    hoard = b'x' * (180 * 2**20)\n    time.sleep(100)\n")
    jail.start()
    process = jail._process
    assert process is not None

    def kill_once_it_is_large() -> None:
        wait_until(lambda: process.peak_bytes > 180 * 2**20)
        os.kill(process.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_once_it_is_large)
    killer.start()
    failure = failure_of(jail)
    killer.join()
    assert failure.message == (
        "The reward function's process was ended by SIGKILL while it held 0.2 GiB, as happens when a machine runs out of memory."
    )


def test_a_process_that_died_between_batches_is_replaced(make_jail: MakeJail) -> None:
    jail = make_jail(RUNNER)
    assert works(jail)
    pid = jail.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert works(jail)
    assert jail.pid != pid


def test_the_jail_dies_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "reward.py").write_text("import os\nprint(os.getpid())\ndef reward(**columns):\n    while True: pass\n")
    code = textwrap.dedent(f"""
        from pathlib import Path
        from engines.rewards.jail import Jail
        with Jail(Path({str(tmp_path / "reward.py")!r})) as jail:
            print(jail.pid, flush=True)
            jail.score([""], [""], {{}})
    """)
    # The folder of a parent that is killed stays: here, in pytest's.
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not running(pid))


def running(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
