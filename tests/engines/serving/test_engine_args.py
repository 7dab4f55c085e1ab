"""Only the flags of the list, with their types and ranges; all else is refused by name."""

import pytest

from engines.serving.engine_args import BadFlag, EngineArgs


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ([], []),
        (["--max-model-len=4096"], ["--max-model-len=4096"]),
        (["--max-model-len", "4096"], ["--max-model-len=4096"]),
        (["--enforce-eager"], ["--enforce-eager"]),
        (["--enforce-eager=true"], ["--enforce-eager"]),
        (["--enforce-eager=false"], ["--no-enforce-eager"]),
        (["--no-enable-prefix-caching"], ["--no-enable-prefix-caching"]),
        (["--dtype", "float32", "--seed=0"], ["--dtype=float32", "--seed=0"]),
        (["--block-size=32"], ["--block-size=32"]),
        (["--max-lora-rank", "64", "--enable-lora"], ["--enable-lora", "--max-lora-rank=64"]),
        (["--gpu-memory-utilization=0.5"], ["--gpu-memory-utilization=0.5"]),
        (
            ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"],
            ["--enable-auto-tool-choice", "--tool-call-parser=hermes"],
        ),
        (["--reasoning-parser=qwen3"], ["--reasoning-parser=qwen3"]),
        (['--limit-mm-per-prompt={"image": 2}'], ['--limit-mm-per-prompt={"image": 2}']),
    ],
)
def test_allowed_flags_are_written_out_anew(words: list[str], flags: list[str]) -> None:
    assert EngineArgs.parse(words).flags() == flags


@pytest.mark.parametrize(
    "flag",
    [
        "--trust-remote-code",
        "--middleware",
        "--tool-parser-plugin",
        "--reasoning-parser-plugin",
        "--worker-cls",
        "--hf-overrides",
        "--chat-template",
        "--load-format",
        "--host",
        "--port",
        "--api-key",
        "--model",
        "--served-model-name",
        "--max-model",
        "--max_model_len",
        "--limit-mm-per-prompt.image",
        "--no-max-model-len",
        "--no-no-enforce-eager",
        "--no-enforce_eager",
        "--",
        "--ENFORCE-EAGER",
    ],
)
@pytest.mark.parametrize("value", [None, "1"])
def test_any_other_flag_is_refused_by_name(flag: str, value: str | None) -> None:
    with pytest.raises(BadFlag) as refused:
        EngineArgs.parse([flag] if value is None else [f"{flag}={value}"])
    assert (refused.value.flag, str(refused.value)) == (flag, f"{flag}: this flag may not be set")


@pytest.mark.parametrize("word", ["-tp", "-q=awq", "model", "-", ""])
def test_what_is_not_a_flag_is_refused(word: str) -> None:
    with pytest.raises(BadFlag) as refused:
        EngineArgs.parse([word])
    assert str(refused.value) == f"{word}: this is not a flag"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-model-len"], "--max-model-len: a value is missing"),
        (["--max-model-len", "--seed=1"], "--max-model-len: a value is missing"),
        (["--seed=1", "--seed=2"], "--seed: it is given twice"),
        (["--enforce-eager", "--no-enforce-eager"], "--no-enforce-eager: it is given twice"),
        (["--max-model-len=0"], "--max-model-len: input should be greater than or equal to 1, not '0'"),
        (["--max-num-seqs=5000"], "--max-num-seqs: input should be less than or equal to 1024, not '5000'"),
        (["--gpu-memory-utilization=1.0"], "--gpu-memory-utilization: input should be less than or equal to 0.95, not '1.0'"),
        (["--dtype=int4"], "--dtype: input should be 'auto', 'bfloat16', 'float16' or 'float32', not 'int4'"),
        (["--block-size=17"], "--block-size: input should be 16, 32, 64, 128 or 256, not 17"),
        (["--limit-mm-per-prompt=image"], "--limit-mm-per-prompt: this is not a JSON object"),
    ],
)
def test_a_bad_value_is_refused_with_its_flag(words: list[str], message: str) -> None:
    with pytest.raises(BadFlag) as refused:
        EngineArgs.parse(words)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "word",
    [
        "--max-model-len=1k",
        "--max-model-len=-1",
        "--max-model-len=auto",
        "--max-model-len=1.5",
        "--seed=4294967296",
        "--gpu-memory-utilization=nan",
        "--gpu-memory-utilization=0",
        "--tool-call-parser=/tmp/parser.py",
        "--reasoning-parser=os.path",
        "--quantization=bitsandbytes",
        "--limit-mm-per-prompt=5",
        '--limit-mm-per-prompt={"image": 99}',
        '--limit-mm-per-prompt={"file": 1}',
        "--enforce-eager=perhaps",
    ],
)
def test_values_outside_their_type_or_range_are_refused(word: str) -> None:
    with pytest.raises(BadFlag) as refused:
        EngineArgs.parse([word])
    assert refused.value.flag == word.partition("=")[0]


@pytest.mark.parametrize(
    ("words", "batch", "gpus", "flags"),
    [
        ([], None, 1, []),
        (["--dtype=float32"], 8, 1, ["--max-num-seqs=8", "--dtype=float32"]),
        (["--max-num-seqs=8"], 8, 1, ["--max-num-seqs=8"]),
        ([], None, 4, ["--tensor-parallel-size=4"]),
        (["--tensor-parallel-size=2"], None, 4, ["--tensor-parallel-size=2"]),
    ],
)
def test_what_a_deployment_says_elsewhere_becomes_flags(words: list[str], batch: int | None, gpus: int, flags: list[str]) -> None:
    assert EngineArgs.of(words, max_batch_size=batch, gpus=gpus).flags() == flags


@pytest.mark.parametrize(
    ("words", "batch", "gpus", "message"),
    [
        (["--max-num-seqs=4"], 8, 1, "--max-num-seqs: it is 4, and max_batch_size is 8"),
        (["--tensor-parallel-size=2"], None, 1, "--tensor-parallel-size: it is 2, and a replica has 1 GPU"),
        (["--tensor-parallel-size=3"], None, 4, "--tensor-parallel-size: 4 GPUs cannot be divided by 3"),
        (["--trust-remote-code"], None, 1, "--trust-remote-code: this flag may not be set"),
    ],
)
def test_what_contradicts_it_is_refused(words: list[str], batch: int | None, gpus: int, message: str) -> None:
    with pytest.raises(BadFlag) as refused:
        EngineArgs.of(words, max_batch_size=batch, gpus=gpus)
    assert str(refused.value) == message
