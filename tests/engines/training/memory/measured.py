"""Real trainings, each in a process forked off after the libraries are loaded: how far it grows over them is what training takes.

`python -m tests.engines.training.memory.measured FOLDER` prints a JSON object: the growth in bytes by the case, what layers
keep for the backward pass, and the constants that the estimate has in common with code that imports torch.
"""

import io
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # Read when the libraries are imported.
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    sys.modules["vllm"] = None  # type: ignore[assignment]

import peft
import torch
from diffusers import CogVideoXPipeline, CogVideoXTransformer3DModel
from transformers import Qwen3Config, Qwen3ForCausalLM

from engines.bases import tiny, tiny_video
from engines.data.archive import media_name
from engines.protocol import Reporter
from engines.training import accelerators, dpo, grpo, memory_text, run, sft, text_run, video, video_run
from engines.training.peak import STATUS
from tests.engines.training.video.clips import clip

REWARD = "def reward(completions, **columns):\n    return [float(len(each[0]['content']) % 3) for each in completions]\n"
# Every row is as long as the job allows, as the estimate has it: prompts of 30 tokens and one that asks, answers of 16.
ASKED, ANSWER = "1+" * 15, 16
LENGTH = len(ASKED) + 1 + ANSWER
SHAPES = {"none": (64, 128, 2, 2, 1, 300), "some": (384, 1152, 6, 6, 3, 16_000)}
HEAD, SIDE = 64, 64
LORA = {"lora_rank": 8}


def build(folder: Path, shape: tuple[int, ...], dtype: torch.dtype) -> Path:
    hidden, intermediate, layers, heads, kv_heads, vocabulary = shape
    tokenizer = tiny.build_tokenizer()
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=HEAD,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    Qwen3ForCausalLM(config).to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_video(folder: Path, heads: int, layers: int) -> Path:
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=heads,
        attention_head_dim=HEAD,
        in_channels=tiny_video.LATENT_CHANNELS,
        out_channels=tiny_video.LATENT_CHANNELS,
        time_embed_dim=8,
        text_embed_dim=tiny_video.TEXT_WIDTH,
        num_layers=layers,
        sample_width=SIDE // 8,
        sample_height=SIDE // 8,
        sample_frames=tiny_video.FRAMES,
        max_text_seq_length=tiny_video.TEXT_TOKENS,
        use_rotary_positional_embeddings=False,
    )
    tokenizer = tiny_video.build_tokenizer()
    pipeline = CogVideoXPipeline(
        tokenizer=tokenizer,
        text_encoder=tiny_video.build_text_encoder(len(tokenizer)),
        vae=tiny_video.build_vae(),
        transformer=transformer,
        scheduler=tiny_video.build_scheduler(rotary=False),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


ROWS: dict[str, dict[str, Any]] = {
    "sft_video_gen": {"caption": "A square moves.", "video": "square.mp4"},
    "grpo": {"prompt": [{"role": "user", "content": ASKED}]},
    "sft": {"prompt": ASKED, "completion": "2" * ANSWER},
    "dpo": {"prompt": ASKED, "chosen": "2" * ANSWER, "rejected": "3" * ANSWER},
}
MAINS: dict[str, Callable[[dict[str, Any], Reporter], Any]] = {
    "grpo": grpo.main,
    "sft": sft.main,
    "dpo": dpo.main,
    "sft_video_gen": video.main,
}


def hyperparameters(method: str, more: dict[str, Any]) -> dict[str, Any]:
    common = {"max_steps": 2, "learning_rate": 1e-5, **more}
    if method == "grpo":
        limits = {"max_prompt_length": len(ASKED) + 1, "max_response_length": ANSWER}
        return {"rollouts_per_prompt": 4, "global_batch_size": 8, **limits, **common}
    if method == "sft_video_gen":
        shape = {"num_frames": tiny_video.FRAMES, "height": SIDE, "width": SIDE}
        return {"batch_size": 4, "sample_steps": 2, "sample_prompts": 1, **shape, **common}
    return {"global_batch_size": 8, "max_length": LENGTH, **common}


CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    # Nothing but the first step of each library: what every other case has in it as well.
    "baseline": ("grpo", "none", {}),
    "grpo": ("grpo", "some", {}),
    "grpo lora": ("grpo", "half", LORA),
    "sft": ("sft", "some", {}),
    "sft lora": ("sft", "some", LORA),
    "dpo": ("dpo", "some", {}),
    "dpo lora": ("dpo", "some", LORA),
}


class Quiet(Reporter):
    """A parent that takes everything at once, and hears of the peak alone."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), io.BytesIO())
        self.peaks: list[int] = []

    def send(self, kind: str, **fields: Any) -> None:
        if kind == "memory":
            self.peaks.append(fields["peak_bytes"])

    def wait_uploaded(self, step: int, timeout_s: float | None = None) -> bool:
        return True


def apart(work: Callable[[], int]) -> int:
    """Return what `work` returns in a process of its own, so that this one stays as it was after its imports."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.read()
    os.waitpid(child, 0)
    return int(said)


def growth(method: str, base: Path, folder: Path, more: dict[str, Any]) -> int:
    """Train; return how far the memory of this process grew over what it had at the start."""
    folder.mkdir()
    (folder / "rows.jsonl").write_text((json.dumps(ROWS[method]) + "\n") * 8)
    spec: dict[str, Any] = {
        "job_id": "job_measured",
        "model": {"path": str(base)},
        "dataset_path": str(folder / "rows.jsonl"),
        "work_dir": str(folder / "work"),
        "hyperparameters": hyperparameters(method, more),
        "threads": 1,
    }
    if method == "sft_video_gen":
        (folder / media_name(ROWS[method]["video"])).write_bytes(clip(tiny_video.FRAMES, SIDE, SIDE))
        spec["media_dir"] = str(folder)
    if method == "grpo":
        (folder / "reward.py").write_text(REWARD)
        spec["reward"] = {"path": str(folder / "reward.py"), "deadline_s": 20.0}
    before, reporter = resident_bytes(), Quiet()
    MAINS[method](spec, reporter)
    # Each but the last, at the end, was worth telling.
    assert all(later >= 1.05 * earlier for earlier, later in pairwise(reporter.peaks[:-1])), reporter.peaks
    assert reporter.peaks[-1] == max(reporter.peaks)
    return reporter.peaks[-1] - before


def resident_bytes() -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def kept(folder: Path, adapted: bool, autocast: bool) -> float:
    """Return the bytes that one layer more keeps of each token for the backward pass, weights excepted."""
    found = []
    for layers in (2, 3):
        hidden, intermediate, _, heads, kv_heads, vocabulary = SHAPES["some"]
        base = build(folder / f"kept-{layers}", (hidden, intermediate, layers, heads, kv_heads, vocabulary), torch.float32)
        model = Qwen3ForCausalLM.from_pretrained(base, dtype=torch.bfloat16 if autocast and adapted else torch.float32)
        if adapted:
            model = peft.get_peft_model(model, peft.LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
        weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        storages: dict[int, torch.Tensor] = {}

        def keep(tensor: Any, weights: set[int] = weights, storages: dict[int, Any] = storages) -> Any:
            if tensor.untyped_storage().data_ptr() not in weights:
                storages[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        ids = torch.ones((4, 32), dtype=torch.long)
        mask = ids.clone()
        mask[0, :5] = 0
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", enabled=autocast):
            output = model.train()(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=1)
        assert output.logits.requires_grad
        # Of weights that train in float32 autocast keeps copies, which the estimate counts apart.
        casts = {tuple(parameter.shape) for parameter in model.parameters()} if autocast and not adapted else set()
        casts |= {shape[::-1] for shape in casts}
        found.append(sum(t.untyped_storage().nbytes() for t in storages.values() if tuple(t.shape) not in casts) / ids.numel())
    return float(found[1] - found[0])


def build_all(folder: Path) -> int:
    build(folder / "none", SHAPES["none"], torch.float32)
    build(folder / "some", SHAPES["some"], torch.float32)
    build(folder / "half", SHAPES["some"], torch.bfloat16)
    build_video(folder / "video none", 1, 1)
    build_video(folder / "video some", 8, 8)
    return 0


def main(folder: Path) -> dict[str, Any]:
    torch.set_num_threads(1)
    apart(lambda: build_all(folder))
    grown = {}
    for name, (method, base, more) in CASES.items():
        grown[name] = apart(partial(growth, method, folder / base, folder / f"job {name}", more))
    shared = ("STAYING_SHARE", "VLLM_SHARE_MAX", "VLLM_CACHE_MIN_BYTES")
    return {
        "growth": grown,
        "kept": {
            "full": kept(folder, adapted=False, autocast=False),
            "lora": kept(folder, adapted=True, autocast=False),
            "full autocast": kept(folder, adapted=False, autocast=True),
            "lora autocast": kept(folder, adapted=True, autocast=True),
        },
        "constants": {name: [getattr(accelerators, name), getattr(memory_text, name)] for name in shared},
        # Their imports are in no case's growth.
        "loaded": [module.__name__ for module in (run, text_run, video_run)],
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
