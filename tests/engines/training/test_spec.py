"""What a GRPO job may be told: defaults, ranges, and errors that name the key."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from engines.training.grpo_spec import GrpoHyperparameters, GrpoSpec
from engines.training.spec import ModelSource

JOB: dict[str, Any] = {
    "job_id": "job_1",
    "attempt": 1,
    "model": {"path": "/models/base"},
    "dataset_path": "/data.jsonl",
    "reward": {"path": "/reward.py", "format": "trl", "deadline_s": 60},
    "hyperparameters": {},
    "work_dir": "/work",
}


def problem(hyperparameters: dict[str, Any]) -> tuple[str, str]:
    """Return the key and the message of the only error."""
    with pytest.raises(ValidationError) as caught:
        GrpoHyperparameters.model_validate(hyperparameters)
    (error,) = caught.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"]


def test_the_defaults_are_the_contracts() -> None:
    assert GrpoHyperparameters().model_dump() == {
        "learning_rate": 1e-6,
        "num_epochs": 1,
        "max_steps": None,
        "rollouts_per_prompt": 8,
        "kl_coef": 0.001,
        "max_prompt_length": 1024,
        "max_response_length": 2048,
        "global_batch_size": 64,
        "seed": 42,
        "lora_rank": None,
        "load_in_4bit": False,
        "checkpoint_every": None,
        "temperature": 1.0,
        "top_p": 1.0,
        "clip_eps": 0.2,
        "warmup_steps": 0,
        "max_tool_turns": 8,
        "eval_fraction": None,
        "eval_every": None,
        "early_stop_patience": None,
        "keep_best": False,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", 1),
        ("learning_rate", float("nan")),
        ("learning_rate", "1e-6"),
        ("num_epochs", 0),
        ("num_epochs", 1.5),
        ("max_steps", 0),
        ("rollouts_per_prompt", 1),
        ("rollouts_per_prompt", 65),
        ("kl_coef", -0.1),
        ("kl_coef", float("inf")),
        ("max_prompt_length", 0),
        ("max_response_length", 0),
        ("seed", True),
        ("lora_rank", 0),
        ("checkpoint_every", 0),
        ("temperature", 0),
        ("top_p", 1.1),
        ("clip_eps", 1),
        ("warmup_steps", -1),
        ("learning_rat", 1e-6),
    ],
)
def test_a_bad_value_is_refused_under_its_key(key: str, value: object) -> None:
    assert problem({key: value})[0] == key


def test_a_batch_is_whole_groups() -> None:
    assert problem({"rollouts_per_prompt": 6}) == (
        "global_batch_size",
        "Value error, must be a multiple of rollouts_per_prompt (6); 64 is not",
    )
    assert GrpoHyperparameters(rollouts_per_prompt=6, global_batch_size=24).prompts_per_step == 4


def test_four_bits_need_an_adapter() -> None:
    assert problem({"load_in_4bit": True})[0] == "load_in_4bit"
    assert GrpoHyperparameters(load_in_4bit=True, lora_rank=8).load_in_4bit


def test_a_spec_is_read_from_plain_data() -> None:
    spec = GrpoSpec.model_validate(JOB)
    assert spec.device == "cpu" and spec.threads is None and spec.resume_path is None
    assert spec.hyperparameters == GrpoHyperparameters()


@pytest.mark.parametrize("model", [{}, {"path": "/m", "repo": "a/b", "cache_dir": "/c"}, {"repo": "a/b"}])
def test_a_model_comes_from_exactly_one_place(model: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ModelSource.model_validate(model)


def test_a_token_is_not_shown() -> None:
    assert "hf_secret" not in repr(ModelSource(repo="a/b", cache_dir="/c", token="hf_secret"))


def test_the_spec_is_light() -> None:
    code = "import sys, engines.training.spec; print(sorted({'torch', 'transformers', 'trl', 'numpy'} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == "[]\n"
