"""The client of environments against a real server of them: what is asked, what comes back, and that nothing stays open."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from engines.protocol import ChildFailure
from engines.rewards import openreward
from engines.rewards.episode import Episode, Reply, Task
from engines.rewards.openreward import Arena, Unreachable
from engines.training.entering import Actors, Rollout
from engines.training.grpo_spec import EnvironmentSource, OpenRewardHosts
from engines.training.interrupt import Stopped
from tests.engines.environments.conftest import EnvironmentServer, source


class Listener:
    """The part of a reporter that an arena uses."""

    def __init__(self) -> None:
        self.stop_requested = threading.Event()
        self.lines: list[tuple[str, str]] = []

    def log(self, message: str, level: str = "info") -> None:
        self.lines.append((level, message))


@pytest.fixture
def listener() -> Listener:
    return Listener()


def arena_of(server: EnvironmentServer, listener: Listener, *sources: dict[str, Any], **hosts: Any) -> Arena:
    found = [EnvironmentSource.model_validate(each) for each in sources]
    return Arena(found, OpenRewardHosts.model_validate(server.hosts | hosts), listener)  # type: ignore[arg-type]


@pytest.fixture
def sums(environments: EnvironmentServer, listener: Listener) -> Iterator[Arena]:
    with arena_of(environments, listener, source("sums")) as arena:
        yield arena


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def test_an_episode_from_its_prompt_to_its_end(sums: Arena, environments: EnvironmentServer) -> None:
    (episode,) = sums.open([Task("owner/sums", "train", 7)])
    assert episode.prompt == [{"role": "user", "content": "sum?"}]
    assert {tool["function"]["name"]: tool["function"]["parameters"]["properties"] for tool in episode.tools} == {
        "answer": {"total": {"title": "Total", "type": "integer"}},
        "look": {},
    }
    assert episode.answer_tool is None
    assert environments.state()["open"] == 1

    replies = sums.call([(episode, [call("look"), call("look"), {"name": "answer", "arguments": '{"total": 3}'}, call("look")])])

    # 7 is 1+2. What was to be called after the end was not.
    assert replies == [[Reply("1+2", 0.1), Reply("1+2"), Reply("right", 1.0, finished=True)]]
    assert episode.reward == pytest.approx(1.1)
    sums.close()
    assert environments.state()["open"] == 0


def test_what_the_model_did_wrong_is_told_to_it_and_the_episode_goes_on(sums: Arena) -> None:
    (episode,) = sums.open([Task("owner/sums", spec={"x": 40, "y": 2})])

    wrong = [call("sing"), call("answer", total="many"), {"name": "answer", "arguments": "[1]"}, call("answer", total=42)]
    (replies,) = sums.call([(episode, wrong)])

    assert [(reply.failed, reply.reward) for reply in replies] == [(True, None), (True, None), (True, None), (False, 1.0)]
    assert [reply.text.partition(": [")[0] for reply in replies[:3]] == [
        "Error: 'sing' is not a valid tool",
        "Error: Tool input validation error",
        "Error: Tool input must be a dictionary, got list",
    ]
    assert (episode.reward, episode.error, episode.finished) == (1.0, None, True)


def test_what_the_environment_broke_ends_its_own_episode_only(environments: EnvironmentServer, listener: Listener) -> None:
    with arena_of(environments, listener, source("broken"), source("shut")) as arena:
        tasks = [Task("owner/broken", "train", 1), Task("owner/broken", "train", 0), Task("owner/shut", "train", 0)]
        broken, whole, shut = episodes = arena.open(tasks)
        arena.call([(episode, [call("look")]) for episode in (broken, whole)])

        assert [episode.reward for episode in episodes] == [None, 0.1, None]
        assert "the lamp is broken" in str(broken.error)
        assert shut.error == "the session could not be opened: RuntimeError: no room"
        assert whole.error is None
    assert environments.state()["open"] == 0


def test_a_message_is_the_answer_where_there_is_a_tool_for_it(environments: EnvironmentServer, listener: Listener) -> None:
    with arena_of(environments, listener, source("plain")) as arena:
        (episode,) = arena.open([Task("owner/plain", "train", 0)])
        assert (episode.answer_tool, episode.tools) == ("hand_in", [])
        assert arena.submit([(episode, "no")]) == [Reply("thank you", 1.0, finished=True)]


def test_a_call_that_takes_too_long_ends_the_episode(environments: EnvironmentServer, listener: Listener) -> None:
    with arena_of(environments, listener, source("endless"), timeout_s=2.0) as arena:
        (episode,) = arena.open([Task("owner/endless", "train", 0)])
        arena.call([(episode, [call("look")])])

        assert (episode.reward, episode.error) == (None, "no answer in time")
        # The server answers otherwise, so that this is no outage.
        assert not episode.unreachable
    assert environments.state()["open"] == 0


def test_a_stop_breaks_off_what_is_waited_for_and_the_sessions_are_deleted(
    environments: EnvironmentServer, listener: Listener
) -> None:
    with arena_of(environments, listener, source("endless")) as arena:
        episodes = arena.open([Task("owner/endless", "train", number) for number in range(3)])
        before = environments.state()["hung"]
        caught: list[type[BaseException]] = []

        def wait() -> None:
            try:
                arena.call([(episode, [call("look")]) for episode in episodes])
            except Stopped as error:
                caught.append(type(error))

        waiting = threading.Thread(target=wait)
        waiting.start()
        while environments.state()["hung"] < before + 3:
            pass
        listener.stop_requested.set()
        waiting.join(20)

        assert caught == [Stopped]
        assert environments.state()["open"] == 3
    assert environments.state()["open"] == 0


def test_a_session_that_the_server_does_not_delete_is_told_of(environments: EnvironmentServer, listener: Listener) -> None:
    with arena_of(environments, listener, source("sums")) as arena:
        (episode,) = arena.open([Task("owner/sums", "train", 0)])
        episode.session.api_key = "another"
    ((level, message),) = listener.lines
    assert level == "warning"
    assert message.startswith(f"the session {episode.session.sid} could not be deleted and ends when it has been idle: ")


def test_tasks_are_counted_by_split(environments: EnvironmentServer, listener: Listener) -> None:
    wanted = [source("sums", splits=["train", "test", "none"]), source("plain")]
    with arena_of(environments, listener, *wanted) as arena:
        assert arena.counts() == {
            ("owner/sums", "train"): 25,
            ("owner/sums", "test"): 1,
            ("owner/sums", "none"): 0,
            ("owner/plain", "train"): 1,
        }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": ["dev"]}, "environments.owner/sums.splits: no split 'dev'; there are train, test, none."),
        (
            {"api_key": "a-secret"},
            "environments.owner/sums: OpenReward does not take the key of the account's integration.",
        ),
        ({"variant": "missing"}, "environments.owner/sums: OpenReward refuses it with 404: Not Found."),
    ],
)
def test_what_cannot_be_trained_in_is_refused_by_name(
    environments: EnvironmentServer, listener: Listener, changes: dict[str, Any], message: str
) -> None:
    with arena_of(environments, listener, source("sums", **changes)) as arena, pytest.raises(ChildFailure) as caught:
        arena.counts()
    assert (caught.value.code, caught.value.attribution, caught.value.message) == ("config_error", "user", message)


@pytest.mark.parametrize(
    ("split", "said"), [("more", "1000001"), ("less", "-1"), ("part", "1.5"), ("yes", "True"), ("word", "'3'")]
)
def test_a_count_of_tasks_that_cannot_be_is_refused(
    environments: EnvironmentServer, listener: Listener, split: str, said: str
) -> None:
    with arena_of(environments, listener, source("loud", splits=["most"])) as arena:
        assert arena.counts() == {("owner/loud", "most"): 1_000_000}
    with arena_of(environments, listener, source("loud", splits=[split])) as arena, pytest.raises(ChildFailure) as caught:
        arena.counts()
    assert (caught.value.code, caught.value.attribution) == ("config_error", "user")
    reason = f"it says that {split} has {said} tasks, which is no number from 0 to 1000000."
    assert caught.value.message == f"environments.owner/loud.splits: {reason}"


def test_what_an_environment_says_is_cut(environments: EnvironmentServer, listener: Listener) -> None:
    before = environments.state()["open"]
    with arena_of(environments, listener, source("loud")) as arena:
        tasks = [Task("owner/loud", spec={"x": 1, "y": 1}), Task("owner/loud", spec={"words": 600_000})]
        episode, windy = arena.open(tasks)
        ((looked, sung),) = arena.call([(episode, [call("look"), call("sing" * 50_000)])])

        assert looked == Reply("x" * 65_536 + "… (cut)", 0.1)
        assert (len(sung.text), sung.text[-7:], sung.failed) == (65_543, "… (cut)", True)
        assert (windy.prompt, windy.tools, windy.left_out) == ([], [], True)
        assert str(windy.error).startswith("the prompt and the tools have 600")
        assert str(windy.error).endswith(" characters, and 524288 are the most")
        assert environments.state()["open"] == before + 2
    assert environments.state()["open"] == before


def test_of_the_conversations_of_a_step_no_more_is_told_than_fits_a_message() -> None:
    def told(length: int) -> list[str]:
        said = [{"role": "tool", "content": "x" * length}]
        rollouts = [Rollout(Episode(Task("e", "train", 0)), [{"role": "user", "content": "sum?"}], said) for _ in range(256)]
        actors = Actors(arena=None, from_dataset=False)  # type: ignore[arg-type]
        actors.begin(rollouts, training=True)
        completions: list[Any] = [{} for _ in rollouts]
        actors.tell([{"dataset_row": 0, "prompt": "-", "completions": completions, "weights": {}}])
        return [message["content"] for completion in completions for message in completion["messages"]]

    assert told(100) == ["sum?", "x" * 100] * 256
    assert told(65_536) == ["sum?", "x" * 16_384 + "… (cut)"] * 256


def test_a_server_that_is_not_there_is_an_outage(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openreward, "PAUSES_S", (0.0, 0.0))
    nowhere = EnvironmentServer("http://127.0.0.1:9")
    with arena_of(nowhere, listener, source("sums"), timeout_s=1.0) as arena:
        with pytest.raises(ChildFailure) as caught:
            arena.counts()
        assert (caught.value.code, caught.value.attribution) == ("worker_lost", "platform")
        assert caught.value.message.startswith("environments.owner/sums: it cannot be reached: ")
        assert [level for level, _ in listener.lines] == ["warning", "warning"]
        assert listener.lines[0][1].endswith("Tried again in 0 s")

        actors = Actors(arena, from_dataset=False)
        begun: list[list[Episode]] = []

        def begin() -> str:
            begun.append(arena.open([Task("owner/sums", "train", number) for number in range(2)]))
            actors.begin([Rollout(episode, []) for episode in begun[-1]], training=True)
            return "went on"

        with pytest.raises(Unreachable, match=r"^No environment answers\. The first, owner/sums, train 0: the session could not"):
            arena.persist(begin)
        assert len(begun) == 3
        # Of a look at held-out tasks it is left out.
        actors.begin([Rollout(begun[-1][0], [])], training=False)
        assert actors.score([], [], {}).rewards == [None]


def test_an_outage_that_ends_is_outlasted_and_a_stop_does_not_wait_for_it(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openreward, "PAUSES_S", (0.0, 3600.0))
    outcomes = iter([Unreachable("away."), "back"])

    def work() -> str:
        match next(outcomes, Unreachable("away again.")):
            case Unreachable() as outage:
                raise outage
            case answer:
                return str(answer)

    with arena_of(EnvironmentServer("http://127.0.0.1:9"), listener, source("sums")) as arena:
        assert arena.persist(work) == "back"
        assert listener.lines == [("warning", "away. Tried again in 0 s")]
        listener.stop_requested.set()
        with pytest.raises(Stopped):
            arena.persist(work)


def test_prompts_that_are_too_long_fail_no_job_that_has_others() -> None:
    actors = Actors(arena=SimpleNamespace(names=["e"]), from_dataset=False)  # type: ignore[arg-type]
    actors.task_count = 2
    tasks = [Task("e", "train", 0), Task("e", "train", 1)]

    def step(task: Task, **changes: Any) -> list[float | None]:
        actors.begin([Rollout(Episode(task, **changes), []) for _ in range(2)], training=True)
        return actors.score([], [], {}).rewards

    long: dict[str, Any] = {"error": "too long", "left_out": True}
    assert step(tasks[0], **long) == [None, None]
    assert step(tasks[0], **long) == [None, None]
    assert step(tasks[1]) == [0.0, 0.0]
    assert step(tasks[0], **long) == [None, None]
    with pytest.raises(ChildFailure) as caught:
        step(tasks[1], **long)
    message = "No task can be trained on. The first, e, train 1: too long."
    assert (caught.value.code, caught.value.message) == ("config_error", message)


def test_environments_that_break_every_rollout_of_a_step_fail_the_job(
    environments: EnvironmentServer, listener: Listener
) -> None:
    with arena_of(environments, listener, source("sums"), source("shut")) as arena:
        actors = Actors(arena, from_dataset=False)
        shut = arena.open([Task("owner/shut", "train", 0), Task("owner/shut", "train", 1)])
        actors.begin([Rollout(episode, []) for episode in shut], training=False)
        # A look may be at a single task, which says nothing of the others.
        assert actors.score([], [], {}).rewards == [None, None]
        actors.begin([Rollout(episode, []) for episode in shut], training=True)
        with pytest.raises(ChildFailure) as caught:
            actors.score([], [], {})
        assert (caught.value.code, caught.value.attribution) == ("reward_function_error", "user")
        first = "The environments broke every rollout of the step. The first, owner/shut, train 0: "
        assert caught.value.message == f"{first}the session could not be opened: RuntimeError: no room"
        actors.rollouts += [Rollout(Episode(Task("owner/sums", "train", 0)), [])]
        scores = actors.score([], [], {})
        assert scores.rewards == [None, None, 0.0]
        assert scores.components == {"owner/sums": [None, None, 0.0], "owner/shut": [None, None, None]}
