"""What is found out of vLLM without starting it."""

import importlib.util
import io
import json
import platform
from pathlib import Path
from typing import Any

import pytest

from engines.protocol import Reporter
from engines.serving import probe
from engines.serving.architectures import architectures_of


def probed(folder: Path, device: str, *architectures: str) -> Any:
    (folder / "config.json").write_text(json.dumps({"architectures": architectures}))
    return probe.main({"model": str(folder), "device": device}, Reporter(io.BytesIO(), io.BytesIO()))


@pytest.mark.parametrize("architecture", ["Qwen3ForCausalLM", "LlamaForCausalLM", "GPT2LMHeadModel", "OlmoForCausalLM"])
def test_the_installed_vllm_knows_what_its_registry_names(tmp_path: Path, architecture: str) -> None:
    found = probed(tmp_path, "cpu", architecture)
    assert found["refusal"] is None
    assert found["version"][:2] == "0."


def test_what_only_transformers_knows_is_taken_where_vllm_can_run_its_implementation(tmp_path: Path) -> None:
    assert probed(tmp_path, "cpu", "BioGptForCausalLM")["refusal"] is None
    assert probed(tmp_path, "cpu", "CodeGenForCausalLM")["refusal"] == "vLLM does not know the architecture CodeGenForCausalLM"


@pytest.mark.parametrize("architecture", ["BertModel", "NovelForCausalLM"])
def test_what_does_not_generate_and_what_nobody_knows_is_refused(tmp_path: Path, architecture: str) -> None:
    assert probed(tmp_path, "cpu", architecture)["refusal"] == f"vLLM does not know the architecture {architecture}"


def test_a_build_for_another_device_is_none(tmp_path: Path) -> None:
    refusal = "the vLLM that is installed was built for cpu, and this replica runs on cuda"
    assert probed(tmp_path, "cuda", "Qwen3ForCausalLM")["refusal"] == refusal


def test_where_it_is_not_installed_that_is_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert probed(tmp_path, "cpu", "Qwen3ForCausalLM") == {"version": None, "refusal": "vLLM is not installed"}


def test_a_cpu_without_avx2_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(probe, "_has_avx2", lambda: False)
    assert probed(tmp_path, "cpu", "Qwen3ForCausalLM")["refusal"] == "this CPU has no AVX2, which vLLM needs"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"architectures": 7}'])
def test_a_model_that_does_not_say_what_it_is_is_left_to_the_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    assert architectures_of(tmp_path) == []
    assert probe.main({"model": str(tmp_path), "device": "cpu"}, Reporter(io.BytesIO(), io.BytesIO()))["refusal"] is None
