"""The SFT trainer child: `main(spec, reporter)` runs one attempt at one job, from its base model to a folder to serve."""

from pathlib import Path
from typing import Any

from engines.protocol import Reporter
from engines.training import text_rows, text_start
from engines.training.text_spec import SftSpec


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Train and return `{steps}`; after a stop return `{}`, with nothing final made."""
    parsed = text_start.parse(SftSpec, spec)
    rows = text_rows.examples(Path(parsed.dataset_path))

    def train(job: SftSpec, base: Path, threads: int) -> dict[str, Any]:
        from engines.training import text_run

        return text_run.sft(job, base, rows, threads, reporter)

    return text_start.run(parsed, reporter, train)
