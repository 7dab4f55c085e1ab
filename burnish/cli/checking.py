"""What `jobs create --dry-run` checks without the platform: the same rules, as this version of it knows them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from burnish.cli import dataset_files
from burnish.cli.exits import BY_STATUS, ERROR, USAGE, CliError
from burnish.cli.jobfile import ID_FIELDS, JobFile, located
from burnish.kit.errors import BurnishError
from engines.rewards import shapes
from engines.training.spec import GrpoHyperparameters
from resolvers import base_models, hardware, inputs, jobs

UNSEEN = "unseen"


def check(spec: JobFile, body: Mapping[str, Any]) -> None:
    """Check a job and the files that it would upload; CliError naming the flag, or the line of the file, that is wrong."""
    try:
        ids = {ID_FIELDS[key]: UNSEEN for key in ID_FIELDS if key in spec.values}
        job = inputs.parse(jobs.JobInput, {**body, **ids})
        hardware.shape_of(job.gpu)
        hardware.check_provider(job.provider)
        base_models.check_id(job.base_model, "base_model")
        inputs.parse(GrpoHyperparameters, job.hyperparameters, at="hyperparameters")
    except BurnishError as error:
        code = BY_STATUS.get(error.status, ERROR)
        raise CliError(located(spec, error.param, error.message), code, hint=error.hint) from None
    for key in ID_FIELDS:
        reference = spec.reference(key)
        if isinstance(reference, Path):
            check_file(key, reference)


def check_file(key: str, path: Path) -> None:
    """Look at a dataset or a reward as the platform does when it gets one."""
    problems = _dataset_problems(path) if key == "dataset" else _reward_problems(path)
    if problems:
        raise CliError(f"{path}: {problems[0]}", USAGE, details=problems[1:])


def _dataset_problems(path: Path) -> list[str]:
    return [f"line {problem['line']}: {problem['message']}" for problem in dataset_files.check(path).problems]


def _reward_problems(path: Path) -> list[str]:
    try:
        shapes.check(path.read_bytes(), "trl")
    except shapes.RewardProblem as problem:
        return [f"line {problem.line}: {problem.message}" if problem.line else problem.message]
    return []
