"""A CogVideoX of 105k parameters with random weights: `python -P -m engines.bases.tiny_video OUT [--rotary] [--seed N]`.

A whole pipeline folder as the real ones are, small enough to train in seconds on a CPU: the parts, their configuration and the
compression (8 pixels each way and 4 frames become one latent) are those of CogVideoX-2b, or with `--rotary` of CogVideoX-5b.
What it draws is noise; what it can learn is to draw other noise.
"""

import argparse
import os
import string
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # Two threads are ten times slower than one on matrices this small.
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDDIMScheduler,
    CogVideoXDPMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
)
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from engines.bases.folder import filled_at_once

HEIGHT = WIDTH = 32
FRAMES = 9
TEXT_TOKENS = 24
TEXT_WIDTH = 16
LATENT_CHANNELS = 4
SPECIAL = ("<pad>", "</s>", "<unk>")


def build_tokenizer() -> T5Tokenizer:
    """Return a T5 tokenizer with one token a character."""
    characters = ("▁", *string.ascii_letters, *string.digits, *string.punctuation)
    vocab = [*((token, 0.0) for token in SPECIAL), *((character, -2.0) for character in characters)]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=TEXT_TOKENS)


def build_text_encoder(vocab_size: int) -> T5EncoderModel:
    config = T5Config(
        vocab_size=vocab_size, d_model=TEXT_WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu"
    )
    return T5EncoderModel(config)


def build_vae() -> AutoencoderKLCogVideoX:
    return AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=LATENT_CHANNELS,
        layers_per_block=1,
        norm_num_groups=2,
    )


def build_transformer(rotary: bool) -> CogVideoXTransformer3DModel:
    return CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        time_embed_dim=8,
        text_embed_dim=TEXT_WIDTH,
        num_layers=2,
        sample_width=WIDTH // 8,
        sample_height=HEIGHT // 8,
        sample_frames=FRAMES,
        max_text_seq_length=TEXT_TOKENS,
        use_rotary_positional_embeddings=rotary,
    )


def build_scheduler(rotary: bool) -> Any:
    """Return the scheduler as the real models have it; that of the 5b is another one, with more noise at the start."""
    common = {
        "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "clip_sample": False,
        "set_alpha_to_one": True,
        "timestep_spacing": "trailing",
    }
    if rotary:
        return CogVideoXDPMScheduler(snr_shift_scale=1.0, **common)
    return CogVideoXDDIMScheduler(snr_shift_scale=3.0, **common)


def make(destination: Path, rotary: bool = False, seed: int = 0) -> None:
    """Save the pipeline as a folder that diffusers loads; keep a folder that is there already."""
    if destination.is_dir():
        return
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    pipeline = CogVideoXPipeline(
        tokenizer=tokenizer,
        text_encoder=build_text_encoder(len(tokenizer)),
        vae=build_vae(),
        transformer=build_transformer(rotary),
        scheduler=build_scheduler(rotary),
    )
    with filled_at_once(destination) as folder:
        pipeline.save_pretrained(folder, safe_serialization=True)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -P -m engines.bases.tiny_video", description="Make the tiny video model.")
    parser.add_argument("out", type=Path, help="the model folder to make")
    parser.add_argument("--rotary", action="store_true", help="with rotary positions, as CogVideoX-5b has them")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    make(arguments.out, arguments.rotary, arguments.seed)


if __name__ == "__main__":
    main(sys.argv[1:])
