"""The contract test: what is refused and at which line, what is kept with a warning, and what passes."""

import contextlib
import textwrap
from typing import Any

import pytest

from engines.protocol import ChildFailure
from engines.rewards import landlock, sample, trial
from engines.rewards.jail import Jail
from engines.rewards.trial import Refused, Trial


def tried(source: str, *, format: str = "trl", samples: list[dict[str, Any]] | None = None, **options: Any) -> Trial:
    allow = options.pop("allow_nondeterministic", False)
    given = None if samples is None else sample.given(samples)
    with contextlib.closing(Jail(textwrap.dedent(source).encode(), format, **options)) as jail:
        return trial.run(jail, given, format=format, allow_nondeterministic=allow)


def refusal(source: str, **options: Any) -> tuple[str, int | None]:
    with pytest.raises(Refused) as caught:
        tried(source, **options)
    first = caught.value.problems[0]
    return first.message, first.line


PASSING = {
    "text": "def reward(completions, answer, **k):\n    return [float(a in c) for a, c in zip(answer, completions)]\n",
    "messages": "def reward(completions, **k):\n    return [float(len(c[0]['content'])) for c in completions]\n",
    "messages in prompts": "def reward(prompts, completions, **k):\n    return [len(p[-1]['content']) for p in prompts]\n",
    "worked answers": "def reward(completions, answer):\n    return [float(a.split('####')[1]) for a in answer]\n",
    "numbers": "def reward(completions, solution):\n    return [s / 2 for s in solution]\n",
    "any column": "def reward(completions, **k):\n    return [float(len(k['hint'][i])) for i, _ in enumerate(completions)]\n",
    "async": "async def reward(completions, **k):\n    return [None for _ in completions]\n",
}


@pytest.mark.parametrize("name", PASSING)
def test_honest_functions_pass_on_made_up_samples(name: str) -> None:
    found = tried(PASSING[name])
    assert (found.given, found.warnings) == (False, [])
    assert found.scores is not None and len(found.scores.rewards) == 5
    assert found.messages is name.startswith("messages")


@pytest.mark.parametrize(
    ("format", "source"),
    [
        ("miles", "async def reward(args, sample):\n    return float(sample.label in sample.response) + args.seed\n"),
        (
            "verl",
            "def compute_score(data_source, solution_str, ground_truth, extra_info=None):\n    return float(ground_truth)\n",
        ),
    ],
)
def test_the_other_formats_are_tried_too(format: str, source: str) -> None:
    found = tried(source, format=format, args={"seed": 42})
    assert found.scores is not None and None not in found.scores.rewards


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("def reward(completions, **k):\n    return [1.0]\n", "reward() returned 1 rewards for 5 completions.", 1),
        ("def reward(completions, **k):\n    return 1.0\n", "reward() returned a float instead of a list of 5 rewards.", 1),
        (
            "\ndef reward(completions, **k):\n    return [float('nan')] * 5\n",
            "reward() gave item 0 (counted from 0) a wrong value: nan is not a finite number; return None to skip a sample.",
            2,
        ),
        ("def reward(completions, **k):\n    return [gone for _ in completions]\n", "NameError: name 'gone' is not defined", 2),
        ("def reward(completions, **k):\n    return [{}['x'] for _ in completions]\n", "KeyError: 'x'", 2),
        ("def reward(completions, answer):\n    n = 0\n    return [1 / n for a in answer]\n", "ZeroDivisionError: division", 3),
        ("def reward(completions, level):\n    return [1 / 0 for _ in level]\n", "ZeroDivisionError: division by zero", 2),
        ("import nowhere\ndef reward(**k): ...\n", "ModuleNotFoundError: No module named 'nowhere'", 1),
        ("raise SystemExit(3)\ndef reward(**k): ...\n", "SystemExit: 3", 1),
        ("def reward(completions, completion, **k): ...\n", "reward() requires 'completion', but the batch has only", 1),
        ("def reward(completions, **k):\n    return reward(completions, **k)\n", "RecursionError: maximum recursion depth", 2),
    ],
)  # fmt: skip
def test_a_function_that_cannot_work_is_refused_with_its_line(source: str, message: str, line: int | None) -> None:
    told, at = refusal(source)
    assert (told[: len(message)], at) == (message, line)


def test_a_function_for_messages_is_told_its_own_error_first() -> None:
    source = "def reward(completions, **k):\n    texts = [c[0]['content'] for c in completions]\n    return [len(texts) / 0]\n"
    assert refusal(source) == ("ZeroDivisionError: division by zero", 3)


@pytest.mark.parametrize(
    "source",
    [
        "def reward(completions, cases):\n    return [float(case['input']) for case in cases]\n",
        "import json\ndef reward(completions, answer):\n    return [json.loads(a)['expr'] for a in answer]\n",
        "import re\ndef reward(prompts, completions):\n    return [len(re.search('N: (.*)', p).group(1)) for p in prompts]\n",
    ],
)
def test_a_function_that_needs_its_own_rows_is_kept_with_a_warning(source: str) -> None:
    found = tried(source)
    assert found.scores is None
    assert [warning.line for warning in found.warnings] == [source.count("\n")]
    assert found.warnings[0].message.startswith("It could not be tried without rows of its dataset")
    assert found.record()["rewards"] is None


def test_a_verl_function_may_know_its_own_sources_only() -> None:
    source = "def compute_score(data_source, **k):\n    raise NotImplementedError('no such source')\n"
    assert "NotImplementedError" in tried(source, format="verl").warnings[0].message


def test_given_samples_leave_no_excuse() -> None:
    source = "def reward(completions, cases):\n    return [float(case['input']) for case in cases]\n"
    good = [{"prompt": "p", "completion": "c", "columns": {"cases": {"input": 2}}}]
    found = tried(source, samples=good)
    assert (found.given, found.scores and found.scores.rewards) == (True, [2.0])
    bad = [*good, {"prompt": "p", "completion": "c", "columns": {}}]
    assert refusal(source, samples=bad) == ("TypeError: 'NoneType' object is not subscriptable", 2)


@pytest.mark.parametrize(
    "source",
    [
        "import random\ndef reward(completions, **k):\n    return [random.random() for _ in completions]\n",
        "seen = []\ndef reward(completions, **k):\n    seen.append(1)\n    return [len(seen)] * len(completions)\n",
    ],
)
def test_a_function_that_changes_its_mind_is_refused_unless_it_may(source: str) -> None:
    message, line = refusal(source)
    assert message.startswith("The reward function gave different answers for the same batch")
    assert line == next(number for number, text in enumerate(source.splitlines(), 1) if text.startswith("def"))
    assert tried(source, allow_nondeterministic=True).warnings[0].message.startswith("It gave different answers")


def test_a_second_batch_that_fails_is_refused() -> None:
    source = "left = [1]\ndef reward(completions, **k):\n    return [left.pop()] * len(completions)\n"
    assert refusal(source) == ("IndexError: pop from empty list", 3)


def test_a_weight_that_no_component_has_is_a_warning() -> None:
    source = "def reward(completions, **k):\n    return [{'right': 1} for _ in completions]\n"
    found = tried(source, weights={"right": 2.0, "rihgt": 1.0})
    assert [warning.message for warning in found.warnings] == [
        "The weights name 'rihgt', which it did not return for the samples."
    ]
    assert found.record()["rewards"] == [2.0] * 5


def test_a_function_that_never_answers_is_refused_by_the_deadline() -> None:
    message, line = refusal("def reward(**k):\n    while True: pass\n", deadline_s=0.5)
    assert message == "The reward function did not answer within its deadline of 0.5 s a batch and was stopped."
    assert line == 2


def test_a_host_that_cannot_jail_refuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    with pytest.raises(ChildFailure) as caught:
        tried(PASSING["text"], require_landlock=True)
    assert (caught.value.code, caught.value.attribution) == ("config_error", "platform")
