"""Files that would be uploaded, looked at as the platform does when it gets them."""

from pathlib import Path

from burnish.cli import dataset_files
from burnish.cli.exits import USAGE, CliError
from engines.rewards import shapes


def check_file(key: str, path: Path, method: str | None) -> None:
    """Look at a dataset or a reward as the platform does when it gets one, and at a dataset as a job of a method does."""
    problems = _dataset_problems(path, method) if key == "dataset" else _reward_problems(path)
    if problems:
        raise CliError(f"{path}: {problems[0]}", USAGE, details=problems[1:])


def _dataset_problems(path: Path, method: str | None) -> list[str]:
    found = dataset_files.check(path)
    if found.problems:
        return [f"line {problem['line']}: {problem['message']}" for problem in found.problems]
    # The platform has named a method that there is not.
    return dataset_files.problems_for(found, method) if method is not None and method in found.methods else []


def _reward_problems(path: Path) -> list[str]:
    try:
        shapes.check(path.read_bytes(), "trl")
    except shapes.RewardProblem as problem:
        return [f"line {problem.line}: {problem.message}" if problem.line else problem.message]
    return []
