"""GRPO in real environments by a real child: what is learned, what is told of each rollout, and that every session is deleted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines import protocol
from tests.engines.environments.conftest import EnvironmentServer, source
from tests.engines.training.conftest import Parent, Run, parent

__all__ = ["parent"]
Spec = dict[str, Any]


@pytest.fixture(scope="module")
def make_spec(
    tools_model: Path, environments: EnvironmentServer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Spec]:
    def make(rows: list[dict[str, Any]], sources: list[dict[str, Any]], **hyperparameters: Any) -> Spec:
        folder = tmp_path_factory.mktemp("job")
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        defaults = {
            "learning_rate": 1e-3,
            "rollouts_per_prompt": 8,
            "global_batch_size": 40,
            "max_prompt_length": 40,
            "max_response_length": 24,
            "kl_coef": 0.0,
        }
        return {
            "job_id": "job_test",
            "model": {"path": str(tools_model)},
            "dataset_path": str(folder / "rows.jsonl"),
            "environments": sources,
            "openreward": environments.hosts,
            "hyperparameters": defaults | hyperparameters,
            "work_dir": str(folder / "work"),
        }

    return make


@pytest.fixture(scope="module")
def learned(make_spec: Callable[..., Spec], environments: EnvironmentServer, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of ten steps over all tasks of a split, shared by the tests that only look at it. After each no session is open."""
    spec = make_spec([{"prompt": "of no use here"}], [source("sums")], max_steps=10)
    still_open = []

    def look(message: dict[str, Any]) -> None:
        if message["type"] == "metrics":
            still_open.append(environments.state()["open"])

    run = Parent(tmp_path_factory.mktemp("kept")).run(spec, look)
    assert still_open == [0] * 10
    return run


def completions(run: Run) -> list[dict[str, Any]]:
    return [each for message in run.of("rollouts") for group in message["groups"] for each in group["completions"]]


def test_the_model_learns_to_look_and_to_answer(learned: Run, environments: EnvironmentServer) -> None:
    assert learned.exit_code == protocol.EXIT_OK
    assert learned.logs()[0] == ("environments: owner/sums train: 25 tasks; the dataset names none, so all are trained on")
    rewards = learned.series("reward")
    assert len(rewards) == 10
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.15
    calls = learned.series("tools/call_frequency")
    assert calls[0] < 1.4 < calls[-1]
    assert all(value > 0 for value in learned.series("environment_time"))


def test_every_session_of_a_run_is_deleted(learned: Run, environments: EnvironmentServer) -> None:
    state = environments.state()
    assert state["open"] == 0
    assert state["set_up"] == state["torn_down"] >= 400
    assert state["pings"] > 0


def test_a_rollout_is_told_as_a_conversation(learned: Run) -> None:
    rollout = next(each for each in completions(learned) if len(each["messages"]) == 5 and each["reward"] > 1)
    prompt, look, seen, answer, verdict = rollout["messages"]
    shown = seen["content"]
    total = sum(map(int, shown.split("+")))

    assert prompt == {"role": "user", "content": "sum?"}
    assert look == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "call_0", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
    }
    assert seen == {
        "role": "tool",
        "name": "look",
        "tool_call_id": "call_0",
        "content": shown,
        "reward": 0.1,
        "finished": False,
    }
    assert json.loads(answer["tool_calls"][0]["function"]["arguments"]) == {"total": total}
    assert verdict == {
        "role": "tool",
        "name": "answer",
        "tool_call_id": "call_1",
        "content": "right",
        "reward": 1.0,
        "finished": True,
    }
    assert rollout["reward"] == pytest.approx(1.1)
    assert rollout["components"] == {"owner/sums": rollout["reward"]}
    # What the tools said is no part of what the model wrote: a look and its end, an answer of one or two digits and its end.
    assert rollout["text"] == (
        '<tool_call>{"name": "look", "arguments": {}}</tool_call>\n'
        f'<tool_call>{{"name": "answer", "arguments": {{"total": {total}}}}}</tool_call>'
    )
    assert rollout["tokens"] == 5 + len(str(total))
    assert (rollout["truncated"], rollout["score_error"]) == (False, None)


def test_a_rollout_that_calls_nothing_is_worth_nothing_and_is_trained_on(learned: Run) -> None:
    (first, *_) = learned.of("rollouts")
    silent = [
        each
        for group in first["groups"]
        for each in group["completions"]
        if not any(message["role"] == "tool" for message in each["messages"])
    ]

    assert silent
    assert {(each["reward"], each["score_error"]) for each in silent} == {(0.0, None)}
    assert all(each["advantage"] is not None for each in silent)
    assert {group["dataset_row"] for group in first["groups"]} == {None}
    assert set(learned.series("reward_none_fraction")) == {0.0}


def test_what_the_model_is_trained_on_is_what_it_wrote(learned: Run) -> None:
    lengths = [
        [each["tokens"] for group in message["groups"] for each in group["completions"]] for message in learned.of("rollouts")
    ]

    assert learned.series("completions/mean_length") == pytest.approx([sum(step) / len(step) for step in lengths], rel=1e-5)


@pytest.fixture(scope="module")
def mixed(make_spec: Callable[..., Spec], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A step in four environments, by tasks that the dataset names; each rollout may make one call."""
    rows: list[dict[str, Any]] = [
        {"environment": "owner/sums", "task": {"x": 1, "y": 2}},
        {"environment": "owner/broken", "split": "train", "task_index": 6},
        {"environment": "owner/shut", "split": "train", "task_index": 0},
        {"environment": "owner/plain", "task_index": 0},
        {"environment": "owner/sums", "task_index": 0, "prompt": "This goes before the task, and it is too long."},
    ]
    sources = [source(name) for name in ("sums", "broken", "shut", "plain")]
    spec = make_spec(rows, sources, max_steps=1, max_tool_turns=1)
    return Parent(tmp_path_factory.mktemp("kept")).run(spec)


def of_row(run: Run, row: int) -> dict[str, Any]:
    (message,) = run.of("rollouts")
    (group,) = [group for group in message["groups"] if group["dataset_row"] == row]
    found: dict[str, Any] = group
    return found


def test_tasks_of_several_environments_stand_in_one_step(mixed: Run, environments: EnvironmentServer) -> None:
    assert mixed.exit_code == protocol.EXIT_OK
    group = of_row(mixed, 0)
    assert group["prompt"] == [{"role": "user", "content": "sum?"}]
    for each in group["completions"]:
        said = [message for message in each["messages"] if message["role"] == "tool"]
        # One call and no more, so that whoever looked could not answer.
        assert len(said) <= 1
        assert each["reward"] == (said[0].get("reward", 0.0) if said else 0.0)
        assert each["components"] == {
            "owner/sums": each["reward"],
            "owner/broken": None,
            "owner/shut": None,
            "owner/plain": None,
        }
    assert environments.state()["open"] == 0


def test_what_the_environment_broke_is_left_out_with_the_reason(mixed: Run) -> None:
    for each in of_row(mixed, 1)["completions"]:
        looked = any(call["function"]["name"] == "look" for message in each["messages"] for call in message.get("tool_calls", []))
        assert (each["reward"] is None) == looked == ("the lamp is broken" in str(each["score_error"]))
        assert (each["advantage"] is None) == looked
    for each in of_row(mixed, 2)["completions"]:
        assert (each["reward"], each["advantage"]) == (None, None)
        assert each["score_error"] == "the session could not be opened: RuntimeError: no room"
        assert (each["text"], each["tokens"]) == ("", 0)


def test_a_message_without_a_call_is_the_answer_where_the_environment_takes_one(mixed: Run) -> None:
    answers = [each["messages"] for each in of_row(mixed, 3)["completions"] if each["messages"][1].get("tool_calls") is None]
    assert answers
    for _, answer, verdict in answers:
        right = answer["content"] == "no"
        assert verdict == {"role": "tool", "name": "hand_in", "content": "thank you", "reward": float(right), "finished": True}
    # Calling what is no tool is no answer.
    called = [each for each in of_row(mixed, 3)["completions"] if each["messages"][1].get("tool_calls") is not None]
    assert all(each["reward"] == 0.0 for each in called)


def test_a_prompt_that_is_too_long_is_left_out(mixed: Run) -> None:
    group = of_row(mixed, 4)
    assert group["prompt"] == [{"role": "user", "content": "This goes before the task, and it is too long.\n\nsum?"}]
    for each in group["completions"]:
        assert each["reward"] is None
        assert each["score_error"] == "the prompt has 65 tokens, and max_prompt_length is 40"


def test_a_step_of_prompts_that_are_too_long_is_none_and_the_next_is_trained_on(
    make_spec: Callable[..., Spec], parent: Parent
) -> None:
    rows: list[dict[str, Any]] = [
        {"task_index": 0, "prompt": "This goes before the task, and it is too long."},
        {"task_index": 1},
    ]
    run = parent.run(make_spec(rows, [source("sums")], max_steps=2, rollouts_per_prompt=4, global_batch_size=4))

    assert run.exit_code == protocol.EXIT_OK
    steps = {message["groups"][0]["dataset_row"]: message["groups"][0]["completions"] for message in run.of("rollouts")}
    assert {each["score_error"] for each in steps[0]} == {"the prompt has 65 tokens, and max_prompt_length is 40"}
    assert {each["score_error"] for each in steps[1]} == {None}
    assert run.series("reward_none_fraction") in ([0.0, 1.0], [1.0, 0.0])
    assert None not in run.series("loss")


def test_a_stop_in_the_middle_of_a_call_leaves_no_session(
    make_spec: Callable[..., Spec], environments: EnvironmentServer, parent: Parent
) -> None:
    before = environments.state()["hung"]
    spec = make_spec([{}], [source("endless")], max_steps=1)

    def stop(message: dict[str, Any]) -> None:
        if message["type"] == "phase" and message["phase"] == "scoring":
            while environments.state()["hung"] == before:
                pass
            parent.send("stop")

    run = parent.run(spec, stop)

    assert run.exit_code == protocol.EXIT_STOPPED
    assert run.logs()[-1] == "stopped within a step; the step is dropped"
    assert environments.state()["open"] == 0


def test_a_model_that_cannot_call_tools_is_refused(make_spec: Callable[..., Spec], tiny_model: Path, parent: Parent) -> None:
    spec = make_spec([{}], [source("sums")], max_steps=1) | {"model": {"path": str(tiny_model)}}
    run = parent.run(spec)

    assert run.failure["code"] == "config_error"
    assert run.failure["message"] == (
        "The base model's chat template cannot call tools, and an environment is nothing but tools."
    )
