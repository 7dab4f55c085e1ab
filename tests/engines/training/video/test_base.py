"""Which bases are trained, told from their configuration alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from engines.protocol import ChildFailure
from engines.serving.weights import of_text
from engines.training.video_base import describe

FILES: dict[str, dict[str, Any]] = {
    "model_index.json": {"_class_name": "CogVideoXPipeline", "scheduler": ["diffusers", "CogVideoXDPMScheduler"]},
    "transformer/config.json": {"in_channels": 16, "patch_size": 2, "max_text_seq_length": 226},
    "vae/config.json": {"latent_channels": 16, "block_out_channels": [128, 256, 256, 512], "temporal_compression_ratio": 4},
    "scheduler/scheduler_config.json": {"prediction_type": "v_prediction"},
}


def pipeline(folder: Path, changed: str = "", **values: Any) -> Path:
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content | (values if name == changed else {})))
    return folder


def refusal(folder: Path) -> tuple[str, str]:
    with pytest.raises(ChildFailure) as caught:
        describe(folder)
    return caught.value.code, caught.value.message


def test_a_pipeline_is_described_by_what_training_needs(tmp_path: Path) -> None:
    found = describe(pipeline(tmp_path))
    assert (found.folder, found.text_tokens, found.scheduler) == (tmp_path, 226, "CogVideoXDPMScheduler")


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("transformer/config.json", {"patch_size_t": 2}, "patches that span several frames, as CogVideoX 1.5 has them"),
        ("transformer/config.json", {"in_channels": 32}, "another input beside the text, as models from image to video have it"),
        (
            "transformer/config.json",
            {"ofs_embed_dim": 512},
            "another input beside the text, as models from image to video have it",
        ),
        ("transformer/config.json", {"use_learned_positional_embeddings": True}, "learned positions"),
        ("transformer/config.json", {"patch_size": 3}, "patches of 24 pixels or 4 frames"),
        ("vae/config.json", {"temporal_compression_ratio": 8}, "patches of 16 pixels or 8 frames"),
        (
            "scheduler/scheduler_config.json",
            {"prediction_type": "epsilon"},
            "a scheduler whose prediction_type is epsilon, not v_prediction",
        ),
    ],
)
def test_a_model_of_another_kind_is_refused_by_what_it_has(tmp_path: Path, name: str, values: dict[str, Any], what: str) -> None:
    folder = pipeline(tmp_path, name, **values)
    assert refusal(folder) == ("config_error", f"The base model has {what}; this is not trained here.")


def test_another_pipeline_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = pipeline(tmp_path, "model_index.json", _class_name="WanPipeline")
    message = "The base model is a WanPipeline; sft_video_gen trains a CogVideoXPipeline, such as THUDM/CogVideoX-2b."
    assert refusal(folder) == ("config_error", message)


@pytest.mark.parametrize("name", FILES)
def test_a_pipeline_that_is_not_whole_is_unavailable(tmp_path: Path, name: str) -> None:
    (pipeline(tmp_path) / name).unlink()
    assert refusal(tmp_path) == ("model_unavailable", f"The base model has no readable {name}.")


def test_a_pipeline_is_not_served(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.mkdir()
    assert of_text("tiny", text) == text
    with pytest.raises(ChildFailure) as caught:
        of_text("clips", pipeline(tmp_path))
    assert (caught.value.code, caught.value.message) == (
        "model_unavailable",
        "clips is a pipeline of diffusers: it can be trained on clips, and deployments answer with text.",
    )
