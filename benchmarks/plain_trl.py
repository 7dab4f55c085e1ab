"""The peer of `benchmarks.grpo`: the same training as one plain TRL script, its reward a function in the same process.

`python -m benchmarks.plain_trl MODEL DATASET REWARD HYPERPARAMETERS OUTPUT`
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer


def reward_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("user_reward", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def reward(**columns: Any) -> list[float]:
        answers = module.reward(**columns)
        return [float(sum(item.values()) if isinstance(item, dict) else item) for item in answers]

    return reward


def main(model: str, dataset: str, reward: str, hyperparameters: str, output: str) -> None:
    torch.set_num_threads(1)
    wanted = json.loads(hyperparameters)
    config = GRPOConfig(
        output_dir=output,
        use_cpu=True,
        bf16=False,
        report_to="none",
        disable_tqdm=True,
        logging_steps=1,
        save_strategy="no",
        learning_rate=wanted["learning_rate"],
        lr_scheduler_type="constant",
        max_steps=wanted["max_steps"],
        num_generations=wanted["rollouts_per_prompt"],
        per_device_train_batch_size=wanted["global_batch_size"],
        max_completion_length=wanted["max_response_length"],
        beta=wanted["kl_coef"],
        seed=wanted["seed"],
    )
    rows = [json.loads(line) for line in Path(dataset).read_text().splitlines()]
    trainer = GRPOTrainer(
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        reward_of(Path(reward)),
        config,
        Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    trainer.train()
    trainer.save_model(output)
    steps = [{key: entry[key] for key in ("reward", "step_time")} for entry in trainer.state.log_history if "reward" in entry]
    Path(output, "steps.json").write_text(json.dumps(steps))


if __name__ == "__main__":
    main(*sys.argv[1:])
