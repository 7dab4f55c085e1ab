"""The model card of each way to train: its head, what was measured, and code that loads what was delivered."""

import ast
from typing import Any

import pytest
from huggingface_hub import ModelCard

from burnish.kit import clock
from engines.delivery import card
from engines.training.grpo_spec import GrpoHyperparameters
from engines.training.text_spec import DpoHyperparameters, SftHyperparameters
from engines.training.video_spec import VideoHyperparameters
from models.dataset import Dataset
from models.job import Checkpoint, Job

HYPER: dict[str, Any] = {
    "grpo": GrpoHyperparameters,
    "sft": SftHyperparameters,
    "dpo": DpoHyperparameters,
    "sft_video_gen": VideoHyperparameters,
}


def written(method: str, *, rank: int | None = None, score: float | None = None, **values: Any) -> tuple[dict[str, Any], str]:
    """Return the head and the text of a card."""
    now = clock.now()
    lora = {} if rank is None else {"lora_rank": rank}
    row = Job(
        id="job_1", account_id="acct", method=method, dataset_id="ds", output_name="out", created_at=now, updated_at=now,
        hyperparameters=HYPER[method](**lora).model_dump(), hyperparameters_defaulted=[], gpu_requested={},
        **{"base_model": "org/base", "base_revision": "abc123", "checkpoint_destination": {"type": "hf"}, **values},
    )  # fmt: skip
    dataset = Dataset(id="ds", account_id="acct", name="private", num_rows=12, sha256="f" * 64, columns=[], created_at=now)
    final = Checkpoint(
        id="c", job_id="job_1", account_id="acct", attempt=1, step=40, final=True, storage_prefix="p", file_count=1, size_bytes=1,
        score=score, created_at=now, adapter_rank=None if method == "sft_video_gen" else rank,
    )  # fmt: skip
    found = ModelCard(card.text(row, dataset, final, "acme/out"))
    head: Any = found.data
    return dict(head.to_dict()), str(found.text)


def code_of(text: str) -> ast.Module:
    """Return the example of a card, which has to be Python."""
    return ast.parse(text.partition("```python\n")[2].partition("```")[0])


def calls_of(text: str) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(code_of(text)) if isinstance(node, ast.Call)}


def test_a_model_of_its_own_is_loaded_by_transformers() -> None:
    head, text = written("sft", latest_metrics={"loss": 1.23456, "mean_token_accuracy": 0.5, "grad_norm": 3.0})
    assert head == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": "org/base",
        "tags": ["burnish", "sft"],
    }
    assert text.startswith(
        "\n# out\n\norg/base at commit abc123, trained for 40 steps with SFT (supervised fine-tuning) by Burnish."
    )
    results = text.partition("## Results\n\n")[2].partition("\n\n")[0]
    assert results == "| last measured | value |\n| --- | --- |\n| Training loss | 1.235 |\n| Share of tokens foreseen | 0.5 |"
    assert 'pipeline("text-generation", model="acme/out")' in text
    assert "pipeline" in calls_of(text)
    assert "| `max_length` | 2048 |" in text
    assert "max_steps" not in text and "private" not in text


@pytest.mark.parametrize(("method", "what"), [("grpo", "mean reward: 0.75"), ("dpo", "loss: 0.75"), ("sft", "loss: 0.75")])
def test_the_held_out_score_is_told_with_its_best_step(method: str, what: str) -> None:
    _, text = written(method, score=0.75, best_step=30)
    assert f"Score of this model on rows held out of the training, {what}. The best was at step 30." in text
    assert "Score of this model" not in written(method)[1]


def test_preferences_are_told_by_accuracies_and_margins() -> None:
    _, text = written("dpo", latest_metrics={"rewards/accuracies": 0.9, "rewards/margins": 1.5, "eval_loss": 0.4})
    for line in ("likelier one | 0.9 |", "between the two answers | 1.5 |", "Loss on held-out rows | 0.4 |"):
        assert line in text


def test_an_adapter_alone_is_loaded_onto_its_base_by_peft() -> None:
    wanted: dict[str, Any] = {"checkpoint_destination": {"type": "hf", "weights": "adapter"}}
    head, text = written("grpo", rank=8, **wanted)
    assert (head["library_name"], head["base_model_relation"]) == ("peft", "adapter")
    assert head["tags"] == ["burnish", "grpo", "lora"]
    assert {"PeftModel.from_pretrained", "AutoModelForCausalLM.from_pretrained"} <= calls_of(text)
    assert 'from_pretrained(base, revision="abc123"), "acme/out")' in text
    assert "A LoRA adapter of org/base at commit abc123" in text
    assert "merged" not in text


@pytest.mark.parametrize(("weights", "told"), [("merged", False), ("both", True), (None, True)])
def test_a_merged_adapter_is_a_model_and_tells_of_the_adapter_beside_it(weights: str | None, told: bool) -> None:
    destination = {"type": "hf"} if weights is None else {"type": "hf", "weights": weights}
    head, text = written("grpo", rank=8, checkpoint_destination=destination)
    assert head["library_name"] == "transformers"
    assert ('subfolder="adapter"' in text) is told


def test_a_registered_base_has_no_page_to_refer_to() -> None:
    head, text = written("grpo", rank=8, base_model="tiny", base_revision=None, checkpoint_destination={"weights": "adapter"})
    assert "base_model" not in head and "base_model_relation" not in head
    assert 'base = "tiny"  # the folder of that model' in text
    assert "from_pretrained(base)" in text


def test_a_video_adapter_is_loaded_by_diffusers_with_the_shape_it_was_trained_at() -> None:
    head, text = written("sft_video_gen", latest_metrics={"loss": 0.125}, base_model="THUDM/CogVideoX-2b")
    assert head == {
        "library_name": "diffusers",
        "pipeline_tag": "text-to-video",
        "base_model": "THUDM/CogVideoX-2b",
        "base_model_relation": "adapter",
        "tags": ["burnish", "sft_video_gen", "lora"],
    }
    assert {"pipe.load_lora_weights", "export_to_video"} <= calls_of(text)
    assert "num_frames=49, height=480, width=720, num_inference_steps=30" in text
    assert "| Training loss | 0.125 |" in text
