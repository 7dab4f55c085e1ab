"""What is known of a base model: from its own files, from its configuration alone, from its name, or not at all."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from engines.training import memory_files, memory_model, memory_video
from engines.training.memory_files import Unknown

CONFIG = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 100,
    "tie_word_embeddings": True,
}
LAYER = {"q_proj": [8, 8], "k_proj": [4, 8], "v_proj": [4, 8], "o_proj": [8, 8], "up": [16, 8], "gate": [16, 8], "down": [8, 16]}


def write(path: Path, shapes: dict[str, list[int]], dtype: str = "BF16") -> None:
    """Write a safetensors file that has a header and no weights: nothing else may be read."""
    header = json.dumps({name: {"dtype": dtype, "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()})
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())


def model(folder: Path, config: dict[str, Any] = CONFIG, **more: list[int]) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    layers = {f"layers.{n}.{name}.weight": shape for n in range(2) for name, shape in LAYER.items()}
    write(folder / "model.safetensors", {"embed_tokens.weight": [100, 8], "norm.weight": [8], **layers, **more})
    return folder


def test_a_folder_tells_exactly_what_its_headers_say(tmp_path: Path) -> None:
    found = memory_model.of_folder(model(tmp_path))
    linear = 2 * (8 * 8 + 4 * 8 + 4 * 8 + 8 * 8 + 3 * 16 * 8)
    assert (found.parameters, found.weight_bytes) == (linear + 808, 2 * (linear + 808))
    assert found.adapted_weights == linear
    assert found.adapted_width == 2 * (16 + 12 + 12 + 16 + 3 * 24)
    assert (found.layers, found.hidden, found.head_dim, found.kv_width, found.vocabulary) == (2, 8, 4, 4, 100)
    assert (found.basis, found.is_half) == ("the model's own files", True)


def test_experts_and_the_last_layer_get_no_adapter(tmp_path: Path) -> None:
    plain = memory_model.of_folder(model(tmp_path))
    more: dict[str, Any] = {
        "lm_head.weight": [100, 8],
        "layers.0.mlp.experts.0.up_proj.weight": [16, 8],
        "layers.0.mlp.gate.weight": [4, 8],
    }
    found = memory_model.of_folder(model(tmp_path, **more))
    assert found.adapted_weights == plain.adapted_weights
    assert found.parameters == plain.parameters + 800 + 128 + 32


def test_a_token_takes_as_many_experts_as_the_configuration_says(tmp_path: Path) -> None:
    config = CONFIG | {"num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 5}
    assert memory_model.of_folder(model(tmp_path, config)).intermediate == 15


def test_a_configuration_alone_tells_as_much_as_a_model_of_its_kind_has(tmp_path: Path) -> None:
    whole = memory_model.of_folder(model(tmp_path))
    (tmp_path / "model.safetensors").unlink()
    found = memory_model.of_folder(tmp_path)
    # Without the norms of its layers, which the files above do not have.
    assert found.parameters == whole.parameters + 4 * 8
    assert (found.adapted_weights, found.adapted_width) == (whole.adapted_weights, whole.adapted_width)
    assert found.basis == "the model's config.json"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Qwen/Qwen3-4B", 4e9),
        ("org/8x7B-chat", 56e9),
        ("SmolLM2-135M", 135e6),
        ("Qwen3-30B-A3B", 30e9),
        ("llama-1.5b", 1.5e9),
        ("Some-1M-context-7B", 7e9),
        ("Qwen2.5-7B-Instruct-1M", 7e9),
    ],
)
def test_a_name_tells_the_size(name: str, parameters: float) -> None:
    assert memory_model.named_parameters(name) == parameters


def test_a_size_between_two_typical_ones_is_shaped_like_the_nearest() -> None:
    found = memory_model.of_name("x-4B")
    assert (found.layers, found.hidden, found.intermediate, found.kv_width) == (36, 2560, 9728, 1024)
    assert (found.parameters, found.weight_bytes) == (4_000_000_000, 8_000_000_000)
    wider = memory_model.of_name("x-5B")
    assert (wider.layers, wider.hidden) == (36, round(2560 * 1.25**0.5))
    assert found.basis == "the 4B parameters in its name, as typical models of that size are shaped"


@pytest.mark.parametrize("name", ["gpt2", "org/model-v2", "b-0B", "a4Bc"])
def test_a_name_without_a_size_tells_nothing(name: str) -> None:
    with pytest.raises(Unknown, match="does not tell how many parameters"):
        memory_model.of_name(name)


@pytest.mark.parametrize("name", ["meta-llama/Llama-4-Scout-17B-16E", "llama-4-maverick-17b-128e-instruct"])
def test_the_size_of_a_token_s_share_is_not_that_of_a_model_of_experts(name: str) -> None:
    with pytest.raises(Unknown, match="the parameters that a token takes and not all of them"):
        memory_model.of_name(name)


def test_a_file_that_is_none_is_named_and_its_folder_is_not(tmp_path: Path) -> None:
    model(tmp_path)
    for broken in (b"", struct.pack("<Q", 2**40), struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 9) + b'{"a": {}}'):
        (tmp_path / "model.safetensors").write_bytes(broken)
        with pytest.raises(Unknown) as refused:
            memory_model.of_folder(tmp_path)
        assert str(refused.value) == "its file model.safetensors cannot be read"


@pytest.mark.parametrize("missing", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_a_configuration_that_lacks_a_size_is_unknown(missing: str, tmp_path: Path) -> None:
    with pytest.raises(Unknown, match=f"its config.json has no {missing}"):
        memory_model.of_folder(model(tmp_path, {name: value for name, value in CONFIG.items() if name != missing}))


def test_a_pipeline_tells_its_parts(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "CogVideoXPipeline"}')
    for part, size in (("transformer", 7), ("text_encoder", 5), ("vae", 3)):
        (tmp_path / part).mkdir()
        write(tmp_path / part / "model.safetensors", {"weight": [size, 2]})
    shape = {"num_layers": 3, "num_attention_heads": 4, "attention_head_dim": 6, "patch_size": 2, "max_text_seq_length": 9}
    (tmp_path / "transformer" / "config.json").write_text(json.dumps(shape))
    (tmp_path / "vae" / "config.json").write_text('{"block_out_channels": [11, 22]}')
    found = memory_video.of_folder(tmp_path)
    assert (found.transformer, found.text_encoder, found.autoencoder) == (14, 10, 6)
    assert (found.layers, found.width, found.autoencoder_width, found.text_tokens) == (3, 24, 11, 9)


def test_video_models_are_known_by_their_name_alone() -> None:
    assert memory_video.of_name("THUDM/CogVideoX-2b").width == 1920
    assert memory_video.of_name("org/cogvideox1.5-5B-mine").width == 3072
    with pytest.raises(Unknown, match="not that of a CogVideoX"):
        memory_video.of_name("Wan2.1-14B")


WRONG: list[tuple[str, Any]] = [
    ("num_key_value_heads", [8]),
    ("num_key_value_heads", True),
    ("head_dim", "x"),
    ("head_dim", 1e999),
    ("num_experts_per_tok", [2]),
    ("hidden_size", 10**40),
    ("intermediate_size", -1),
    ("vocab_size", 1.5),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_size_that_is_none_is_unknown_and_named(name: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(Unknown) as refused:
        memory_model.of_folder(model(tmp_path, CONFIG | {"num_experts": 4, name: value}))
    assert str(refused.value) == f"the {name} in its config.json is not a size"


@pytest.mark.parametrize("text", ["[" * 200_000, "{", "\ud800", '{"a": ' + "9" * 5000 + "}", "[]"])
def test_a_configuration_that_is_none_is_unknown(text: str, tmp_path: Path) -> None:
    model(tmp_path)
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(Unknown, match=r"^its config.json (cannot be read|is not an object)$"):
        memory_model.of_folder(tmp_path)


def test_no_more_is_read_than_a_model_has(tmp_path: Path) -> None:
    (model(tmp_path) / "config.json").write_text(json.dumps(CONFIG) + " " * memory_files.CONFIG_MAX_BYTES)
    with pytest.raises(Unknown, match=r"^its config.json is larger than 1048576 bytes$"):
        memory_model.of_folder(tmp_path)
    model(tmp_path)
    header = b"{}".ljust(memory_files.HEADERS_MAX_BYTES - 10)
    (tmp_path / "more.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(Unknown, match=r"^the headers of its safetensors are larger than 16777216 bytes$"):
        memory_model.of_folder(tmp_path)


@pytest.mark.parametrize("shape", [8, ["8"], [-1], [True], [8.0], [10**30], [1] * 100])
def test_a_tensor_without_a_shape_is_unknown(shape: Any, tmp_path: Path) -> None:
    with pytest.raises(Unknown, match=r"^its file model.safetensors cannot be read$"):
        memory_model.of_folder(model(tmp_path, odd=shape))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    model(tmp_path)
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(Unknown, match=r"^its file pipe.safetensors cannot be read$"):
        memory_model.of_folder(tmp_path)


def test_a_folder_is_read_again_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(path: Path) -> dict[str, Any]:
        read.append(path)
        return memory_files.read_json(path)

    monkeypatch.setattr(memory_model, "read_json", counted)
    first = memory_model.of_folder(model(tmp_path))
    assert memory_model.of_folder(tmp_path) is first
    # Weights that came after the configuration.
    write(tmp_path / "more.safetensors", {"more.weight": [5, 2]})
    assert memory_model.of_folder(tmp_path).parameters == first.parameters + 10
    (tmp_path / "config.json").write_text("no model")
    for _ in range(2):
        with pytest.raises(Unknown, match=r"^its config.json cannot be read$"):
            memory_model.of_folder(tmp_path)
    assert len(read) == 3


@pytest.mark.parametrize(("name", "value"), [("num_layers", [3]), ("patch_size", {}), ("attention_head_dim", "6")])
def test_a_pipeline_whose_sizes_are_none_is_unknown(name: str, value: Any, tmp_path: Path) -> None:
    shape = {"num_layers": 3, "num_attention_heads": 4, "attention_head_dim": 6, "patch_size": 2, "max_text_seq_length": 9}
    (tmp_path / "model_index.json").write_text('{"_class_name": "CogVideoXPipeline"}')
    for part in ("transformer", "text_encoder", "vae"):
        (tmp_path / part).mkdir()
        write(tmp_path / part / "model.safetensors", {"weight": [7, 2]})
    (tmp_path / "transformer" / "config.json").write_text(json.dumps(shape | {name: value}))
    (tmp_path / "vae" / "config.json").write_text('{"block_out_channels": [11, 22]}')
    with pytest.raises(Unknown, match=f"^the {name} in its config.json is not a size$"):
        memory_video.of_folder(tmp_path)
