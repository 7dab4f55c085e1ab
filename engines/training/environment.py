"""The environment of a training process, settled before torch and its kin are imported, since they read it only then."""

import ctypes
import os
import sys
import warnings
from pathlib import Path

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
QUIET = {"TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
# A thread that waits for the others spins by default, and where other processes want the cores too a step takes far longer.
THREADS = {"OMP_WAIT_POLICY": "passive"}
# vLLM within the trainer: no reports of its use, its engine in this process, whose weights it is given, and no chatter.
ENGINE = {"VLLM_NO_USAGE_STATS": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "ERROR"}
# Below this size of the weights the threads cost more than they bring: two are ten times slower than one.
SMALL_MODEL_BYTES = 50_000_000


# glibc's mallopt: keep big blocks on the heap, and the heap as large as it was. By default each large tensor is mapped and
# unmapped anew, and clearing its pages takes up to a fifth of a step on the CPU.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
KEEP_BYTES = 2**31 - 1


def thread_count(model: Path, limit: int | None) -> int:
    """Return how many threads to compute with: one for a small model, else the limit or every core that this process may use."""
    size = sum(path.stat().st_size for path in model.glob("*.safetensors"))
    return 1 if size < SMALL_MODEL_BYTES else limit or len(os.sched_getaffinity(0))


def settle(threads: int, device: str, gpus: int = 1, samples: bool = False) -> None:
    """Set variables so that nothing imported from here on reaches for the network, chatters, or takes more threads."""
    os.environ.update(OFFLINE | QUIET | THREADS, OMP_NUM_THREADS=str(threads))
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    else:
        _keep_gpus(gpus)
    if "huggingface_hub" in sys.modules:  # The fetch has imported it, and it read the variable then.
        sys.modules["huggingface_hub"].constants.HF_HUB_OFFLINE = True
    if device == "cpu" or not samples:
        # TRL imports vllm where it finds it: seconds and hundreds of megabytes for a generation backend that is not used.
        sys.modules["vllm"] = None  # type: ignore[assignment]
    else:
        os.environ.update(ENGINE)
        warnings.filterwarnings("ignore", message="TRL currently supports vLLM versions")
    _keep_memory()


def _keep_memory() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, KEEP_BYTES)


def _keep_gpus(count: int) -> None:
    """Show this process as many of the GPUs that were given to it as it trains on, one a process of the run."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count)))).split(",")
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(given[:count])
