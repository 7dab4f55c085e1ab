"""Estimates as arithmetic: what each part is, which moment counts, and what a change of the job changes."""

from dataclasses import replace
from typing import Any

from engines.training import memory_text, memory_video
from engines.training.grpo_spec import GrpoHyperparameters
from engines.training.memory import LIBRARIES, Estimate, Part, at_peak
from engines.training.memory_model import of_name
from engines.training.text_spec import DpoHyperparameters, SftHyperparameters
from engines.training.video_spec import VideoHyperparameters

MODEL = of_name("x-4B")
P = MODEL.parameters
H200 = 141 * 10**9


def parts(estimate: Estimate) -> dict[str, int]:
    found = {part.name: part.bytes for part in estimate.parts}
    assert sum(found.values()) == estimate.total_bytes and len(found) == len(estimate.parts)
    return found


def grpo(gpus: int = 1, vllm: bool = False, **hyper: Any) -> Estimate:
    return memory_text.grpo(GrpoHyperparameters(**hyper), MODEL, "cuda", gpus, H200, vllm)


def sft(**hyper: Any) -> Estimate:
    return memory_text.sft(SftHyperparameters(**hyper), MODEL, "cuda")


def test_the_largest_phase_counts_and_what_lasts_is_in_each() -> None:
    lasting, small, large = Part("weights", 100), Part("small", 10, passing=True), Part("large", 40, passing=True)
    expected = (lasting, large, Part("fragmentation", 4), Part("CUDA context", LIBRARIES["cuda"]))
    assert at_peak([lasting], [[small], [large], [small, small]], "cuda") == expected


def test_all_weights_train_in_float32_with_two_moments() -> None:
    found = parts(sft())
    assert (found["weights"], found["optimizer"], found["gradients"]) == (4 * P, 8 * P, 4 * P)
    assert "adapter" not in found and "reference model" not in found


def test_an_adapter_leaves_the_base_as_its_files_have_it() -> None:
    adapter = 16 * MODEL.adapted_width
    found = parts(sft(lora_rank=16))
    assert found["weights"] == MODEL.weight_bytes
    assert (found["adapter"], found["gradients"], found["optimizer"]) == (4 * adapter, 4 * adapter, 8 * adapter)


def test_four_bits_hold_the_layers_and_not_the_embeddings() -> None:
    found = parts(grpo(lora_rank=16, load_in_4bit=True))
    assert found["weights"] == round(0.5625 * MODEL.adapted_weights) + 2 * (P - MODEL.adapted_weights)


def test_the_reference_model_is_a_second_copy_only_where_all_weights_train() -> None:
    dpo, lora = DpoHyperparameters(), DpoHyperparameters(lora_rank=8)
    assert parts(memory_text.dpo(dpo, MODEL, "cuda"))["reference model"] == 4 * P
    assert "reference model" not in parts(memory_text.dpo(lora, MODEL, "cuda"))
    assert parts(grpo())["reference model"] == 4 * P
    assert "reference model" not in parts(grpo(kl_coef=0.0))
    assert "reference model" not in parts(grpo(lora_rank=8))


def test_the_cache_holds_all_completions_of_a_step_at_their_longest() -> None:
    found = parts(grpo(lora_rank=8))
    assert found["KV cache"] == 64 * (1024 + 2048) * MODEL.layers * MODEL.kv_width * 2 * 2
    assert parts(grpo(lora_rank=8, global_batch_size=32))["KV cache"] == found["KV cache"] // 2


def test_vllm_takes_what_it_may_in_place_of_a_cache() -> None:
    found = parts(grpo(lora_rank=8, vllm=True))
    staying = MODEL.weight_bytes + 16 * 8 * MODEL.adapted_width
    assert found["vLLM"] == round(min(0.6 * H200, 0.7 * H200 - staying))
    assert "KV cache" not in found
    # In 4 bits, and without room beside the training, transformers samples.
    assert "KV cache" in parts(grpo(lora_rank=8, load_in_4bit=True, vllm=True))
    small = memory_text.grpo(GrpoHyperparameters(lora_rank=8), MODEL, "cuda", 1, 24 * 10**9, vllm=True)
    assert parts(small)["KV cache"] == parts(grpo(lora_rank=8))["KV cache"]


def test_several_gpus_share_a_step_and_a_model_that_is_too_large_for_one() -> None:
    copied = parts(grpo(gpus=2, lora_rank=8))
    assert copied["weights"] == MODEL.weight_bytes
    assert copied["KV cache"] == parts(grpo(lora_rank=8))["KV cache"] // 2
    large = replace(MODEL, parameters=2 * P)
    found = parts(memory_text.grpo(GrpoHyperparameters(), large, "cuda", 4, H200))
    assert (found["weights"], found["optimizer"], found["reference model"]) == (2 * P, 4 * P, 2 * P)


def test_a_gpu_keeps_the_inputs_of_layers_and_the_cpu_all_that_they_compute() -> None:
    hyper = SftHyperparameters(lora_rank=8, global_batch_size=1)
    gpu, cpu = (parts(memory_text.sft(hyper, MODEL, device))["activations"] for device in ("cuda", "cpu"))
    kept = memory_text.LORA_HALF.of_layer(MODEL, 2048)
    assert cpu > MODEL.layers * 2048 * kept > 10 * gpu


def test_a_pass_takes_no_more_rows_than_its_budget_of_tokens() -> None:
    assert parts(sft(global_batch_size=64))["activations"] == parts(sft(global_batch_size=8))["activations"]
    assert parts(sft(global_batch_size=4))["activations"] < parts(sft(global_batch_size=8))["activations"]


def test_a_packed_sequence_is_a_pass() -> None:
    assert parts(sft(packing=True))["activations"] == parts(sft(global_batch_size=1))["activations"]


def test_advice_names_what_the_job_can_change() -> None:
    assert grpo().advice[0] == "a lora_rank, which trains an adapter in place of all weights"
    assert "load_in_4bit" in grpo(lora_rank=8).advice and "load_in_4bit" not in grpo(lora_rank=8, load_in_4bit=True).advice
    assert sft(lora_rank=8).advice == ("a smaller max_length",)


def test_a_video_job_takes_its_largest_phase() -> None:
    model = memory_video.KNOWN["2"]
    tiny = VideoHyperparameters(height=64, width=64, num_frames=9, sample_prompts=0)
    assert parts(memory_video.sft_video_gen(tiny, model, "cuda"))["text encoder"] == 2 * model.text_encoder
    large = parts(memory_video.sft_video_gen(VideoHyperparameters(sample_prompts=0, batch_size=4), model, "cuda"))
    adapter = 64 * 2 * 1920 * 4 * 30
    assert (large["transformer"], large["adapter"], large["optimizer"]) == (2 * model.transformer, 4 * adapter, 8 * adapter)
    tokens = 13 * 30 * 45 + 226
    assert large["activations"] == 4 * tokens * 1920 * (30 * 2 + 33 + 8 * 2)
    assert "text encoder" not in large
