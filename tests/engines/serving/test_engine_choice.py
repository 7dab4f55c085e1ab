"""Which engine a replica gets, as the probe and failed starts decide."""

from pathlib import Path
from typing import Any

import pytest

from burnish.kit.settings import Settings
from engines import protocol, task
from engines.serving import engine_choice
from engines.serving.engine_args import EngineArgs
from engines.serving.engine_choice import ENGINES, Choice

pytestmark = pytest.mark.anyio
MODEL = Path("/models/one")
UNKNOWN = "ValueError: Model architectures ['NovelForCausalLM'] are not supported for now. Supported architectures: [...]"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_choice, "_learned", {})
    monkeypatch.setattr(engine_choice, "_probed", {})


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The answers of the probe, in turn; one that is asked for without an answer fails the test."""
    answers: list[Any] = []

    async def run(name: str, spec: dict[str, Any], **_: Any) -> Any:
        assert name == "serving.probe"
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(task, "run", run)
    return answers


async def test_vllm_is_taken_where_it_can_serve_and_the_probe_is_asked_once(settings: Settings, probes: list[Any]) -> None:
    probes.append({"version": "0.32.0", "refusal": None})
    chosen = [await engine_choice.choose(settings, MODEL, "cpu") for _ in range(2)]
    assert [(choice.engine.name, choice.reason) for choice in chosen] == [
        ("vllm", "which serves this model here (vLLM 0.32.0)")
    ] * 2


@pytest.mark.parametrize("refusal", ["vLLM is not installed", "vLLM does not know the architecture NovelForCausalLM"])
async def test_transformers_is_taken_where_it_cannot_and_says_why(settings: Settings, probes: list[Any], refusal: str) -> None:
    probes.append({"version": None, "refusal": refusal})
    chosen = await engine_choice.choose(settings, MODEL, "cpu")
    assert (chosen.engine.name, chosen.reason) == ("transformers", refusal)


async def test_a_probe_that_fails_decides_nothing(settings: Settings, probes: list[Any]) -> None:
    probes.append(protocol.ChildFailure("timeout", "It took longer than 120 s."))
    chosen = await engine_choice.choose(settings, MODEL, "cpu")
    assert (chosen.engine.name, chosen.reason) == ("vllm", "untried, for the probe failed: It took longer than 120 s.")


@pytest.mark.parametrize("name", ["vllm", "transformers"])
async def test_the_operators_word_is_final(settings: Settings, probes: list[Any], name: Any) -> None:
    settings.engine_choice = name
    chosen = await engine_choice.choose(settings, MODEL, "cpu")
    assert (chosen.engine.name, chosen.reason) == (name, "as BURNISH_ENGINE_CHOICE says")
    assert engine_choice.instead(settings, chosen, MODEL, "cpu", 1, [UNKNOWN]) is None


async def test_a_start_that_refuses_the_model_is_not_tried_again_for_its_files(settings: Settings, probes: list[Any]) -> None:
    """For others of the same architecture it is: they may be somebody else's, and what is wrong with these may not be in them."""
    other = Path("/models/other")
    choice = Choice(ENGINES["vllm"], "")
    instead = engine_choice.instead(settings, choice, MODEL, "cpu", 1, ["INFO starting", UNKNOWN, "RuntimeError: engine"])
    assert instead is not None
    assert (instead.engine.name, instead.reason) == ("transformers", f"vLLM refused the model: {UNKNOWN}"[:224])
    assert await engine_choice.choose(settings, MODEL, "cpu") == instead
    probes.append({"version": "0.32.0", "refusal": None})
    assert (await engine_choice.choose(settings, other, "cpu")).engine.name == "vllm"


async def test_a_cpu_that_lacks_an_instruction_lacks_it_for_all_models(settings: Settings, probes: list[Any]) -> None:
    instead = engine_choice.instead(settings, Choice(ENGINES["vllm"], ""), MODEL, "cpu", 132, ["starting"])
    chosen = await engine_choice.choose(settings, Path("/models/other"), "cpu")
    assert chosen == instead
    assert (chosen.engine.name, chosen.reason) == (
        "transformers",
        "vLLM does not run here: this CPU lacks an instruction that it needs",
    )


async def test_a_library_that_one_replica_misses_takes_vllm_from_no_other(settings: Settings, probes: list[Any]) -> None:
    """A flag of its own may be what needs it."""
    line = "ImportError: libcudart.so.13: no such file"
    instead = engine_choice.instead(settings, Choice(ENGINES["vllm"], ""), MODEL, "cpu", 1, [line])
    assert instead == Choice(ENGINES["transformers"], f"vLLM does not run here: {line}")
    probes.append({"version": "0.32.0", "refusal": None})
    chosen = [await engine_choice.choose(settings, model, "cpu") for model in (Path("/models/other"), MODEL)]
    assert [choice.engine.name for choice in chosen] == ["vllm", "vllm"]


@pytest.mark.parametrize("line", ["torch.OutOfMemoryError: CUDA out of memory", "OSError: [Errno 98] Address already in use", ""])
def test_what_may_pass_is_no_reason_for_another_engine(settings: Settings, line: str) -> None:
    assert engine_choice.instead(settings, Choice(ENGINES["vllm"], ""), MODEL, "cpu", 1, [line]) is None
    assert engine_choice.instead(settings, Choice(ENGINES["transformers"], ""), MODEL, "cpu", 1, [UNKNOWN]) is None


def test_the_log_says_which_engine_and_what_it_does_not_heed() -> None:
    args = EngineArgs(quantization="fp8", max_model_len=128, enforce_eager=True)
    assert Choice(ENGINES["transformers"], "vLLM is not installed").told(args, "cpu") == [
        "Engine: transformers, vLLM is not installed",
        "--quantization has no effect with the engine transformers: it has nothing like it",
    ]
    args = EngineArgs(tensor_parallel_size=2)
    assert Choice(ENGINES["vllm"], "by hand").told(args, "cuda") == ["Engine: vllm, by hand"]
    assert Choice(ENGINES["vllm"], "by hand").told(args, "cpu") == [
        "Engine: vllm, by hand",
        "--tensor-parallel-size has no effect with the engine vllm: the engine runs on the CPU, which is not divided",
    ]
