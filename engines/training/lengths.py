"""The child task `data.tokens`: how long the rows of a dataset are for a model and a method, by the model's own tokenizer."""

from collections import Counter
from pathlib import Path
from typing import Any

from engines.bases import hub
from engines.data import rules
from engines.protocol import Reporter
from engines.training import environment
from engines.training.row_tokens import RowReader


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Count for `spec` `{model, dataset_path, method}`; return `{lengths, revision}`, with how many rows have each length.

    ChildFailure `model_unavailable` where there is no tokenizer, `dataset_error` where a row cannot be read with it.
    """
    tokenizer, revision = tokenizer_of(spec["model"], reporter)
    read = RowReader(spec["method"], tokenizer)
    lengths = Counter[int]()
    with Path(spec["dataset_path"]).open("rb") as lines:
        for index, line in enumerate(lines):
            if line.strip():
                lengths[read(index, rules.parse(line, first=index == 0)).length] += 1
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
