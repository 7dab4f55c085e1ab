"""Is a replica the model that was trained? Held against what the training side wrote beside it (`engines.evidence`).

Two things are compared for each prompt: the token ids that the chat template gives, which must be the same ones, and the
log-probability of every token of a greedy completion, which may be apart by what the dtype's rounding explains. A replica that
fails never gets traffic. It says which prompt, never what is in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx2

from burnish.kit import clock
from engines.evidence import Evidence, Form, Prompt
from engines.serving.engine_args import EngineArgs

FAILED = "parity_failed"
TIMEOUT_S = 60.0
TOP = 5
# Of a token before which the engine ended the completion.
NEVER = -100.0
# How far one token's log-probability may be off, in nats. Two right implementations differ by how they round on the way. Logits
# of 16 to 32 are common, and there a step of bfloat16, which has 8 bits, is an eighth: the token's own logit is off by up to a
# step between the two, and the hidden states before it bring about as much again. Four steps are half a nat: the worst of 232
# tokens of SmolLM2-135M was 0.23 off, where barely different adapters were 0.4 to 1.5 off, and the base of a trained one several
# nats. float16 has three bits more, so an eighth of it. float32 needs next to nothing, and gets what sums in another order need.
TOLERANCES = {"bfloat16": 0.5, "float16": 0.0625, "float32": 0.02}
# Weights or a cache that were asked for in 8 bits and fewer are other numbers; another model is still farther away.
QUANTISED = 2.0


@dataclass(frozen=True)
class Parity:
    """What a comparison found; `problem` is null where the replica is the trained model. `prompts` counts those that fit."""

    prompts: int
    template_matches: bool
    max_difference: float | None
    tolerance: float
    checked_at: datetime
    problem: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "prompts": self.prompts,
            "template_matches": self.template_matches,
            "max_difference": self.max_difference,
            "tolerance": self.tolerance,
            "checked_at": self.checked_at.isoformat(),
        }


def tolerance(dtype: str, args: EngineArgs) -> float:
    """Return how far a log-probability may be off for files of this dtype in an engine with these flags."""
    if args.quantization is not None or (args.kv_cache_dtype or "auto").startswith("fp8"):
        return QUANTISED
    # Left to itself the engine serves float32 files in 16 bits, of which bfloat16 is the coarser.
    served = args.dtype if args.dtype not in (None, "auto") else "bfloat16" if dtype == "float32" else dtype
    return max(TOLERANCES.get(dtype, TOLERANCES["bfloat16"]), TOLERANCES.get(served, 0.0))


async def check(
    client: httpx2.AsyncClient, url: str, name: str, evidence: Evidence, form: Form, allowed: float, *, reads_prompts: bool = True
) -> Parity:
    """Compare the model that an engine serves as `name` with the evidence for a form of it; httpx2.HTTPError where it fails.

    `reads_prompts` says whether the engine tells the log-probabilities of a prompt's own tokens; where it does not, it is asked
    to complete the prompt greedily, and compared as far as it goes the same way.
    """
    replica = _Replica(client, url, name, reads_prompts)
    fitting = await replica.fitting(evidence.prompts, form)
    matches, worst, problems = True, None, []
    for number, prompt in fitting:
        where = f"prompt {number} of {len(evidence.prompts)}"
        known = prompt.logprobs[form]
        try:
            different = await replica.template_problem(prompt)
            found = await replica.logprobs(prompt)
        except httpx2.HTTPStatusError as error:
            if error.response.is_server_error:
                raise
            different, found = f"the engine refuses it with {error.response.status_code}", []
        if different is not None:
            matches = False
            problems.append(f"{where}: {different}")
        off, token = farthest(found, known)
        worst = off if worst is None else max(worst, off)
        if off > allowed:
            problems.append(f"{where}: {_apart(token, found[token], known[token])}, and {allowed:g} is tolerated")
    rounded = None if worst is None else round(worst, 6)
    return Parity(len(fitting), matches, rounded, allowed, clock.now(), next(iter(problems), None))


def _apart(token: int, here: float, there: float) -> str:
    where = f"token {token + 1} of its completion has a log-probability of {here:.3f} here and {there:.3f} where it was trained"
    return f"{where}, {abs(here - there):.3f} apart"


def farthest(found: Sequence[float], known: Sequence[float]) -> tuple[float, int]:
    """Return the largest distance between two rows of log-probabilities, as far as both go, and where it is."""
    distances = [abs(here - there) for here, there in zip(found, known, strict=False)]
    if not distances:
        return 0.0, 0
    off = max(distances)
    return off, distances.index(off)


@dataclass(frozen=True)
class _Replica:
    client: httpx2.AsyncClient
    url: str
    name: str
    reads_prompts: bool

    async def fitting(self, prompts: Sequence[Prompt], form: Form) -> list[tuple[int, Prompt]]:
        """Return the prompts that fit the engine, as it may have been told to take less than the model could, numbered from 1."""
        listed = (await self.client.get(f"{self.url}/v1/models", timeout=TIMEOUT_S)).raise_for_status().json()["data"]
        limits = [model["max_model_len"] for model in listed if model.get("max_model_len")]
        longest = min(limits) - 1 if limits else None
        return [
            (number, prompt)
            for number, prompt in enumerate(prompts, 1)
            if form in prompt.logprobs and (longest is None or len(prompt.prompt_ids) + len(prompt.completion_ids) <= longest)
        ]

    async def template_problem(self, prompt: Prompt) -> str | None:
        """Return how the prompt's tokens differ from those that it was trained with."""
        if prompt.messages is not None:
            asked: dict[str, Any] = {"messages": prompt.messages}
        elif prompt.text is not None:
            asked = {"prompt": prompt.text}
        else:
            return None
        tokens = (await self._ask("/tokenize", asked))["tokens"]
        if tokens == prompt.prompt_ids:
            return None
        known = prompt.prompt_ids
        pairs = enumerate(zip(tokens, known, strict=False), 1)
        first = next((index for index, (here, there) in pairs if here != there), min(len(tokens), len(known)) + 1)
        what = "its chat template gives" if prompt.messages is not None else "its text is"
        counts = f"{len(tokens)} tokens here and {len(known)} where it was trained"
        return f"{what} {counts}, different from token {first} on"

    async def logprobs(self, prompt: Prompt) -> list[float]:
        """Return the log-probabilities of the completion's tokens, as many as can be had."""
        return await (self._read(prompt) if self.reads_prompts else self._completed(prompt))

    async def _read(self, prompt: Prompt) -> list[float]:
        # The whole is a prompt: the engine reads it in one pass and chooses nothing.
        asked = {"prompt": [*prompt.prompt_ids, *prompt.completion_ids], "max_tokens": 1, "prompt_logprobs": 0}
        tokens = (await self._ask("/v1/completions", asked))["choices"][0]["prompt_logprobs"]
        said = tokens[len(prompt.prompt_ids) :]
        return [each[str(token)]["logprob"] for each, token in zip(said, prompt.completion_ids, strict=True)]

    async def _completed(self, prompt: Prompt) -> list[float]:
        asked = {"prompt": prompt.prompt_ids, "max_tokens": len(prompt.completion_ids), "temperature": 0, "logprobs": TOP}
        said = (await self._ask("/v1/completions", asked))["choices"][0]["logprobs"] or {"tokens": [], "top_logprobs": []}
        found: list[float] = []
        for token, chosen, top in zip(prompt.completion_ids, said["tokens"], said["top_logprobs"], strict=False):
            text = (await self._ask("/detokenize", {"tokens": [token]}))["prompt"]
            # One that is not among the likeliest is less likely than all of them.
            found.append(top.get(text, min(top.values())))
            if chosen != text:
                return found
        # The token that ends an answer need not be among those that it tells.
        if len(found) < len(prompt.completion_ids) - 1:
            found.append(NEVER)
        return found

    async def _ask(self, path: str, asked: dict[str, Any]) -> Any:
        body = {"model": self.name, **asked}
        return (await self.client.post(self.url + path, json=body, timeout=TIMEOUT_S)).raise_for_status().json()
