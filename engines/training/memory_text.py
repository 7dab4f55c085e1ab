"""What GRPO, SFT and DPO take: the same model, optimizer and passes, and what each has beside them.

Sources of the figures: `weights.load_policy` and the trainers' options say what is held in which precision; torch's AdamW keeps
two moments a weight in the weight's own precision; TRL's fused head (`trl.kernels.chunked_logprob`) says what its tiles take;
what a layer keeps for its backward pass was counted on Qwen3 and Llama of transformers with torch's saved-tensor hooks, which
the tests repeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engines.training.grpo_spec import GrpoHyperparameters
from engines.training.memory import Device, Estimate, Part, at_peak
from engines.training.memory_model import TextModel
from engines.training.micro_batch import micro_batch
from engines.training.text_spec import DpoHyperparameters, SftHyperparameters

Hyperparameters = GrpoHyperparameters | SftHyperparameters | DpoHyperparameters

FLOAT, HALF = 4, 2
ADAM_BYTES = 2 * FLOAT
# 4-bit weights with one float32 scale for each 64 of them (bitsandbytes, NF4, scales not quantised again).
NF4_BYTES = 0.5 + FLOAT / 64
# Tiles of the fused head: so many positions and words at once. On a GPU one kernel turns a tile into its gradient in place; on
# the CPU torch's operations hold eight of them in float32 (chunked_logprob._backward_tile).
TILE_POSITIONS, TILE_WORDS = 4096, 32_768
CPU_TILES = 8.25
# Of a GPU so much may be taken by what stays, else several GPUs share it; and by vLLM, which is used where there is this much
# room for its cache beside its weights (engines.training.accelerators).
STAYING_SHARE, VLLM_SHARE_MAX, VLLM_CACHE_MIN_BYTES = 0.7, 0.6, 2 * 2**30


@dataclass(frozen=True)
class Kept:
    """Bytes that a layer keeps of each token for the backward pass, by width: of the hidden state, of the gated layer between, of
    all attention heads, and of the key-value heads. `mask` is of each token of the sequence.
    """

    hidden: float
    between: float
    heads: float
    kv: float
    mask: int

    def of_layer(self, model: TextModel, length: int) -> float:
        """Return the bytes of one token in one layer of the model, in a sequence of a length."""
        wide = self.between * model.intermediate + self.heads * model.attention_width + self.kv * model.kv_width
        return self.hidden * model.hidden + wide + self.mask * length


# Counted with the norms of queries and keys that Qwen3 has; Llama keeps 8 to 15 % less. Keys and values are repeated for every
# head where rows are padded (transformers.integrations.sdpa_attention).
FULL_FLOAT = Kept(24, 16, 24, 8, FLOAT)
LORA_FLOAT = Kept(16, 16, 20, 4, FLOAT)
LORA_HALF = Kept(28, 10, 16, 4, HALF)
FULL_AUTOCAST = Kept(26, 8, 14, 6, HALF)
LORA_AUTOCAST = Kept(18.2, 8.1, 14.2, 4.1, HALF)


@dataclass(frozen=True)
class Policy:
    """The model as a job trains it: with an adapter of `rank`, in 4 bits, or all of its weights; each of several GPUs has a share
    (`shards`) or a copy of its own.
    """

    model: TextModel
    device: Device
    rank: int | None
    in_4bit: bool = False
    shards: int = 1
    copies: int = 1

    @property
    def trained(self) -> int:
        """How many weights train."""
        return self.model.parameters if self.rank is None else self.rank * self.model.adapted_width

    @property
    def weights(self) -> int:
        """All weights train in float32; beside an adapter the base stays as its files have it, or its layers are in 4 bits."""
        if self.rank is None:
            return FLOAT * self.model.parameters
        if self.in_4bit:
            rest = self.model.parameters - self.model.adapted_weights
            return round(NF4_BYTES * self.model.adapted_weights) + HALF * rest
        return self.model.weight_bytes

    @property
    def kept(self) -> Kept:
        if self.device == "cuda":
            return FULL_AUTOCAST if self.rank is None else LORA_AUTOCAST
        if self.rank is None:
            return FULL_FLOAT
        return LORA_HALF if self.model.is_half else LORA_FLOAT

    @property
    def residual_bytes(self) -> int:
        """Bytes of one number of the hidden states between layers: float32 where the embeddings are."""
        return HALF if self.rank is not None and (self.model.is_half or self.in_4bit) else FLOAT

    @property
    def computed_bytes(self) -> int:
        """Bytes of one number of what layers compute: a GPU computes in bfloat16."""
        return HALF if self.device == "cuda" else self.residual_bytes

    def lasting(self) -> list[Part]:
        """What is there from the first step to the last."""
        adapter = 0 if self.rank is None else FLOAT * self.trained
        parts = [Part("weights", self.weights), Part("adapter", adapter), Part("optimizer", ADAM_BYTES * self.trained)]
        return self.shared(parts)

    def shared(self, parts: Sequence[Part]) -> list[Part]:
        """Return what of these each GPU has where they are sharded (FSDP)."""
        return [replace(part, bytes=part.bytes // self.shards) for part in parts]

    def backward(self, rows: int, length: int) -> list[Part]:
        """What one forward and backward pass of so many rows takes. On a GPU layers keep their input alone and compute the rest
        again, one layer at a time (gradient checkpointing).
        """
        model, tokens = self.model, rows * length
        layer = tokens * self.kept.of_layer(model, length)
        # The gradients of a layer's own activations, of which the widest are those between.
        passing = tokens * self.computed_bytes * (3 * model.intermediate + 2 * model.hidden)
        if self.device == "cuda":
            inputs = model.layers * tokens * model.hidden * self.residual_bytes
            # The layer's weights in bfloat16, beside those in float32.
            cast = HALF * model.adapted_weights // model.layers if self.rank is None or self.in_4bit else 0
            kept = inputs + layer + cast
        else:
            kept = model.layers * layer
        # DDP sends gradients from buckets of its own, as large as they are. FSDP gathers the layer that it is in, and the next.
        gradients = FLOAT * self.trained * (2 if self.copies > 1 else 1)
        gathered = 2 * FLOAT * model.adapted_weights // model.layers if self.shards > 1 else 0
        return [
            *self.shared([Part("gradients", gradients, passing=True)]),
            Part("gathered layers", gathered, passing=True),
            Part("activations", round(kept + passing), passing=True),
            Part("logits", self.logits(tokens), passing=True),
        ]

    def logits(self, tokens: int) -> int:
        """What the fused head takes: tiles, the gradient of the hidden states, and that of its own weights where they train."""
        model = self.model
        positions, words = min(tokens, TILE_POSITIONS), min(model.vocabulary, TILE_WORDS)
        of_hidden = tokens * model.hidden * FLOAT
        of_weights = FLOAT * model.vocabulary * model.hidden if self.rank is None else 0
        if self.device == "cuda":
            return positions * TILE_WORDS * HALF + of_hidden + of_weights
        rounded = FLOAT * words * model.hidden if self.computed_bytes == HALF else 0
        return round(CPU_TILES * positions * words * FLOAT) + of_hidden + of_weights + rounded

    def generation(self, rows: int, prompt: int, answer: int) -> list[Part]:
        """What sampling takes: keys and values of every layer for all rows at once, and the newest word's probabilities.

        Under autocast a model with weights in float32 keeps its keys in float32, turned by float32 angles, and its values in
        half.
        """
        model, length = self.model, prompt + answer
        pair = FLOAT + HALF if self.device == "cuda" and self.rank is None else 2 * self.residual_bytes
        cache = rows * length * model.layers * model.kv_width * pair
        # A layer's cache is copied as it grows by a word, and repeated for all heads while it is read.
        copied = rows * length * (model.kv_width * pair + 2 * model.attention_width * self.computed_bytes)
        # Logits, their scores and probabilities, sorted copies for nucleus sampling.
        words = 4 * rows * model.vocabulary * FLOAT
        prompts = rows * prompt * self.computed_bytes * (3 * model.intermediate + 6 * model.hidden)
        # Autocast keeps all weights in half precision within a pass.
        cast = HALF * model.adapted_weights if self.device == "cuda" and self.rank is None else 0
        passing = max(prompts, copied + words) + cast
        return [Part("KV cache", cache, passing=True), Part("sampling", passing, passing=True)]


def grpo(
    hyper: GrpoHyperparameters, model: TextModel, device: Device, gpus: int = 1, gpu_bytes: int | None = None, vllm: bool = False
) -> Estimate:
    """Estimate a GRPO job: all completions of a step are sampled at once, then learned from in passes of a few.

    Of several `gpus` the estimate is of each, and `gpu_bytes` is what one has. With `vllm` that samples, where it has room.
    """
    policy = Policy(model, device, hyper.lora_rank, hyper.load_in_4bit)
    gpus = 1 if device == "cpu" else gpus
    # The KL penalty asks the model as it was: without its adapter, or a second one in the same precision.
    reference = Part("reference model", policy.weights if hyper.lora_rank is None and hyper.kl_coef else 0)
    staying = FLOAT * policy.trained + sum(part.bytes for part in [*policy.lasting(), reference])
    # Sharded where what stays would take too much of one GPU, else with a copy on each.
    if gpus > 1 and gpu_bytes is not None and staying > STAYING_SHARE * gpu_bytes and not hyper.load_in_4bit:
        policy = replace(policy, shards=gpus)
    elif gpus > 1:
        policy = replace(policy, copies=gpus)
    share = max(1, hyper.global_batch_size // gpus)
    length = hyper.max_prompt_length + hyper.max_response_length
    lasting = [*policy.lasting(), *policy.shared([reference])]
    sampled = policy.generation(share, hyper.max_prompt_length, hyper.max_response_length)
    room = _vllm(policy, staying // policy.shards, gpu_bytes) if vllm else None
    phases = [sampled if room is None else [Part("vLLM", room)], policy.backward(micro_batch(share, length, device), length)]
    advice = ["a smaller max_response_length or max_prompt_length"]
    if room is None:
        advice.insert(0, "a smaller global_batch_size")
    if reference.bytes:
        advice.append("a kl_coef of 0, which needs no reference model")
    if hyper.lora_rank is not None and not hyper.load_in_4bit and device == "cuda":
        advice.append("load_in_4bit")
    return _estimate(policy, at_peak(lasting, phases, device), advice)


def _vllm(policy: Policy, staying: int, gpu_bytes: int | None) -> int | None:
    """Return what vLLM takes while it samples, None where it does not: without a GPU, in 4 bits, or without room."""
    if gpu_bytes is None or policy.device == "cpu" or policy.in_4bit:
        return None
    room = round(min(VLLM_SHARE_MAX * gpu_bytes, STAYING_SHARE * gpu_bytes - staying))
    return None if room < HALF * policy.model.parameters + VLLM_CACHE_MIN_BYTES else room


def sft(hyper: SftHyperparameters, model: TextModel, device: Device) -> Estimate:
    """Estimate an SFT job; a packed sequence is one row of a pass."""
    policy = Policy(model, device, hyper.lora_rank)
    rows = 1 if hyper.packing else micro_batch(hyper.global_batch_size, hyper.max_length, device)
    return _estimate(policy, _parts(policy, 0, [policy.backward(rows, hyper.max_length)]), ["a smaller max_length"])


def dpo(hyper: DpoHyperparameters, model: TextModel, device: Device) -> Estimate:
    """Estimate a DPO job: both answers of a pair are rows of one pass, and the reference is the model without its adapter, or a
    second one in the same precision.
    """
    policy = Policy(model, device, hyper.lora_rank)
    rows = 2 * micro_batch(hyper.global_batch_size, 2 * hyper.max_length, device)
    reference = policy.weights if hyper.lora_rank is None else 0
    return _estimate(policy, _parts(policy, reference, [policy.backward(rows, hyper.max_length)]), ["a smaller max_length"])


def _parts(policy: Policy, reference: int, phases: Sequence[Sequence[Part]]) -> tuple[Part, ...]:
    return at_peak([*policy.lasting(), Part("reference model", reference)], phases, policy.device)


def _estimate(policy: Policy, parts: tuple[Part, ...], advice: list[str]) -> Estimate:
    if policy.rank is None:
        advice.insert(0, "a lora_rank, which trains an adapter in place of all weights")
    return Estimate(parts, policy.model.basis, tuple(advice))
