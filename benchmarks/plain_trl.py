"""The peer of `benchmarks.grpo` and `benchmarks.gpu`: the same training as one plain TRL script, its reward in the same process.

`python -m benchmarks.plain_trl MODEL DATASET REWARD WANTED OUTPUT`, with the hyperparameters and `device`, `micro_batch` and
`vllm` in WANTED, as JSON. Writes what its steps took to `steps.json`, and does nothing else that a bare script would not.
"""

import importlib.util
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

KEPT = ("reward", "step_time", "num_tokens")


class Steps(TrainerCallback):  # type: ignore[misc]
    """Notes what each step took, and when it ended."""

    def __init__(self) -> None:
        self.found: list[dict[str, float]] = []
        self.generate_s = 0.0

    def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
        if "reward" in logs:
            took, self.generate_s = self.generate_s, 0.0
            self.found.append({**{key: logs[key] for key in KEPT}, "generate_time": took, "at": time.time()})

    def timed(self, generate: Any) -> Any:
        def timing(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            made = generate(*args, **kwargs)
            self.generate_s += time.perf_counter() - started
            return made

        return timing


def reward_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("user_reward", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def reward(**columns: Any) -> list[float]:
        answers = module.reward(**columns)
        return [float(sum(item.values()) if isinstance(item, dict) else item) for item in answers]

    return reward


def config(wanted: dict[str, Any], output: str) -> GRPOConfig:
    on_gpu = wanted.get("device") == "cuda"
    micro = wanted.get("micro_batch") or wanted["global_batch_size"]
    vllm = {"use_vllm": True, "vllm_mode": "colocate", "vllm_gpu_memory_utilization": 0.3} if wanted.get("vllm") else {}
    return GRPOConfig(
        output_dir=output,
        use_cpu=not on_gpu,
        bf16=on_gpu,
        gradient_checkpointing=on_gpu,
        report_to="none",
        disable_tqdm=True,
        logging_steps=1,
        save_strategy="no",
        learning_rate=wanted["learning_rate"],
        lr_scheduler_type="constant",
        max_steps=wanted["max_steps"],
        num_generations=wanted["rollouts_per_prompt"],
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=wanted["global_batch_size"] // micro,
        max_completion_length=wanted["max_response_length"],
        beta=wanted["kl_coef"],
        seed=wanted["seed"],
        **vllm,
    )


def peak_bytes(on_gpu: bool) -> int:
    return torch.cuda.max_memory_reserved() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(model: str, dataset: str, reward: str, hyperparameters: str, output: str) -> None:
    wanted = json.loads(hyperparameters)
    on_gpu = wanted.get("device") == "cuda"
    if not on_gpu:
        torch.set_num_threads(1)
    steps = Steps()
    trainer = GRPOTrainer(
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        reward_of(Path(reward)),
        config(wanted, output),
        Dataset.from_list([json.loads(line) for line in Path(dataset).read_text().splitlines()]),
        processing_class=AutoTokenizer.from_pretrained(model),
        callbacks=[steps],
    )
    trainer._generate_single_turn = steps.timed(trainer._generate_single_turn)
    trainer.train()
    trainer.save_model(output)
    Path(output, "steps.json").write_text(json.dumps({"steps": steps.found, "peak_bytes": peak_bytes(on_gpu)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
