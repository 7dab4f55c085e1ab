"""vLLM's command line."""

import sys
from pathlib import Path

from engines.serving import vllm
from engines.serving.engine_args import EngineArgs

MODEL = Path("/models/tiny")


def command(device: str = "cpu", args: EngineArgs | None = None, threads: int = 1) -> tuple[list[str], dict[str, str]]:
    return vllm.command(MODEL, ["chat", "dep_1"], 24_000, device, args=args, threads=threads)


def test_the_engine_listens_on_loopback_and_answers_to_its_names() -> None:
    argv, _ = command()
    assert argv[:4] == [sys.executable, "-P", "-m", vllm.MODULE]
    assert argv[4:7] == ["--model=/models/tiny", "--host=127.0.0.1", "--port=24000"]
    at = argv.index("--served-model-name")
    assert argv[at : at + 3] == ["--served-model-name", "chat", "dep_1"]
    assert argv[at + 3].startswith("--")


def test_the_model_does_not_choose_its_own_sampling() -> None:
    assert "--generation-config=vllm" in command()[0]


def test_the_engine_opens_no_connection_of_its_own() -> None:
    argv, environment = command("cuda")
    assert "--allowed-media-domains=media.invalid" in argv
    offline = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "VLLM_NO_USAGE_STATS"}
    assert {environment[name] for name in offline} == {"1"}


def test_one_request_cannot_ask_for_thousands_of_answers() -> None:
    assert command()[1]["VLLM_MAX_N_SEQUENCES"] == "128"


def test_the_cpu_engine_takes_neither_all_memory_nor_all_cores() -> None:
    argv, environment = command("cpu", threads=2)
    assert {"--enforce-eager", "--kv-cache-memory-bytes=200000000"} <= set(argv)
    assert (environment["OMP_NUM_THREADS"], environment["VLLM_CPU_OMP_THREADS_BIND"]) == ("2", "nobind")


def test_the_gpu_engine_has_nothing_of_the_cpus() -> None:
    argv, environment = command("cuda")
    assert not [word for word in argv if word.startswith(("--enforce-eager", "--kv-cache-memory-bytes"))]
    assert not {"OMP_NUM_THREADS", "VLLM_CPU_OMP_THREADS_BIND", "VLLM_ENABLE_V1_MULTIPROCESSING"} & set(environment)


def test_the_context_is_as_long_as_the_cache_has_room_for_unless_the_user_says() -> None:
    assert "--max-model-len=auto" in command()[0]
    argv, _ = command(args=EngineArgs(max_model_len=256))
    assert [word for word in argv if word.startswith("--max-model-len")] == ["--max-model-len=256"]


def test_the_users_flags_win() -> None:
    argv, _ = command(args=EngineArgs(enforce_eager=False, dtype="float32"))
    assert argv[-2:] == ["--dtype=float32", "--no-enforce-eager"]
    assert "--enforce-eager" not in argv
