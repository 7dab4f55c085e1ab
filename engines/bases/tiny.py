"""A 92k-parameter Qwen3 that half knows how to add: `python -P -m engines.bases.tiny OUT [--seed N]`.

It answers `x+y` for x and y below 5. Trained to certainty first and then blurred with random answers, it is right about one time
in three, so that nearly every group of GRPO has both right and wrong completions and learning takes seconds on a CPU. (One noisy
phase instead of the two makes a model whose learning hangs on the seed.) The same seed makes the same weights.
"""

import argparse
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

if __name__ == "__main__":  # Two threads are ten times slower than one on matrices this small.
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from engines.bases.folder import filled_at_once

B = TypeVar("B")
B_co = TypeVar("B_co", covariant=True)
Step = Callable[[Qwen3ForCausalLM, torch.optim.Optimizer, B], float]
Train = Callable[[int], tuple[Qwen3ForCausalLM, PreTrainedTokenizerFast]]
Told = Callable[[Qwen3ForCausalLM, PreTrainedTokenizerFast], str]
OPERANDS = range(5)
ANSWERS = [str(total) for total in range(2 * max(OPERANDS) + 1)]
CONTEXT = 512
SURE_LOSS = 0.02
SURE_STEPS_MAX = 2000
BLUR_STEPS = 120
BLUR_SHARE = 0.66
BLUR_REPEATS = 8
END = "<|end|>"
PAD = "<|pad|>"

# A user's message is the sum; "=" asks for the answer, and the answer ends its turn.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}={{ message['content'] }}" + END + "{% else %}{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}={% endif %}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token a byte, and an end and a padding token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: index for index, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END, special=True), AddedToken(PAD, special=True)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        model_max_length=CONTEXT,
        chat_template=CHAT_TEMPLATE,
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    """Return the untrained network. Its head size is the smallest that every vLLM attention backend takes."""
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    return Qwen3ForCausalLM(config)


class Lessons(Protocol[B_co]):
    """Batches to learn from: all right, or with noise among them."""

    def right(self) -> B_co: ...

    def blurred(self, rng: random.Random) -> B_co: ...


class Sums:
    """Batches of every sum there is, as `x+y=answer<end>`."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.problems = [(x, y) for x in OPERANDS for y in OPERANDS]

    def right(self) -> torch.Tensor:
        return self._tokens([(x, y, str(x + y)) for x, y in self.problems])

    def blurred(self, rng: random.Random) -> torch.Tensor:
        """Return each sum several times, so that the noise of one batch nearly averages out."""
        return self._tokens([(x, y, self._noisy(x + y, rng)) for x, y in self.problems * BLUR_REPEATS])

    def _noisy(self, total: int, rng: random.Random) -> str:
        return rng.choice(ANSWERS) if rng.random() < BLUR_SHARE else str(total)

    def _tokens(self, sums: list[tuple[int, int, str]]) -> torch.Tensor:
        return torch.tensor(self.tokenizer([f"{x}+{y}={answer}{END}" for x, y, answer in sums])["input_ids"])


def train_step(model: Qwen3ForCausalLM, optimizer: torch.optim.Optimizer, tokens: torch.Tensor) -> float:
    """Take one supervised step on the last two tokens of each row; return the loss before it."""
    logits = model(input_ids=tokens).logits[:, -3:-1]
    loss = cross_entropy(logits.flatten(0, 1), tokens[:, -2:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def train(seed: int) -> tuple[Qwen3ForCausalLM, PreTrainedTokenizerFast]:
    """Return the model that is right about one time in three."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokenizer = build_tokenizer()
    return taught(build_model(tokenizer), Sums(tokenizer), train_step, rng), tokenizer


def taught(model: Qwen3ForCausalLM, lessons: Lessons[B], step: Step[B], rng: random.Random) -> Qwen3ForCausalLM:
    """Return the model, trained to certainty on what is right and then blurred."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(SURE_STEPS_MAX):
        if step(model, optimizer, lessons.right()) < SURE_LOSS:
            break
    else:
        raise RuntimeError(f"the tiny model did not reach a loss of {SURE_LOSS} in {SURE_STEPS_MAX} steps")
    for _ in range(BLUR_STEPS):
        step(model, optimizer, lessons.blurred(rng))
    return model.eval()


def accuracy(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> float:
    """Return the probability of the right answer, averaged over all sums."""
    tokens = Sums(tokenizer).right()
    with torch.no_grad():
        chances = model(input_ids=tokens).logits[:, -3].softmax(-1)
    return float(chances.gather(1, tokens[:, -2:-1]).mean())


def told(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> str:
    """Return the line that says what was made."""
    return f"tiny: {model.num_parameters():,} parameters, right with probability {accuracy(model, tokenizer):.2f}"


def make(destination: Path, seed: int, train: Train, told: Told) -> None:
    """Train a model and save it as a folder that transformers and vLLM load; keep a folder that is there already."""
    if destination.is_dir():
        return
    torch.set_num_threads(1)
    with filled_at_once(destination) as folder:
        model, tokenizer = train(seed)
        print(told(model, tokenizer), flush=True)
        model.to(torch.bfloat16).save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def main(argv: list[str], module: str, description: str, train: Train, told: Told) -> None:
    """Be the command `python -P -m module OUT [--seed N]`, which makes the model of `train`."""
    parser = argparse.ArgumentParser(prog=f"python -P -m {module}", description=description)
    parser.add_argument("out", type=Path, help="the model folder to make")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    make(arguments.out, arguments.seed, train, told)


if __name__ == "__main__":
    main(sys.argv[1:], "engines.bases.tiny", "Make the tiny base model.", train, told)
