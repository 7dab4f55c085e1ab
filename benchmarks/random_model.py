"""A Qwen3 of a real size with random weights, which hardly ever ends a text: `python -m benchmarks.random_model OUT SIZE`."""

import sys
from pathlib import Path

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from engines.bases.folder import filled_at_once
from engines.bases.tiny import build_tokenizer

# Hidden size, size between, layers, heads, heads of keys and values, size of a head, vocabulary: those of Qwen3, and a toy.
SIZES = {
    "toy": (64, 128, 2, 2, 1, 32, 512),
    "0.6b": (1024, 3072, 28, 16, 8, 128, 151_936),
    "1.7b": (2048, 6144, 28, 16, 8, 128, 151_936),
}
CONTEXT = 4096


def make(destination: Path, size: str) -> None:
    """Save the model as a folder that transformers and vLLM load."""
    torch.manual_seed(0)
    hidden, between, layers, heads, kv_heads, head, vocabulary = SIZES[size]
    tokenizer = build_tokenizer()
    tokenizer.model_max_length = CONTEXT
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=between,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    with filled_at_once(destination) as folder:
        Qwen3ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
        tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2])
