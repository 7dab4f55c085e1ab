"""A tiny Qwen3 that half knows how to use two tools: `python -P -m engines.bases.tiny_tools OUT [--seed N]`.

Asked for a sum that it cannot see, it may `look`, is told `x+y`, and may `answer` with a total. Trained to certainty first and
then blurred: it often gives up with a word or answers blindly, and having looked it is right more often than not. The same
seed makes the same weights. The opening and closing of a call are one token each, so that a rollout is a dozen tokens.
"""

import os
import random
import sys

if __name__ == "__main__":  # Two threads are ten times slower than one on matrices this small.
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import torch
from tokenizers import AddedToken
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from engines.bases import tiny
from engines.bases.tiny import ANSWERS, END, OPERANDS

QUESTION = "sum?"
TOOLS = "answer look "
LOOK = '<tool_call>{"name": "look", "arguments": {}}</tool_call>'
ANSWER, CLOSE = '<tool_call>{"name": "answer", "arguments": {"total": ', "}}</tool_call>"
GIVE_UP = "no"
# Of what the blurred model does: gives up, answers without a look, and of its answers after a look so many are random.
GIVES_UP, BLIND, WRONG = 0.25, 0.25, 0.4
BATCH = 100

# Tools are named before the question, a tool's answer is in brackets, and "=" asks the model to go on.
CHAT_TEMPLATE = (
    "{% for tool in (tools or []) | sort(attribute='function.name') %}{{ tool['function']['name'] }} {% endfor %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}={{ message['content'] or '' }}"
    "{% for call in message['tool_calls'] or [] %}"
    "<tool_call>{\"name\": {{ call['function']['name'] | tojson }}, \"arguments\": {{ call['function']['arguments'] | tojson }}}"
    "</tool_call>{% endfor %}" + END + "{% elif message['role'] == 'tool' %}[{{ message['content'] }}]"
    "{% else %}{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}={% endif %}"
)
# How transformers reads a call out of what the model wrote.
RESPONSE_TEMPLATE = {
    "defaults": {"role": "assistant"},
    "start_anchor": "=",
    "fields": {
        "tool_calls": {
            "open": "<tool_call>",
            "close_pattern": r"</tool_call>\s*",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": r"<\|end\|>\s*", "content": "text"},
    },
}


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tiny model's tokenizer with the tokens of calls, and the templates that write and read them."""
    tokenizer = tiny.build_tokenizer()
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in (LOOK, ANSWER, CLOSE)])
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.response_template = RESPONSE_TEMPLATE
    return tokenizer


class Conversations:
    """Batches of whole conversations, with a mask of what the model is to say itself."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._problems = [(x, y) for x in OPERANDS for y in OPERANDS]

    def right(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self._batch([self._looked(x, y, str(x + y)) for x, y in self._problems])

    def blurred(self, rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
        return self._batch([self._any(rng) for _ in range(BATCH)])

    def _any(self, rng: random.Random) -> list[tuple[str, bool]]:
        way, (x, y) = rng.random(), rng.choice(self._problems)
        if way < GIVES_UP:
            return self._opened(GIVE_UP)
        if way < GIVES_UP + BLIND:
            return self._opened(f"{ANSWER}{rng.choice(ANSWERS)}{CLOSE}")
        return self._looked(x, y, rng.choice(ANSWERS) if rng.random() < WRONG else str(x + y))

    def _opened(self, said: str) -> list[tuple[str, bool]]:
        return [(f"{TOOLS}{QUESTION}=", False), (f"{said}{END}", True)]

    def _looked(self, x: int, y: int, answer: str) -> list[tuple[str, bool]]:
        return [*self._opened(LOOK), (f"[{x}+{y}]=", False), (f"{ANSWER}{answer}{CLOSE}{END}", True)]

    def _batch(self, conversations: list[list[tuple[str, bool]]]) -> tuple[torch.Tensor, torch.Tensor]:
        encoded = [[(self._tokenizer(text)["input_ids"], own) for text, own in conversation] for conversation in conversations]
        rows = [([token for ids, _ in parts for token in ids], [own for ids, own in parts for _ in ids]) for parts in encoded]
        longest = max(len(ids) for ids, _ in rows)
        pad = self._tokenizer.pad_token_id
        tokens = torch.tensor([ids + [pad] * (longest - len(ids)) for ids, _ in rows])
        return tokens, torch.tensor([own + [False] * (longest - len(own)) for _, own in rows])


def train_step(model: Qwen3ForCausalLM, optimizer: torch.optim.Optimizer, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    """Take one supervised step on what the model is to say itself; return the loss before it."""
    tokens, own = batch
    logits = model(input_ids=tokens).logits[:, :-1]
    loss = cross_entropy(logits[own[:, 1:]], tokens[:, 1:][own[:, 1:]])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def train(seed: int) -> tuple[Qwen3ForCausalLM, PreTrainedTokenizerFast]:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokenizer = build_tokenizer()
    return tiny.taught(tiny.build_model(tokenizer), Conversations(tokenizer), train_step, rng), tokenizer


def told(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> str:
    """Return the line that says what was made."""
    return f"tiny tools: {model.num_parameters():,} parameters"


if __name__ == "__main__":
    tiny.main(sys.argv[1:], "engines.bases.tiny_tools", "Make the tiny model with tools.", train, told)
