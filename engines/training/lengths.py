"""The child task `data.tokens`: how long the prompts of a dataset are for a model, by its own tokenizer and chat template."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from engines.bases import hub
from engines.protocol import ChildFailure, Reporter
from engines.training import environment
from engines.training.prompts import Row, count_tokens


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Count for `spec` `{model, dataset_path}`; return `{lengths, revision}`, with how many prompts have each length.

    ChildFailure `model_unavailable` where there is no tokenizer, `dataset_error` where its template refuses a prompt.
    """
    tokenizer, revision = tokenizer_of(spec["model"], reporter)
    lengths = Counter[int]()
    with Path(spec["dataset_path"]).open(encoding="utf-8-sig") as lines:
        for index, line in enumerate(lines):
            if line.strip():
                lengths[_length(index, json.loads(line), tokenizer)] += 1
    return {"lengths": sorted(lengths.items()), "revision": revision}


def tokenizer_of(source: dict[str, Any], reporter: Reporter) -> tuple[Any, str | None]:
    """Return a model's tokenizer, fetched where it is not here, and its commit."""
    base, revision = source.get("path"), None
    if base is None:
        base, revision = hub.fetch(
            source["repo"], source["revision"], source["token"], source["cache_dir"], reporter.log, weights=False
        )
    environment.settle(1, "cpu")
    from engines.training import weights

    return weights.load_tokenizer(Path(base)), revision


def _length(index: int, row: dict[str, Any], tokenizer: Any) -> int:
    prompt = row["prompt"] if "prompt" in row else row["caption"]
    if not isinstance(prompt, str) and not tokenizer.chat_template:
        raise ChildFailure("dataset_error", "The prompts are message lists, but the base model has no chat template.")
    return count_tokens(Row(index, prompt, {}), tokenizer)
