"""What the demo trains: a base model that this machine can make, and an example's job."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.cli.exits import ERROR, CliError
from burnish.cli.output import Output
from burnish.kit.settings import Settings
from engines import orphans

EXAMPLES = Path(__file__).parents[2] / "examples"
TAIL = 20


@dataclass(frozen=True)
class Recipe:
    """`module` makes the base model's folder; `example` holds the job, its dataset and its reward."""

    title: str
    model: str
    module: str
    example: str

    @property
    def job_file(self) -> Path:
        return EXAMPLES / self.example / "job.toml"

    def folder(self, settings: Settings) -> Path:
        """Return where the base model is kept once it is made."""
        return settings.cache / "bases" / self.model


QUICK = Recipe("a tiny model learns to add", "tiny", "engines.bases.tiny", "quick")
FULL = Recipe("SmolLM2-135M-Instruct learns to add", "SmolLM2-135M-Instruct", "engines.bases.smollm2", "sums")


def make_base(recipe: Recipe, settings: Settings, out: Output) -> Path:
    """Make the base model where it is not there yet; its folder appears whole or not at all."""
    folder = recipe.folder(settings)
    if folder.is_dir():
        out.say(f"  {recipe.model} was made before: {folder}")
        return folder
    command = [sys.executable, "-P", "-m", recipe.module, str(folder)]
    said: list[str] = []
    environment = {**os.environ, "TQDM_DISABLE": "1", orphans.VARIABLE: orphans.mark()}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            for line in filter(str.strip, process.stdout):
                said.append(line.rstrip())
                out.say(f"  {line.rstrip()}", style="dim")
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0 or not folder.is_dir():
        raise CliError(
            f"The base model could not be made: {recipe.module} ended with {process.returncode}.", ERROR, details=said[-TAIL:]
        )
    return folder


def rows(dataset: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in dataset.read_text().splitlines() if line.strip()]
