"""Choosing the next token, each request in its own way: its temperature, its penalties, its seed.

The batching itself knows one way for all. It is told to take the likeliest token, and a processor before it leaves exactly one of
each row: the one that the row's request has chosen. So a seed gives the same answer whatever else is in the batch, but for what
the batch does to the last bits of the logits.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import torch
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessor

NOTHING = float("-inf")
# Below this a temperature is none: scores divided by less are no numbers any more.
COLD = 1e-5


@dataclass(frozen=True)
class Chosen:
    """A token, its log-probability among the model's own, and the likeliest ones beside it with theirs."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass
class Sampling:
    """How one request chooses, and what it has chosen. `top_k` 0 is all; `logprobs` is how many of the likeliest are kept with
    each; where it is null, not even the chosen one's is.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: dict[int, float] = field(default_factory=dict)
    seed: int | None = None
    logprobs: int | None = None
    prompt: list[int] = field(default_factory=list)
    chosen: list[Chosen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._generator = torch.Generator()
        if self.seed is None:
            self._generator.manual_seed(int(torch.randint(2**62, ())))
        else:
            self._generator.manual_seed(self.seed % 2**63)

    def __deepcopy__(self, _: Any) -> Self:
        # A request that is put aside for room and taken up again is copied, and goes on with its choices.
        return self

    def choose(self, logits: torch.Tensor) -> int:
        """Return the next token for the model's logits, a vector in float32."""
        scores = self._penalised(logits)
        token = int(scores.argmax()) if self.temperature < COLD else self._drawn(scores)
        self.chosen.append(self._told(logits, token))
        return token

    def _penalised(self, logits: torch.Tensor) -> torch.Tensor:
        scores = logits.clone()
        for token, bias in self.logit_bias.items():
            scores[token] += bias
        said = torch.tensor([one.token for one in self.chosen], dtype=torch.long, device=scores.device)
        if self.repetition_penalty != 1.0:
            before = torch.tensor(self.prompt, dtype=torch.long, device=scores.device)
            seen = torch.unique(torch.cat([before, said]))
            found = scores[seen]
            scores[seen] = torch.where(found > 0, found / self.repetition_penalty, found * self.repetition_penalty)
        if said.numel() and (self.presence_penalty or self.frequency_penalty):
            tokens, counts = torch.unique(said, return_counts=True)
            scores[tokens] -= self.presence_penalty + self.frequency_penalty * counts
        return scores

    def _drawn(self, scores: torch.Tensor) -> int:
        scores = scores / self.temperature
        if 0 < self.top_k < scores.numel():
            scores = scores.masked_fill(scores < torch.topk(scores, self.top_k).values[-1], NOTHING)
        chances = scores.softmax(-1)
        if self.min_p > 0:
            chances = chances.masked_fill(chances < self.min_p * chances.max(), 0.0)
        if self.top_p < 1:
            rising, order = chances.sort()
            unlikely = rising.cumsum(-1) <= (1 - self.top_p) * rising.sum()
            unlikely[-1] = False
            chances = chances.masked_fill(torch.zeros_like(unlikely).scatter(0, order, unlikely), 0.0)
        if not bool(chances.isfinite().all()):
            # A request whose numbers run over must not end the others, which are chosen for in the same step.
            return int(scores.nan_to_num().argmax())
        # On the CPU, whose generators give the same on every machine.
        return int(torch.multinomial(chances.cpu(), 1, generator=self._generator))

    def _told(self, logits: torch.Tensor, token: int) -> Chosen:
        if self.logprobs is None:
            return Chosen(token, 0.0, ())
        logprobs = logits.log_softmax(-1)
        values, tokens = logprobs.topk(min(self.logprobs, logprobs.numel()))
        return Chosen(token, float(logprobs[token]), tuple(zip(tokens.tolist(), values.tolist(), strict=True)))


class EachInItsOwnWay(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]
    """Leaves in each row the token that the row's request chooses.

    It reads the requests when the batch is put together, so that the batching must neither overlap batches nor replay graphs.
    """

    supported_kwargs = {"sampling": Sampling}  # noqa: RUF012
    ignored_kwargs = ()

    def __init__(self) -> None:
        self._rows: list[Sampling] = []

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        int32_tensor.fill_(0)

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> torch.Tensor:
        self._rows = [request.state.logit_processor_kwargs["sampling"] for request in requests_with_new_token]
        return torch.zeros(len(self._rows), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        left = torch.full_like(scores, NOTHING)
        for row, sampling in enumerate(self._rows):
            left[row, sampling.choose(scores[row])] = 0.0
        return left
