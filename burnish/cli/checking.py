"""Files that would be uploaded, looked at as the platform does when it gets them."""

from pathlib import Path

from burnish.cli import dataset_files
from burnish.cli.exits import USAGE, CliError
from engines.rewards import shapes


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
