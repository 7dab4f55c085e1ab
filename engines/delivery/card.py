"""The model card, `README.md`, of a trained model on Hugging Face: what it is and how it came to be."""

import json

from models.dataset import Dataset
from models.job import Checkpoint, Job

HOW = {"grpo": "GRPO (group relative policy optimisation)"}


def text(row: Job, dataset: Dataset, final: Checkpoint) -> str:
    """Return the card. It names no account, no prompt and no reward: only what the owner chose to publish."""
    hyperparameters = "".join(
        f"| `{name}` | {json.dumps(value)} |\n" for name, value in row.hyperparameters.items() if value is not None
    )
    of = f"{row.base_model} at commit {row.base_revision}" if row.base_revision else row.base_model
    return (
        f"---\n{_front_matter(row)}---\n\n"
        f"# {row.output_name}\n\n"
        f"{of}, trained for {final.step} steps with {HOW.get(row.method, row.method)} by Burnish.\n\n"
        f"Dataset: {dataset.num_rows} rows, sha256 `{dataset.sha256}`. Job: `{row.id}`.\n\n"
        "## Hyperparameters\n\n| name | value |\n| --- | --- |\n" + hyperparameters
    )


def _front_matter(row: Job) -> str:
    tags = "".join(f"- {tag}\n" for tag in ("burnish", row.method))
    base = f"base_model: {row.base_model}\n" if "/" in row.base_model else ""
    return f"library_name: transformers\npipeline_tag: text-generation\n{base}tags:\n{tags}"
