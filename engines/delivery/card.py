"""The model card, `README.md`, of a trained model on Hugging Face: what it is, how it came to be, and how to load it.

It names no account, no row of the dataset and no reward: only what the owner chose to publish, and what the trainer measured.
"""

import json
from dataclasses import dataclass
from typing import Any

from engines.delivery.parts import ALONE, VIDEO, Weights
from models.dataset import Dataset
from models.job import Checkpoint, Job

# Of each method: what people call it, and the metrics that tell how far it got, each with what it is.
HOW = {
    "grpo": "GRPO (group relative policy optimisation)",
    "sft": "SFT (supervised fine-tuning)",
    "dpo": "DPO (direct preference optimisation)",
    VIDEO: "supervised fine-tuning on clips with captions",
}
LOSS = ("loss", "Training loss")
HELD_OUT_LOSS = ("eval_loss", "Loss on held-out rows")
TELLING = {
    "grpo": (
        ("reward", "Mean reward"),
        ("reward_std", "Spread of the reward"),
        ("kl", "KL divergence from the base model"),
        ("completions/mean_length", "Mean length of a completion, in tokens"),
        ("eval_reward", "Mean reward on held-out rows"),
    ),
    "sft": (LOSS, ("mean_token_accuracy", "Share of tokens foreseen"), HELD_OUT_LOSS),
    "dpo": (
        LOSS,
        ("rewards/accuracies", "Share of pairs in which the preferred answer is the likelier one"),
        ("rewards/margins", "Mean margin between the two answers"),
        HELD_OUT_LOSS,
    ),
    VIDEO: (LOSS,),
}
SCORES = {"grpo": "mean reward", "sft": "loss", "dpo": "loss"}

TEXT = """from transformers import pipeline

generate = pipeline("text-generation", model="{repo}")
print(generate([{{"role": "user", "content": "…"}}])[0]["generated_text"][-1]["content"])
"""
ADAPTER = """from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "{base}"{where}
tokenizer = AutoTokenizer.from_pretrained(base{revision})
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base{revision}), "{repo}")
"""
CLIP = """import torch
from diffusers import CogVideoXPipeline
from diffusers.utils import export_to_video

base = "{base}"{where}
pipe = CogVideoXPipeline.from_pretrained(base{revision}, torch_dtype=torch.bfloat16).to("cuda")
pipe.load_lora_weights("{repo}")
prompt = "…"  # a caption like those that it was trained on
clip = pipe(
    prompt, num_frames={num_frames}, height={height}, width={width}, num_inference_steps={steps},
    generator=torch.Generator().manual_seed({seed}),
).frames[0]
export_to_video(clip, "clip.mp4", fps={fps})
"""


@dataclass(frozen=True)
class Kind:
    """The library that loads what is delivered, what it is for, and the code that does."""

    library: str
    pipeline: str
    code: str


def text(row: Job, dataset: Dataset, final: Checkpoint, repo: str) -> str:
    """Return the card of what is delivered to `repo`."""
    kind = _kind(row, final)
    of = f"{row.base_model} at commit {row.base_revision}" if row.base_revision else row.base_model
    what = f"A LoRA adapter of {of}" if kind.code is not TEXT else of
    how = HOW.get(row.method, row.method)
    sections = [
        f"---\n{_front_matter(row, kind)}---",
        f"# {row.output_name}",
        f"{what}, trained for {final.step} steps with {how} by Burnish.",
        _beside(row, final, repo),
        f"Dataset: {dataset.num_rows} rows, sha256 `{dataset.sha256}`. Job: `{row.id}`.",
        _results(row, final),
        f"## Use\n\n```python\n{_code(row, kind, repo)}```",
        _table("Hyperparameters", ("name", "value"), {f"`{name}`": value for name, value in row.hyperparameters.items()}),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _kind(row: Job, final: Checkpoint) -> Kind:
    if row.method == VIDEO:
        return Kind("diffusers", "text-to-video", CLIP)
    alone = final.adapter_rank is not None and _weights(row) == ALONE
    return Kind("peft", "text-generation", ADAPTER) if alone else Kind("transformers", "text-generation", TEXT)


def _weights(row: Job) -> Weights | None:
    wanted: Weights | None = row.checkpoint_destination.get("weights")
    return wanted


def _front_matter(row: Job, kind: Kind) -> str:
    adapter = kind.code is not TEXT
    tags = "".join(f"- {tag}\n" for tag in ("burnish", row.method, *(["lora"] if adapter else [])))
    # A registered model has no page on the hub to refer to.
    on_hub = "/" in row.base_model
    base = f"base_model: {row.base_model}\n" if on_hub else ""
    base += "base_model_relation: adapter\n" if on_hub and adapter else ""
    return f"library_name: {kind.library}\npipeline_tag: {kind.pipeline}\n{base}tags:\n{tags}"


def _beside(row: Job, final: Checkpoint, repo: str) -> str:
    """Say where the adapter is that lies beside the model it was merged into."""
    if final.adapter_rank is None or _weights(row) not in (None, "both"):
        return ""
    return (
        f"The weights are merged into the base; `adapter/` holds the LoRA adapter of rank {final.adapter_rank} by itself: "
        f'`PeftModel.from_pretrained(base, "{repo}", subfolder="adapter")`.'
    )


def _results(row: Job, final: Checkpoint) -> str:
    measured = {title: row.latest_metrics[key] for key, title in TELLING.get(row.method, ()) if key in row.latest_metrics}
    table = _table("Results", ("last measured", "value"), {title: float(f"{value:.4g}") for title, value in measured.items()})
    if final.score is None:
        return table
    at = f" The best was at step {row.best_step}." if row.best_step is not None else ""
    score = f"Score of this model on rows held out of the training, {SCORES.get(row.method, 'score')}: {final.score:.4g}.{at}"
    return f"{table}\n\n{score}" if table else f"## Results\n\n{score}"


def _table(title: str, head: tuple[str, str], rows: dict[str, Any]) -> str:
    lines = "\n".join(f"| {name} | {json.dumps(value)} |" for name, value in rows.items() if value is not None)
    return f"## {title}\n\n| {head[0]} | {head[1]} |\n| --- | --- |\n{lines}" if lines else ""


def _code(row: Job, kind: Kind, repo: str) -> str:
    hyper = row.hyperparameters
    return kind.code.format(
        repo=repo,
        base=row.base_model,
        where="" if "/" in row.base_model else "  # the folder of that model",
        revision=f', revision="{row.base_revision}"' if row.base_revision else "",
        steps=hyper.get("sample_steps"),
        **{name: hyper.get(name) for name in ("num_frames", "height", "width", "fps", "seed")},
    )
