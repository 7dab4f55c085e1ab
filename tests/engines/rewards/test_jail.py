"""What a jail does for honest reward code."""

import json
from pathlib import Path

import pytest

from engines.protocol import ChildFailure
from engines.rewards import landlock
from engines.rewards.jail import Jail
from tests.engines.rewards.conftest import MakeJail

CHAT = [[{"role": "user", "content": "2 + 2?"}], [{"role": "user", "content": "3 + 3?"}]]
REPLIES = [[{"role": "assistant", "content": "4"}], [{"role": "assistant", "content": "5"}]]


def test_a_reward_gets_prompts_completions_and_columns_by_keyword(make_jail: MakeJail) -> None:
    jail = make_jail("""
        def reward(prompts, completions, **columns):
            print(prompts, completions, columns)
            return [float(c == a) for c, a in zip(completions, columns["answer"])]
    """)
    scores = jail.score(["p0", "p1"], ["1", "2"], {"answer": ["1", "3"], "my column": [None, {"a": [1]}]})
    assert (scores.rewards, scores.components, scores.errors) == ([1.0, 0.0], {}, [None, None])
    assert scores.stdout == "['p0', 'p1'] ['1', '2'] {'answer': ['1', '3'], 'my column': [None, {'a': [1]}]}\n"
    assert scores.duration_ms > 0


def test_chat_prompts_and_completions_are_message_lists(make_jail: MakeJail) -> None:
    jail = make_jail("def reward(prompts, completions, **k): return [float(p[-1]['role'] == 'user' and c[-1]['content'] == '4')"
                     " for p, c in zip(prompts, completions)]")  # fmt: skip
    assert jail.score(CHAT, REPLIES, {}).rewards == [1.0, 0.0]


def test_a_reward_without_kwargs_gets_only_what_it_names(make_jail: MakeJail) -> None:
    jail = make_jail("def reward(completions, answer): return [float(c == a) for c, a in zip(completions, answer)]")
    assert jail.score(["p"], ["x"], {"answer": ["x"], "other": [1]}).rewards == [1.0]


def test_components_and_skipped_samples_come_back(make_jail: MakeJail) -> None:
    jail = make_jail(
        "def reward(completions, **k): return [None if c == '' else {'right': 1, 'short': 0.5} for c in completions]"
    )
    scores = jail.score(["p", "p"], ["", "x"], {})
    assert (scores.rewards, scores.components) == ([None, 1.5], {"right": [None, 1.0], "short": [None, 0.5]})


def test_an_async_reward_is_awaited_every_batch(make_jail: MakeJail) -> None:
    jail = make_jail("""
        import asyncio

        async def one(completion):
            await asyncio.sleep(0.001)
            return float(completion)

        async def reward(completions, **columns):
            return await asyncio.gather(*map(one, completions))
    """)
    assert [jail.score(["", ""], ["1", "2"], {}).rewards for _ in range(3)] == [[1.0, 2.0]] * 3


def test_a_reward_can_run_a_loop_of_its_own(make_jail: MakeJail) -> None:
    jail = make_jail("""
        async def one(completion):
            import asyncio
            return await asyncio.wait_for(asyncio.sleep(0, float(completion)), 5)

        def reward(completions, **columns):
            from asyncio import run
            return [run(one(completion)) for completion in completions]
    """)
    assert jail.score(["", ""], ["1", "2"], {}).rewards == [1.0, 2.0]


def test_state_lives_from_batch_to_batch_in_one_process(make_jail: MakeJail) -> None:
    jail = make_jail("""
        import dataclasses

        @dataclasses.dataclass
        class Count:
            batches: int = 0

        count = Count()

        def reward(completions, **columns):
            count.batches += 1
            return [count.batches] * len(completions)
    """)
    assert [jail.score([""], [""], {}).rewards for _ in range(3)] == [[1.0], [2.0], [3.0]]


def test_libraries_that_load_late_work(make_jail: MakeJail) -> None:
    jail = make_jail("""
        import csv, datetime, hashlib, json, signal, time, zlib
        from decimal import Decimal

        def reward(completions, **columns):
            datetime.datetime.strptime("2026-11-21", "%Y-%m-%d")
            hashlib.sha256(b"x").hexdigest()
            "é".encode("utf-16").decode("utf-16")
            "bücher.example".encode("idna")
            signal.signal(signal.SIGALRM, lambda *_: None)
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            time.sleep(0.01)
            return [Decimal("0.5")] * len(completions)
    """)
    assert jail.score([""], [""], {}).rewards == [0.5]


def test_an_empty_batch_and_odd_text_pass_through(make_jail: MakeJail) -> None:
    jail = make_jail("def reward(completions, **k):\n    print(*completions)\n    return [len(c) for c in completions]")
    assert jail.score([], [], {}).rewards == []
    assert jail.score([""] * 3, ["\ud800", "\0", "日本"], {}).rewards == [1.0, 1.0, 2.0]
    assert jail.stdout == "\\ud800 \N{REPLACEMENT CHARACTER} 日本\n"


def test_a_batch_larger_than_the_pipes_passes_through(make_jail: MakeJail) -> None:
    jail = make_jail("def reward(completions, **k):\n    print('x' * 300_000)\n    return [len(c) for c in completions]")
    assert jail.score([""] * 8, ["x" * 1_000_000] * 8, {}).rewards == [1_000_000.0] * 8


def test_prints_are_kept_per_batch_and_cut(make_jail: MakeJail) -> None:
    jail = make_jail("""
        import os, sys
        print("loading")

        def reward(completions, **columns):
            print(completions[0])
            sys.stderr.write("error\\n")
            os.write(1, b"raw \\xff\\n")
            print("y" * 10_000_000 if completions[0] == "much" else "", end="")
            return [0.0]
    """)
    assert jail.score([""], ["a"], {}).stdout == "loading\na\nerror\nraw \N{REPLACEMENT CHARACTER}\n"
    much = jail.score([""], ["much"], {}).stdout
    assert much.endswith("yyy\n[cut: 10000017 bytes were printed, the first 65536 are kept]\n")
    assert len(much) == 65536 + 62
    assert jail.score([""], ["b"], {}).stdout == "b\nerror\nraw \N{REPLACEMENT CHARACTER}\n"


def test_wrong_items_are_reported_one_by_one_when_asked(make_jail: MakeJail) -> None:
    jail = make_jail("def reward(completions, **k): return [float(c) for c in completions]")
    scores = jail.score(["", ""], ["nan", "1"], {}, strict=False)
    assert scores.rewards == [None, 1.0]
    assert scores.errors == ["nan is not a finite number; return None to skip a sample.", None]


def test_batches_of_unequal_lists_are_refused_before_anything_starts(make_jail: MakeJail) -> None:
    jail = make_jail("def reward(**k): ...")
    with pytest.raises(ValueError, match="the same length"):
        jail.score(["p"], ["c"], {"answer": []})
    assert jail.pid is None


def test_a_refused_file_starts_no_process(make_jail: MakeJail) -> None:
    jail = make_jail("x = 1\ndef score(): ...\n")
    with pytest.raises(ChildFailure) as caught:
        jail.start()
    failure = caught.value
    assert (failure.code, failure.attribution, failure.user_code_line) == ("reward_function_error", "user", 2)
    assert jail.pid is None


def test_a_kernel_without_landlock_is_refused_on_demand(make_jail: MakeJail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    jail = make_jail("def reward(completions, **k): return [1.0] * len(completions)", require_landlock=True)
    with pytest.raises(ChildFailure) as caught:
        jail.start()
    assert (caught.value.code, caught.value.attribution) == ("config_error", "platform")
    assert caught.value.message == (
        "This host cannot jail reward functions: its kernel has no Landlock, or has it switched off."
    )  # fmt: skip


def test_without_landlock_what_the_file_imports_is_loaded_before_files_are_shut(
    make_jail: MakeJail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    jail = make_jail("""
        def reward(completions, **columns):
            from xml.etree import ElementTree
            import numpy.fft, a_missing_library
    """)
    with pytest.raises(ChildFailure) as caught:
        jail.score([""], [""], {})
    assert caught.value.message.endswith("ModuleNotFoundError: No module named 'a_missing_library'")


def test_closing_leaves_nothing_and_the_jail_can_start_again(make_jail: MakeJail) -> None:
    jail = make_jail("def reward(completions, **k): return [1.0] * len(completions)")
    jail.start()
    process, folder = Path(f"/proc/{jail.pid}"), Path(f"/proc/{jail.pid}/cwd").resolve()
    jail.close()
    assert not process.exists()
    assert not folder.exists()
    assert jail.score([""], [""], {}).rewards == [1.0]


def test_nothing_of_the_reward_shows_in_the_command_line(make_jail: MakeJail) -> None:
    jail = make_jail("SECRET = 'hunter2'\ndef reward(completions, **k): return [1.0] * len(completions)")
    jail.start()
    command = Path(f"/proc/{jail.pid}/cmdline").read_bytes()
    assert b"hunter2" not in command
    assert json.loads(command.split(b"\0")[-2])["policy"]["landlock"] is (landlock.version() > 0)


def test_the_context_manager_starts_and_closes(make_jail: MakeJail) -> None:
    with make_jail("def reward(completions, **k): return [1.0] * len(completions)") as jail:
        assert isinstance(jail, Jail)
        assert jail.pid is not None
    assert jail.pid is None
