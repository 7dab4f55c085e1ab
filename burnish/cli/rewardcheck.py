"""What `burnish rewards check` runs: the contract test of an upload, in a jail of this machine."""

from contextlib import closing
from pathlib import Path
from typing import Any

from burnish.cli.client import open_file
from burnish.cli.exits import ERROR, USAGE, CliError
from burnish.kit.settings import Settings
from engines.protocol import ChildFailure
from engines.rewards import trial
from engines.rewards.answers import check_weights
from engines.rewards.shapes import RewardProblem
from engines.rewards.trial import Problem, Refused
from resolvers import inputs, reward_bench
from resolvers.reward_bench import SampleInput


def run(
    settings: Settings,
    file: Path,
    format: str,
    weights: dict[str, float],
    samples: list[dict[str, Any]] | None,
    *,
    allow_nondeterministic: bool = False,
) -> dict[str, Any]:
    """Return what the test found; CliError with the line where the file would be refused, or where this machine cannot jail."""
    with open_file(file) as opened:
        source = opened.read()
    given = None if samples is None else reward_bench.batch_of([inputs.parse(SampleInput, one) for one in samples])
    try:
        check_weights(weights)
        with closing(reward_bench.jail(settings, source, format, file.name, weights)) as jail:
            return trial.run(jail, given, format=format, allow_nondeterministic=allow_nondeterministic).record()
    except RewardProblem as problem:
        raise CliError(f"--weight: {problem.message}", USAGE) from None
    except Refused as refused:
        first, *rest = (_told(file, problem) for problem in refused.problems)
        raise CliError(first, USAGE, details=[*_trace(refused.problems[0]), *rest]) from None
    except ChildFailure as failure:
        raise CliError(failure.message, ERROR, hint="`burnish doctor` says what this machine has.") from None


def _told(file: Path, problem: Problem) -> str:
    where = f"{file}, line {problem.line}" if problem.line else str(file)
    return f"{where}: {problem.message}"


def _trace(problem: Problem) -> list[str]:
    return problem.details.splitlines() if problem.details and problem.details != problem.message else []
