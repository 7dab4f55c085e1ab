"""What fine-tuning of a video model takes: four phases that follow one another, of which the largest counts.

First the text encoder is in memory alone, then the autoencoder, then the transformer that trains, with the autoencoder beside
it while sample clips are made. Sources: `video_model` and `video_cache` say what is held when and in which precision; what a
block keeps was counted on diffusers' CogVideoX with torch's saved-tensor hooks; what the autoencoder takes was measured on its
own layers.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from engines.training.memory import Device, Estimate, Part, at_peak
from engines.training.memory_files import Unknown, headers, number, read_json, remembered
from engines.training.video_spec import FRAMES_AT_ONCE, VideoHyperparameters

# The file without which a folder is no pipeline.
SIGN = "model_index.json"
PIPELINE = "CogVideoXPipeline"
FLOAT, HALF = 4, 2
ADAM_BYTES = 2 * FLOAT
# An adapter is put beside four projections of each block (video_model.TARGETS), all as wide as the hidden states.
ADAPTED = 4
# Of each token a block keeps so many bytes for each number of its hidden state, and of gradients of them there are as many at
# once as in the layer between, four times as wide, and in what it is made from and into.
KEPT_BYTES = {"cpu": 57, "cuda": 33}
PASSING_NUMBERS = 8
# Without a backward pass a block holds its input, its projections and the layer between.
COMPUTED_NUMBERS = 12
# The autoencoder works on so many frames at once, a first one more with them. By the size of one tensor of its widest layers at
# full size so much is there at once: tensors, their padded copies, what the convolutions work in, and the cache of the frames
# before. Measured on diffusers' own layers in float32 over two such batches; clips to look at are decoded in tiles
# (`enable_tiling`).
FRAMES_ENCODED = 9
ENCODED_TENSORS, DECODED_TENSORS = 16, 26
TILE_HEIGHT, TILE_WIDTH = 240, 360
PIXELS_A_LATENT = 8
NAME = re.compile(r"cogvideox.*?([25])b", re.IGNORECASE)


@dataclass(frozen=True)
class VideoModel:
    """A pipeline of CogVideoX: the parameters of its parts, and the shape of transformer and autoencoder."""

    basis: str
    transformer: int
    text_encoder: int
    autoencoder: int
    layers: int
    width: int
    patch: int
    text_tokens: int
    autoencoder_width: int


# THUDM/CogVideoX-2b and -5b by their own configuration; both read captions with the encoder of T5-XXL.
KNOWN = {
    "2": VideoModel("the name of CogVideoX-2b", 1_693_783_872, 4_762_310_656, 215_583_907, 30, 1920, 2, 226, 128),
    "5": VideoModel("the name of CogVideoX-5b", 5_570_283_072, 4_762_310_656, 215_583_907, 42, 3072, 2, 226, 128),
}


@remembered("", "transformer", "text_encoder", "vae")
def of_folder(folder: Path) -> VideoModel:
    """Return what a pipeline's folder says by its configuration and the headers of its safetensors."""
    if read_json(folder / SIGN).get("_class_name") != PIPELINE:
        raise Unknown(f"it is no {PIPELINE}, and only that is trained")
    transformer = read_json(folder / "transformer" / "config.json")
    widths = read_json(folder / "vae" / "config.json").get("block_out_channels")
    narrowest = {"block_out_channels": widths[0]} if isinstance(widths, list) and widths else {}
    return VideoModel(
        "the model's own files",
        transformer=_parameters(folder / "transformer"),
        text_encoder=_parameters(folder / "text_encoder"),
        autoencoder=_parameters(folder / "vae"),
        layers=number(transformer, "num_layers"),
        width=number(transformer, "num_attention_heads") * number(transformer, "attention_head_dim"),
        patch=number(transformer, "patch_size"),
        text_tokens=number(transformer, "max_text_seq_length"),
        autoencoder_width=number(narrowest, "block_out_channels"),
    )


def of_name(name: str) -> VideoModel:
    """Return CogVideoX of 2 or 5 billion parameters, where the name says that it is one."""
    found = NAME.search(name)
    if found is None:
        raise Unknown("its files are not on this machine, and its name is not that of a CogVideoX of 2 or 5 billion parameters")
    return KNOWN[found[1]]


def sft_video_gen(hyper: VideoHyperparameters, model: VideoModel, device: Device) -> Estimate:
    """Estimate a video job at its own shape; buckets have as many pixels."""
    held = HALF if device == "cuda" else FLOAT
    adapter = hyper.lora_rank * 2 * model.width * ADAPTED * model.layers
    training = [
        Part("transformer", held * model.transformer),
        Part("adapter", FLOAT * adapter),
        Part("optimizer", ADAM_BYTES * adapter),
    ]
    learning = [
        *training,
        Part("gradients", FLOAT * adapter, passing=True),
        Part("activations", _kept(hyper, model, device), passing=True),
    ]
    autoencoder = Part("autoencoder", held * model.autoencoder)
    phases = [
        [Part("text encoder", held * model.text_encoder)],
        [autoencoder, Part("encoding", ENCODED_TENSORS * _tensor(hyper, model, held, hyper.height * hyper.width), passing=True)],
        learning,
    ]
    if hyper.sample_prompts:
        tile = min(hyper.height, TILE_HEIGHT) * min(hyper.width, TILE_WIDTH)
        frames = FLOAT * 3 * hyper.num_frames * hyper.height * hyper.width
        # Guidance asks the transformer twice at once, with the prompt and without.
        denoising = 2 * _tokens(hyper, model) * model.width * COMPUTED_NUMBERS * held
        sampling = max(denoising, DECODED_TENSORS * _tensor(hyper, model, held, tile) + 2 * frames)
        phases.append([*training, autoencoder, Part("sampling", sampling, passing=True)])
    fewer = ("a smaller batch_size",) if hyper.batch_size > 1 else ()
    return Estimate(at_peak([], phases, device), model.basis, (*fewer, "a smaller height and width", "fewer num_frames"))


def _kept(hyper: VideoHyperparameters, model: VideoModel, device: Device) -> int:
    """Return what a pass keeps: each block its input alone, and one block all that it computes (gradient checkpointing)."""
    numbers = hyper.batch_size * _tokens(hyper, model) * model.width
    held = HALF if device == "cuda" else FLOAT
    return numbers * (model.layers * held + KEPT_BYTES[device] + PASSING_NUMBERS * held)


def _tensor(hyper: VideoHyperparameters, model: VideoModel, held: int, pixels: int) -> int:
    """Return the size of one tensor of the autoencoder's layers of full size, of the frames that it works on at once."""
    return model.autoencoder_width * min(hyper.num_frames, FRAMES_ENCODED) * pixels * held


def _tokens(hyper: VideoHyperparameters, model: VideoModel) -> int:
    """Return how many tokens the transformer sees of a clip and its caption."""
    frames = (hyper.num_frames - 1) // FRAMES_AT_ONCE + 1
    side = PIXELS_A_LATENT * model.patch
    return frames * math.ceil(hyper.height / side) * math.ceil(hyper.width / side) + model.text_tokens


def _parameters(folder: Path) -> int:
    count = sum(math.prod(shape) for _, (shape, _) in headers(folder))
    if not count:
        raise Unknown(f"the weights of its {folder.name} are not on this machine")
    return count
