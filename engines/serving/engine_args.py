"""The engine flags that a user may set, and nothing else.

The engine's own parser takes abbreviations, underscores and dotted forms, so that no filter of strings holds. Flags are parsed
here to exact names with types and ranges, and written out anew. Whatever imports code, reads files or changes identity, network
or authentication is not among them.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

ToolCallParser = Literal[
    "apertus", "cohere_command3", "cohere_command4", "deepseek_v3", "deepseek_v31", "deepseek_v32", "deepseek_v4",
    "deepseek_v41", "dots", "ernie45", "functiongemma", "gemma4", "gigachat3", "glm45", "glm47", "granite", "granite-20b-fc",
    "granite4", "hermes", "hf", "hunyuan_a13b", "hy_v3", "hy_v4", "inkling", "internlm", "jamba", "k2_horizon", "kimi_k2",
    "kimi_k3", "lfm2", "ling3", "llama3_json", "llama4_json", "llama4_pythonic", "longcat", "mimo", "minicpm5", "minimax_m2",
    "minimax_m3", "mistral", "muse_glimmer", "olmo3", "openai", "phi4_mini_json", "plamo3", "poolside_v1", "pythonic",
    "qwen3_coder", "qwen3_json", "qwen3_xml", "seed_oss", "step3", "step3p5", "xlam",
]  # fmt: skip
ReasoningParser = Literal[
    "cohere_command3", "cohere_command4", "deepseek_r1", "deepseek_v3", "deepseek_v4", "deepseek_v41", "ernie45", "gemma4",
    "glm45", "glm47", "granite", "granite_thinking_parser", "hf", "holo2", "hunyuan_a13b", "hy_v3", "hy_v4", "inkling",
    "k2_horizon", "kimi_k2", "kimi_k3", "ling3", "mimo", "minicpmv", "minimax_m2", "minimax_m2_append_think", "minimax_m3",
    "mistral", "muse_glimmer", "nemotron_v3", "olmo3", "openai_gptoss", "plamo3", "poolside_v1", "qwen3", "seed_oss", "step3",
    "step3p5",
]  # fmt: skip
Quantization = Literal[
    "awq", "awq_marlin", "gptq", "gptq_marlin", "fp8", "fbgemm_fp8", "compressed-tensors", "modelopt", "modelopt_fp4", "mxfp4",
    "mxfp8", "experts_int8", "quark", "torchao", "fp8_per_tensor", "fp8_per_block", "fp8_per_channel",
]  # fmt: skip
Modality = Literal["image", "audio", "video"]


class BadFlag(ValueError):
    """A flag that is not allowed, or not with this value; the message begins with `flag`."""

    def __init__(self, flag: str, reason: str) -> None:
        super().__init__(f"{flag}: {reason}")
        self.flag = flag
        self.reason = reason


class EngineArgs(BaseModel):
    """Engine flags as the user set them; what is null was not set and is the engine's to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_model_len: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    max_num_seqs: Annotated[int, Field(ge=1, le=1024)] | None = None
    max_num_batched_tokens: Annotated[int, Field(ge=1, le=1_048_576)] | None = None
    enable_chunked_prefill: bool | None = None
    scheduling_policy: Literal["fcfs", "priority"] | None = None
    dtype: Literal["auto", "bfloat16", "float16", "float32"] | None = None
    quantization: Quantization | None = None
    kv_cache_dtype: Literal["auto", "bfloat16", "float16", "fp8", "fp8_e4m3", "fp8_e5m2"] | None = None
    enable_prefix_caching: bool | None = None
    block_size: Literal[16, 32, 64, 128, 256] | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    enforce_eager: bool | None = None
    max_logprobs: Annotated[int, Field(ge=0, le=100)] | None = None
    enable_lora: bool | None = None
    max_loras: Annotated[int, Field(ge=1, le=64)] | None = None
    max_lora_rank: Literal[1, 8, 16, 32, 64, 128, 256, 320, 512] | None = None
    enable_auto_tool_choice: bool | None = None
    tool_call_parser: ToolCallParser | None = None
    reasoning_parser: ReasoningParser | None = None
    limit_mm_per_prompt: dict[Modality, Annotated[int, Field(ge=0, le=16)]] | None = None
    tensor_parallel_size: Annotated[int, Field(ge=1, le=16)] | None = None
    # The rest is the driver's and the other replicas': an engine that takes all of it dies of the first allocation besides.
    gpu_memory_utilization: Annotated[float, Field(ge=0.05, le=0.95)] | None = None

    @field_validator("block_size", "max_lora_rank", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value

    @field_validator("limit_mm_per_prompt", mode="before")
    @classmethod
    def _object(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """Read `--name=value`, `--name value`, `--name` and `--no-name`; BadFlag for anything else."""
        values: dict[str, str | bool] = {}
        for flag, field, value in _pairs(words, cls.model_fields):
            if field in values:
                raise BadFlag(flag, "it is given twice")
            values[field] = value
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise BadFlag(flag_of(str(first["loc"][0])), _reason(first)) from None

    @classmethod
    def of(cls, words: Sequence[str], *, max_batch_size: int | None, gpus: int) -> Self:
        """Read the flags of a deployment and add what it says elsewhere: how many requests a replica works on at once, and on
        how many GPUs, which is 1 on a CPU. BadFlag besides where the two contradict each other.
        """
        args = cls.parse(words)
        if args.max_num_seqs is not None and max_batch_size not in (None, args.max_num_seqs):
            raise BadFlag("--max-num-seqs", f"it is {args.max_num_seqs}, and max_batch_size is {max_batch_size}")
        if (args.tensor_parallel_size or 1) > gpus:
            raise BadFlag("--tensor-parallel-size", f"it is {args.tensor_parallel_size}, and a replica has {gpus} GPU")
        if args.tensor_parallel_size is not None and gpus % args.tensor_parallel_size:
            raise BadFlag("--tensor-parallel-size", f"{gpus} GPUs cannot be divided by {args.tensor_parallel_size}")
        more = {
            "max_num_seqs": args.max_num_seqs or max_batch_size,
            "tensor_parallel_size": args.tensor_parallel_size or (gpus if gpus > 1 else None),
        }
        return args.model_copy(update=more)

    def flags(self) -> list[str]:
        """Return what was set as arguments of the engine."""
        return [_written(name, value) for name, value in self.model_dump(exclude_none=True).items()]


def flag_of(field: str) -> str:
    return "--" + field.replace("_", "-")


def _pairs(words: Sequence[str], fields: Any) -> Iterator[tuple[str, str, str | bool]]:
    rest = list(words)
    while rest:
        word = rest.pop(0)
        flag, equals, value = word.partition("=")
        if not flag.startswith("--"):
            raise BadFlag(word, "this is not a flag")
        field = flag.removeprefix("--").replace("-", "_")
        negated = field.removeprefix("no_")
        if _is_switch(negated, fields) and flag == "--no-" + flag_of(negated)[2:] and not equals:
            yield flag, negated, False
        elif field not in fields or flag != flag_of(field):
            raise BadFlag(flag, "this flag may not be set")
        elif equals:
            yield flag, field, value
        elif _is_switch(field, fields):
            yield flag, field, True
        elif rest and not rest[0].startswith("--"):
            yield flag, field, rest.pop(0)
        else:
            raise BadFlag(flag, "a value is missing")


def _is_switch(field: str, fields: Any) -> bool:
    return field in fields and fields[field].annotation == bool | None


def _reason(error: Any) -> str:
    if error["type"] == "value_error":
        return "this is not a JSON object"
    return str(error["msg"])[0].lower() + str(error["msg"])[1:] + f", not {error['input']!r}"


def _written(field: str, value: Any) -> str:
    if isinstance(value, bool):
        return flag_of(field) if value else "--no-" + flag_of(field)[2:]
    return f"{flag_of(field)}={json.dumps(value) if isinstance(value, dict) else value}"
