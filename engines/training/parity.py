"""The evidence beside a trained model: what it says to a few prompts of the dataset, computed from the files that are served.

The files are loaded anew, in the dtype that they have, so that a mistake in writing them shows here as it would in an engine.
A greedy completion is a second's work: few prompts, few tokens, and the same ones whenever it is done again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engines.evidence import ADAPTED, ADAPTER, MODEL, Base, Evidence, Form, Prompt, template_hash
from engines.protocol import Reporter
from engines.training import weights
from engines.training.prompts import Row, token_ids
from engines.training.spec import ModelSource

T = TypeVar("T")

PROMPTS = 4
CANDIDATES = 16
COMPLETION_TOKENS = 16
# Longer prompts only where the dataset has no shorter ones: an engine may be told to take less than the model could.
PROMPT_TOKENS = 512
PLAIN_ROLES = ("system", "user", "assistant")


def give(
    folder: Path, base: Path, source: ModelSource, tokenizer: Any, asked: list[Any], device: str, reporter: Reporter
) -> None:
    """Put beside a text model what a replica of it will be held against: its answers to what it was asked."""
    try:
        write(folder, base, source, tokenizer, asked, device)
    except Exception as error:
        # Hours of training are not thrown away for want of a comparison: the model is served, and the log says uncompared.
        reporter.log(f"the trained model could not be asked for what it says: {error}", level="warning")


def write(
    folder: Path, base: Path, source: ModelSource, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], device: str
) -> None:
    """Write `parity.json` into the final folder, for the model in it and for its adapter where it has one."""
    chosen = choose(rows, tokenizer)
    completions: list[list[int]] = []
    said: dict[Form, list[list[float]]] = {}
    dtype = ""
    # How an adapter is served first: the completions are its own.
    for form in (ADAPTED, MODEL) if (folder / ADAPTER).is_dir() else (MODEL,):
        model = _load(folder, base, form, device)
        dtype = str(model.dtype).removeprefix("torch.")
        completions = completions or [greedy(model, ids) for _, ids in chosen]
        said[form] = [logprobs(model, ids, tokens) for (_, ids), tokens in zip(chosen, completions, strict=True)]
        del model
    prompts = [
        Prompt(
            messages=row.prompt if not isinstance(row.prompt, str) and is_plain(row) else None,
            text=row.prompt if isinstance(row.prompt, str) else None,
            prompt_ids=ids,
            completion_ids=completions[index],
            logprobs={form: values[index] for form, values in said.items()},
        )
        for index, (row, ids) in enumerate(chosen)
    ]
    named = Base(name=source.called, revision=source.revision, chat_template_sha256=template_hash(tokenizer.chat_template))
    Evidence(base=named, dtype=dtype, prompts=prompts).write(folder)


def choose(rows: Sequence[Row], tokenizer: Any) -> list[tuple[Row, list[int]]]:
    """Return a few prompts from all over the dataset with their tokens: plain ones and short ones before others."""
    candidates = [(row, token_ids(row, tokenizer)) for row in spread(rows, CANDIDATES)]
    fitting = [found for found in candidates if is_plain(found[0]) and len(found[1]) <= PROMPT_TOKENS]
    if len(fitting) >= PROMPTS:
        return spread(fitting, PROMPTS)
    return sorted(candidates, key=lambda found: (not is_plain(found[0]), len(found[1])))[:PROMPTS]


def spread(items: Sequence[T], count: int) -> list[T]:
    """Return at most `count` of the items, evenly from the first on."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def is_plain(row: Row) -> bool:
    """Say whether any engine takes the prompt as it is: a text, or messages that are texts of the common roles."""
    if isinstance(row.prompt, str):
        return True
    return all(
        message.keys() == {"role", "content"} and message["role"] in PLAIN_ROLES and isinstance(message["content"], str)
        for message in row.prompt
    )


def _load(folder: Path, base: Path, form: Form, device: str) -> PreTrainedModel | PeftModel:
    if form == MODEL:
        return _placed(weights.load_base(folder), device)
    model = PeftModel.from_pretrained(weights.load_base(base), folder / ADAPTER)
    # An engine holds an adapter in the model's own dtype; PEFT would compute it in float32.
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.to(model.dtype)
    return _placed(model, device)


def _placed(model: Any, device: str) -> Any:
    """Move the model to the accelerator where it has room beside what was trained."""
    model.eval()
    if device == "cpu":
        return model
    try:
        return model.to(device)
    except torch.OutOfMemoryError:
        return model.to("cpu")


def greedy(model: Any, prompt: Sequence[int]) -> list[int]:
    """Return the most probable completion, a token at a time, to its end or to `COMPLETION_TOKENS`."""
    ends = _ends(model)
    tokens: list[int] = []
    given, past = torch.tensor([list(prompt)], device=model.device), None
    with torch.inference_mode():
        while len(tokens) < COMPLETION_TOKENS and not (tokens and tokens[-1] in ends):
            out = model(input_ids=given, past_key_values=past, use_cache=True)
            past = out.past_key_values
            given = out.logits[:, -1].argmax(-1, keepdim=True)
            tokens.append(int(given))
    return tokens


def _ends(model: Any) -> set[int]:
    end = model.generation_config.eos_token_id if model.generation_config is not None else model.config.eos_token_id
    return set() if end is None else {end} if isinstance(end, int) else set(end)


def logprobs(model: Any, prompt: Sequence[int], completion: Sequence[int]) -> list[float]:
    """Return the log-probability of each token of the completion, all read in one pass as an engine reads a prompt."""
    tokens = torch.tensor([[*prompt, *completion]], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=tokens, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    chosen = logits.log_softmax(-1).gather(-1, tokens[0, len(prompt) :].unsqueeze(-1))
    return [round(value, 6) for value in chosen.squeeze(-1).tolist()]
