"""The DPO trainer child: `main(spec, reporter)` runs one attempt at one job, from its base model to a folder to serve."""

from pathlib import Path
from typing import Any

from engines.protocol import Reporter
from engines.training import text_rows, text_start
from engines.training.text_spec import DpoSpec


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Train and return `{steps}`; after a stop return `{}`, with nothing final made."""
    parsed = text_start.parse(DpoSpec, spec)
    rows = text_rows.pairs(Path(parsed.dataset_path))

    def train(job: DpoSpec, base: Path, threads: int) -> dict[str, Any]:
        from engines.training import text_run

        return text_run.dpo(job, base, rows, threads, reporter)

    return text_start.run(parsed, reporter, train)
