"""The small parts of a step: what is measured of its rewards, when a checkpoint is due, how a stop interrupts."""

import io
import json
import math
import statistics
import threading
from pathlib import Path
from typing import Any

import pytest

from engines.protocol import ChildFailure, Reporter
from engines.rewards.jail import Scores
from engines.training import interrupt
from engines.training.checkpoints import Checkpoints, interval
from engines.training.metrics import refuse_divergence, step_line, step_metrics
from engines.training.rollouts import score_metrics


def scores(*rewards: float | None, **components: list[float | None]) -> Scores:
    return Scores(list(rewards), components, [None] * len(rewards), "", 1.0)


def test_groups_without_spread_are_split_into_passed_and_failed() -> None:
    metrics = score_metrics(scores(1.0, 1.0, 0.2, 0.2, 0.0, 1.0, 0.5, None), 2)
    assert metrics["frac_reward_all_pass"] == 0.5
    assert metrics["frac_reward_all_fail"] == 0.25
    assert metrics["reward_none_fraction"] == 0.125


def test_spread_is_measured_within_groups_and_not_between_them() -> None:
    metrics = score_metrics(scores(0.0, 0.0, 1.0, 1.0, a=[0.0, 2.0, 4.0, 6.0]), 2)
    assert metrics["reward_group_std"] == 0.0
    assert metrics["rewards/a/group_std"] == pytest.approx(statistics.stdev([0.0, 2.0]))
    assert metrics["rewards/a/std"] == pytest.approx(statistics.stdev([0.0, 2.0, 4.0, 6.0]))
    assert metrics["rewards/a/mean"] == 3.0


def test_quantiles_lie_between_the_rewards_next_to_them() -> None:
    metrics = score_metrics(scores(4.0, 0.0, 1.0, None, 2.0, 3.0), 2)
    assert [metrics[f"reward_p{percent}"] for percent in (10, 50, 90)] == pytest.approx([0.4, 2.0, 3.6])
    assert [score_metrics(scores(7.0, None), 2)[f"reward_p{percent}"] for percent in (10, 50, 90)] == [7.0] * 3


def test_the_shares_of_components_in_the_variance_add_up_to_one() -> None:
    found = Scores([0.0] * 4, {"a": [0.0, 2.0, 0.0, 2.0], "b": [0.0, 0.0, 4.0, 4.0]}, [None] * 4, "", 1.0, {"b": 0.5})
    metrics = score_metrics(found, 2)
    assert [metrics[f"rewards/{name}/variance_share"] for name in "ab"] == pytest.approx([0.5, 0.5])
    against = score_metrics(scores(0.0, 0.0, a=[0.0, 3.0], b=[0.0, -1.0]), 2)
    assert [against[f"rewards/{name}/variance_share"] for name in "ab"] == pytest.approx([1.5, -0.5])
    for flat in (scores(1.0, 1.0, a=[1.0, 1.0], b=[0.0, 0.0]), scores(0.0, 1.0, a=[0.0, 1.0]), scores(None, a=[None], b=[1.0])):
        assert [key for key in score_metrics(flat, 1) if key.endswith("share")] == []


def test_a_step_of_skipped_samples_has_no_means() -> None:
    metrics = score_metrics(scores(None, None, a=[None, None]), 2)
    assert metrics == {"frac_reward_all_pass": 0.0, "frac_reward_all_fail": 0.0, "reward_none_fraction": 1.0}


def test_named_components_replace_the_series_of_the_whole() -> None:
    whole = {"reward": 1.0, "rewards/reward/mean": 1.0, "rewards/reward/std": 0.1}
    component = {"rewards/a/mean": 1.0, "rewards/a/group_std": 0.0}
    assert set(step_metrics(whole | component)) == {"reward", *component, "update_time"}
    assert set(step_metrics(whole)) == {*whole, "update_time"}


def test_the_update_is_what_sampling_and_scoring_leave_of_the_step() -> None:
    metrics = step_metrics({"step_time": 5.0, "generate_time": 2.0, "score_time": 1.0, "reward": None, "text": "no number"})
    assert metrics["update_time"] == 2.0 and metrics["reward"] is None and metrics["text"] is None


def test_the_line_of_a_step_leaves_out_what_is_not_known() -> None:
    values = {"reward": 0.41, "kl": 0.002, "completions/mean_length": 4.1, "step_time": 1.25}
    assert step_line(3, 20, values) == "step 3/20 reward 0.41 kl 0.002 length 4.1 seconds 1.25"
    assert step_line(3, 20, {"reward": None, "step_time": 1.0}) == "step 3/20 seconds 1"


@pytest.mark.parametrize(("key", "value"), [("loss", math.nan), ("grad_norm", math.inf)])
def test_a_run_that_diverged_ends(key: str, value: float) -> None:
    refuse_divergence(1, {"loss": 0.1, "grad_norm": None})
    with pytest.raises(ChildFailure) as caught:
        refuse_divergence(2, {key: value})
    assert (caught.value.code, caught.value.attribution) == ("config_error", "user")
    assert f"{key} became {value} at step 2" in caught.value.message


def test_a_run_makes_about_four_checkpoints_unless_told_otherwise() -> None:
    assert [interval(total, None) for total in (1, 4, 20, 21, 5000)] == [1, 1, 5, 6, 250]
    assert interval(20, 3) == 3


class Parent:
    """The parent's two pipes in memory; `upload` acknowledges a step."""

    def __init__(self) -> None:
        self.out = io.BytesIO()
        self.reporter = Reporter(self.out, io.BytesIO())

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def upload(self, step: int) -> None:
        with self.reporter._changed:
            self.reporter._uploaded.add(step)
            self.reporter._changed.notify_all()


def saved(folder: Path, step: int) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    (path / "training_args.bin").write_bytes(b"pickle")
    (path / "model.safetensors").write_bytes(b"weights")
    return path


def until_gone(folder: Path) -> None:
    for thread in threading.enumerate():
        if thread.name == folder.name:
            thread.join(10)
    assert not folder.exists()


def test_checkpoints_wait_for_room_and_are_made_up_for(tmp_path: Path) -> None:
    parent = Parent()
    checkpoints = Checkpoints(parent.reporter, 2)
    due: list[int] = []
    folders: dict[int, Path] = {}
    for step in range(1, 10):
        if step == 8:
            parent.upload(2)
            until_gone(folders[2])
        if checkpoints.due(step, 10):
            due.append(step)
            folders[step] = saved(tmp_path, step)
            checkpoints.saved(step, folders[step])
    # The one due at 6 finds two waiting; it is made once the first has been uploaded.
    assert due == [2, 4, 8]
    assert [(message["step"], message["final"]) for message in parent.messages()] == [(2, False), (4, False), (8, False)]
    assert [path.name for path in folders[4].iterdir()] == ["model.safetensors"]
    for step in (4, 8):
        parent.upload(step)
        until_gone(folders[step])


def test_the_last_step_needs_no_checkpoint() -> None:
    assert not Checkpoints(Parent().reporter, 2).due(10, 10)


def test_interrupted_work_gives_its_result_or_its_error() -> None:
    stop = threading.Event()
    assert interrupt.call(lambda: 7, stop) == 7
    with pytest.raises(KeyError):
        interrupt.call(lambda: raise_(KeyError("its own")), stop)
    with pytest.raises(TimeoutError, match="own"):
        interrupt.call(lambda: raise_(TimeoutError("its own")), stop)


def raise_(error: Exception) -> None:
    raise error


def test_a_stop_leaves_work_that_hangs() -> None:
    stop, never = threading.Event(), threading.Event()
    stop.set()
    with pytest.raises(interrupt.Stopped):
        interrupt.call(lambda: never.wait(30), stop)
    never.set()
