"""Several processes that train one model: what they learn is what one learns, and none outlives rank 0."""

import json
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines import protocol
from engines.protocol import ChildFailure
from engines.training import grpo, ranks
from engines.training.grpo_spec import GrpoSpec
from tests.engines.training.conftest import Parent, Run

TOLD = "tests.engines.training.told"
STEPS = 6
ENDING_S = 30


@pytest.fixture(scope="module")
def told(make_spec: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Run]:
    """The same run by one process and by two, with the same completions: what they learn of them can be compared."""
    spec = {"max_steps": STEPS, "checkpoint_every": 4, "eval_fraction": 0.2, "eval_every": 2, "max_response_length": 3}
    return {gpus: Parent(tmp_path_factory.mktemp("kept")).run(make_spec(**spec) | {"gpus": gpus}, module=TOLD) for gpus in (1, 2)}


def test_two_processes_report_the_numbers_of_one(told: dict[int, Run]) -> None:
    one, two = told[1], told[2]
    assert (one.exit_code, two.exit_code) == (protocol.EXIT_OK, protocol.EXIT_OK)
    looks, steps = [2, 4, 6], [1, 2, 2, 3, 4, 4, 5, 6, 6]
    assert [message["step"] for message in two.of("metrics")] == steps
    assert [message["step"] for message in two.of("metrics") if "eval_reward" in message["values"]] == looks
    for alone, shared in zip(one.of("metrics"), two.of("metrics"), strict=True):
        expected = {key: value for key, value in alone["values"].items() if not key.endswith(("_time", "_per_second"))}
        assert shared["values"].keys() == alone["values"].keys()
        assert expected == pytest.approx({key: shared["values"][key] for key in expected}, rel=1e-3, abs=1e-5)


def test_two_processes_report_all_rollouts_once(told: dict[int, Run]) -> None:
    alone, shared = told[1].of("rollouts"), told[2].of("rollouts")
    assert [message["step"] for message in shared] == list(range(1, STEPS + 1))
    for one, two in zip(alone, shared, strict=True):
        assert [whole(group) for group in two["groups"]] == [whole(group) for group in one["groups"]]
        assert two["stdout"] == "scoring 80 completions\n"


def whole(group: dict[str, Any]) -> list[Any]:
    """Return what of a group must be equal: all but the advantages, of which the last digits may differ."""
    completions = [{key: value for key, value in each.items() if key != "advantage"} for each in group["completions"]]
    return [group["dataset_row"], group["prompt"], completions]


def test_two_processes_make_the_model_of_one(told: dict[int, Run]) -> None:
    from safetensors import safe_open

    paths = [run.kept / "step-4" / "model.safetensors" for run in told.values() if run.kept is not None]
    with safe_open(paths[0], "np") as one, safe_open(paths[1], "np") as two:
        for name in one.keys():  # noqa: SIM118
            assert abs(one.get_tensor(name) - two.get_tensor(name)).max() < 1e-4
    kept = told[2].kept
    assert kept is not None
    assert {"rng_state_0.pth", "rng_state_1.pth", "optimizer.pt", "heldout.json"} <= {
        path.name for path in (kept / "step-4").iterdir()
    }


def child_of(pid: int) -> int:
    """Return the process that rank 0 has started, the other of its run."""
    others = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        others += [int(child) for child in (task / "children").read_text().split()]
    (found,) = [other for other in others if b"engines.training.ranks" in Path(f"/proc/{other}/cmdline").read_bytes()]
    return found


class Killer:
    """Kills a process of a run at its second step, and keeps a handle of the other rank's."""

    def __init__(self, victim: Callable[[int, int], int]) -> None:
        self._victim = victim
        self._first = 0
        self.other = -1

    def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "hello":
            self._first = message["pid"]
        elif message["type"] == "metrics" and message["step"] == 2:
            other = child_of(self._first)
            self.other = os.pidfd_open(other)
            os.kill(self._victim(self._first, other), signal.SIGKILL)

    def other_is_gone(self) -> bool:
        """Say whether the other process has ended, after a while at most."""
        ended, _, _ = select.select([self.other], [], [], ENDING_S)
        os.close(self.other)
        return bool(ended)


def test_the_others_die_with_rank_0(parent: Parent, make_spec: Any) -> None:
    killer = Killer(lambda first, other: first)
    run = parent.run(make_spec(max_steps=10_000, checkpoint_every=10_000) | {"gpus": 2}, killer)

    assert run.exit_code == -signal.SIGKILL
    assert killer.other_is_gone()
    # Until then it was a run like any other, which samples for itself.
    assert [len(message["groups"]) for message in run.of("rollouts")][:2] == [10, 10]


def test_the_death_of_another_is_no_failure_of_the_job(parent: Parent, make_spec: Any) -> None:
    """Its host goes on from the newest checkpoint, as when rank 0 dies."""
    killer = Killer(lambda first, other: other)
    run = parent.run(make_spec(max_steps=10_000, checkpoint_every=10_000) | {"gpus": 2}, killer)

    assert run.exit_code == 1 and run.of("failed") == [] and run.of("done") == []
    assert run.logs()[-1] == "process 2 of 2 of the training died of SIGKILL"
    assert killer.other_is_gone()


@pytest.fixture
def failing(make_spec: Any, monkeypatch: pytest.MonkeyPatch) -> GrpoSpec:
    """A job of two processes of which the second fails at once."""
    job = GrpoSpec.model_validate(make_spec() | {"gpus": 2})
    Path(job.work_dir).mkdir()
    monkeypatch.setattr(ranks, "OTHERS_MODULE", "tests.engines.training.failing_rank")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    for name in (*ranks.LOOPBACK, *ranks.QUIET, "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "")
    return job


def test_what_another_failed_of_is_the_failure_of_the_job(failing: GrpoSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = {"code": "oom", "message": "Out of memory: the second GPU is full.", "attribution": "user"}
    monkeypatch.setenv("REASON", json.dumps(reason))
    with pytest.raises(ChildFailure) as caught, ranks.Ranks(failing, Path("base"), 1, ranks.Silent()):
        raise RuntimeError("Connection closed by peer")

    assert {key: getattr(caught.value, key) for key in reason} == reason


def test_a_failure_of_rank_0_stays_its_own(failing: GrpoSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASON", json.dumps({"code": "oom", "message": "Another's.", "attribution": "user"}))
    with pytest.raises(ChildFailure, match="its own"), ranks.Ranks(failing, Path("base"), 1, ranks.Silent()):
        raise ChildFailure("config_error", "its own")


def test_a_batch_that_cannot_be_shared_is_refused(make_spec: Any) -> None:
    spec = make_spec(global_batch_size=8, rollouts_per_prompt=8) | {"gpus": 3}
    with pytest.raises(ChildFailure) as caught:
        grpo.main(spec, ranks.Silent())
    assert caught.value.message == "hyperparameters.global_batch_size: 8 cannot be shared by 3 GPUs"


def test_one_process_is_alone(make_spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    job = GrpoSpec.model_validate(make_spec())
    with ranks.Ranks(job, Path("base"), 1, ranks.Silent()):
        assert "RANK" not in os.environ and ranks.number() == 0
