"""Estimates against what real trainings take on the CPU: the growth of their process over the libraries that it had loaded.

Stated accuracy: no further than a factor of 1.4 from what was measured, for each method of text. What layers keep was counted.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engines.training import memory_model, memory_text
from engines.training.grpo_spec import GrpoHyperparameters
from engines.training.memory import Estimate
from engines.training.text_spec import DpoHyperparameters, SftHyperparameters

ROOT = Path(__file__).parents[4]
FACTOR = 1.4
LORA = {"lora_rank": 8}
LENGTHS = {"max_prompt_length": 31, "max_response_length": 16}
SHARED: dict[str, Any] = {"global_batch_size": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("measured")


@pytest.fixture(scope="module")
def measured(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-P", "-W", "ignore", "-m", "tests.engines.training.memory.measured", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def estimated(case: str, folder: Path) -> Estimate:
    """Return the estimate of a case of `measured.py`."""
    method, more = case.split()[0], LORA if "lora" in case else {}
    model = memory_model.of_folder(folder / ("half" if case == "grpo lora" else "some"))
    if method == "grpo":
        limits = {**SHARED, **LENGTHS, "rollouts_per_prompt": 4, **more}
        return memory_text.grpo(GrpoHyperparameters(**limits), model, "cpu")
    limits = {**SHARED, "max_length": 47, **more}
    if method == "sft":
        return memory_text.sft(SftHyperparameters(**limits), model, "cpu")
    return memory_text.dpo(DpoHyperparameters(**limits), model, "cpu")


@pytest.mark.parametrize("case", ["grpo", "grpo lora", "sft", "sft lora", "dpo", "dpo lora"])
def test_an_estimate_is_near_what_a_training_takes(case: str, measured: dict[str, Any], folder: Path) -> None:
    first_step = measured["growth"]["baseline"]
    taken = measured["growth"][case] - first_step
    ratio = estimated(case, folder).without("libraries") / taken
    assert 1 / FACTOR < ratio < FACTOR, f"{case}: {ratio:.2f} of {taken / 1e6:.0f} MB"


@pytest.mark.parametrize(
    ("case", "kept", "least"),
    [
        ("full", memory_text.FULL_FLOAT, 0.98),
        ("lora", memory_text.LORA_FLOAT, 0.98),
        ("full autocast", memory_text.FULL_AUTOCAST, 0.98),
        ("lora autocast", memory_text.LORA_AUTOCAST, 0.95),
    ],
)
def test_what_a_layer_keeps_is_what_torch_saves_of_it(
    case: str, kept: memory_text.Kept, least: float, measured: dict[str, Any], folder: Path
) -> None:
    ratio = kept.of_layer(memory_model.of_folder(folder / "some"), 32) / measured["kept"][case]
    assert least < ratio < 1.02


def test_the_estimate_divides_a_gpu_as_the_trainer_does(measured: dict[str, Any]) -> None:
    for name, (trainer, estimate) in measured["constants"].items():
        assert trainer == estimate, name
