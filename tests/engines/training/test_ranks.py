"""Several processes that train one model: what they learn is what one learns, and none outlives rank 0."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from engines import protocol
from engines.protocol import ChildFailure
from engines.training import grpo, ranks
from engines.training.grpo_spec import GrpoSpec
from tests.engines.training.conftest import Parent, Run

TOLD = "tests.engines.training.told"
STEPS = 6
ENDING_S = 30
OPTIONS = {"max_steps": STEPS, "checkpoint_every": 3, "eval_fraction": 0.2, "eval_every": 2}


@pytest.fixture(scope="module")
def told(make_spec: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Run]:
    """The same run by one process and by two, with the same completions: what they learn of them can be compared."""
    return {
        gpus: Parent(tmp_path_factory.mktemp("kept")).run(make_spec(**OPTIONS) | {"gpus": gpus}, module=TOLD) for gpus in (1, 2)
    }


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

    paths = [run.kept / "step-3" / "model.safetensors" for run in told.values() if run.kept is not None]
    with safe_open(paths[0], "np") as one, safe_open(paths[1], "np") as two:
        for name in one.keys():  # noqa: SIM118
            assert abs(one.get_tensor(name) - two.get_tensor(name)).max() < 1e-4
    kept = told[2].kept
    assert kept is not None
    assert {"rng_state_0.pth", "rng_state_1.pth", "optimizer.pt", "heldout.json"} <= {
        path.name for path in (kept / "step-3").iterdir()
    }


def test_two_processes_go_on_exactly_where_they_stopped(told: dict[int, Run], parent: Parent, make_spec: Any) -> None:
    """Step 3 lies within the second pass over the rows, so that each process must find their order again."""
    first = told[2]
    assert first.kept is not None
    again = parent.run(make_spec(**OPTIONS, resume_path=first.kept / "step-3") | {"gpus": 2}, module=TOLD)

    assert [message["step"] for message in again.of("metrics")] == [4, 4, 5, 6, 6]
    assert again.of("rollouts") == [message | {"after_s": ANY} for message in first.of("rollouts")[3:]]
    assert parent.kept_bytes("final-6") == (first.kept / "final-6" / "model.safetensors").read_bytes()


def test_shards_of_a_model_are_put_together_for_what_is_handed_over(parent: Parent, make_spec: Any) -> None:
    options = {"max_steps": 4, "checkpoint_every": 3, "eval_fraction": 0.2, "eval_every": 2, "lora_rank": 4}
    run = parent.run(make_spec(**options) | {"gpus": 2}, module="tests.engines.training.sharded")

    assert run.exit_code == protocol.EXIT_OK
    assert [len(message["groups"]) for message in run.of("rollouts")] == [10] * 4
    assert {message["step"] for message in run.of("metrics") if "eval_reward" in message["values"]} == {2, 4}
    # FSDP's own file beside the weights as they are elsewhere: a run that shards goes on from it.
    assert {"adapter_model.safetensors", "pytorch_model_fsdp.bin", "optimizer.bin"} <= names(parent.kept("step-3"))
    assert {"model.safetensors", "adapter", "parity.json", "tokenizer.json"} <= names(parent.kept("final-4"))
    said = json.loads((parent.kept("final-4") / "parity.json").read_text())
    assert {form for prompt in said["prompts"] for form in prompt["logprobs"]} == {"adapter", "model"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def hold(spec: dict[str, Any], module: str) -> subprocess.Popen[bytes]:
    """Start a rank 0 that holds another process of `module`; its messages come from its stdout, the other's number first."""
    command = [sys.executable, "-P", "-m", "tests.engines.training.holding_rank", module]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    held = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert held.stdin is not None
    held.stdin.write(json.dumps(spec).encode() + b"\n")
    held.stdin.flush()
    return held


def test_the_others_die_with_rank_0(make_spec: Any) -> None:
    with hold(make_spec() | {"gpus": 2}, "engines.training.ranks") as held:
        assert held.stdout is not None
        other = os.pidfd_open(int(protocol.decode(held.stdout.readline())["message"]))
        held.kill()
        ended, _, _ = select.select([other], [], [], ENDING_S)
        os.close(other)
    assert ended


def test_the_death_of_another_is_no_failure_of_the_job(make_spec: Any) -> None:
    """Rank 0 follows it without a word, so that the host goes on from the newest checkpoint, as when rank 0 dies."""
    with hold(make_spec() | {"gpus": 2}, "tests.engines.training.failing_rank") as held:
        assert held.stdout is not None
        messages = [protocol.decode(line) for line in held.stdout]
        assert held.wait(ENDING_S) == 1
    assert {message["type"] for message in messages} == {"log"}
    assert "process 2 of 2 of the training died of SIGKILL" in [message["message"] for message in messages]


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
