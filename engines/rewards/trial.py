"""The contract test of a reward function, run in its jail before it is stored.

It loads the file, scores a batch, and scores it again: each must end without an error, with one finite number, None or dict of
components a completion, and the same both times. With a caller's own samples any error refuses the file. On made-up ones an
exception may be for want of the user's dataset; `_independent` decides that, and the file is then kept with a warning.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engines.protocol import ChildFailure
from engines.rewards import sample
from engines.rewards.jail import Jail, Scores
from engines.rewards.sample import Batch
from engines.rewards.verdicts import RewardFailure

# Names that are missing are missing whatever the dataset holds.
NEVER_OF_DATA = ("NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError", "SystemExit", "RecursionError")
# What code for a kind of data that it does not know says.
ALWAYS_OF_DATA = ("NotImplementedError",)

RANDOM = (
    "The reward function gave different answers for the same batch, one after the other: {difference}. "
    "A reward that is drawn by chance or remembers earlier batches cannot be compared between steps. "
    "Where that is meant, send allow_nondeterministic=true."
)


@dataclass(frozen=True)
class Problem:
    """What is wrong, at which line of the file where that is known; `details` has the traceback, where there is one."""

    message: str
    line: int | None = None
    details: str | None = None


@dataclass(frozen=True)
class Trial:
    """What the test found. The scores are None where the function could only be tried in part."""

    given: bool
    scores: Scores | None
    messages: bool = False
    warnings: list[Problem] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Return what is kept of it beside the file."""
        scores = self.scores
        return {
            "samples": "given" if self.given else "built-in",
            "prompts": "messages" if self.messages else "text",
            "rewards": scores.rewards if scores else None,
            "components": scores.components if scores else None,
            "duration_ms": round(scores.duration_ms, 3) if scores else None,
            "warnings": [{"line": warning.line, "message": warning.message} for warning in self.warnings],
        }


class Refused(Exception):
    """The function fails the test; the first problem is the one to name."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


def run(jail: Jail, given: Batch | None = None, *, format: str = "trl", allow_nondeterministic: bool = False) -> Trial:
    """Try a reward function; Refused where it cannot be used, ChildFailure where this host cannot try it."""
    try:
        jail.start()
    except RewardFailure as failure:
        raise Refused(_problem(failure)) from None
    if given is not None:
        try:
            return _twice(jail, given, allow_nondeterministic)
        except RewardFailure as failure:
            raise Refused(_problem(failure)) from None
    return _made_up(jail, format, allow_nondeterministic)


def _made_up(jail: Jail, format: str, allow_nondeterministic: bool) -> Trial:
    """Try the kinds of prompts and the forms of columns until one works; where none does, decide what that means."""
    columns = jail.shape.columns
    failures: list[tuple[RewardFailure, bool]] = []
    for messages in (False, True) if format == "trl" else (False,):
        first: RewardFailure | None = None
        for form in sample.FORMS:
            batch = sample.made_up(columns, messages=messages, form=form)
            try:
                return _twice(jail, batch, allow_nondeterministic)
            except RewardFailure as failure:
                if _is_structural(failure):
                    raise Refused(_problem(failure)) from None
                first = first or failure
        assert first is not None
        failures.append((first, _independent(jail, first, columns, messages)))
    if all(independent for _, independent in failures):
        raise Refused(*dict.fromkeys(map(_problem, _likeliest([failure for failure, _ in failures]))))
    dependent = next(failure for failure, independent in failures if not independent)
    return Trial(False, None, warnings=[_untried(dependent, columns)])


def _twice(jail: Jail, batch: Batch, allow_nondeterministic: bool) -> Trial:
    first, second = _score(jail, batch), _score(jail, batch)
    warnings = []
    if difference := _difference(first, second):
        problem = Problem(RANDOM.format(difference=difference), jail.shape.line)
        if not allow_nondeterministic:
            raise Refused(problem)
        warnings.append(Problem(f"It gave different answers for the same batch: {difference}.", jail.shape.line))
    unknown = [name for name in jail.weights if name not in first.components]
    warnings += [Problem(f"The weights name {name!r}, which it did not return for the samples.") for name in unknown]
    messages = bool(batch.prompts) and isinstance(batch.prompts[0], list)
    return Trial(batch.given, first, messages, warnings)


def _score(jail: Jail, batch: Batch) -> Scores:
    ids = batch.token_ids
    return jail.score(batch.prompts, batch.completions, batch.columns, completion_ids=ids, prompt_ids=[[] for _ in ids])


def _difference(first: Scores, second: Scores) -> str | None:
    for index, (one, other) in enumerate(zip(first.rewards, second.rewards, strict=True)):
        if one != other:
            return f"{one} and then {other} for item {index}"
    if first.components != second.components:
        return "other components each time"
    return None


def _is_structural(failure: RewardFailure) -> bool:
    """Tell whether no dataset can be the cause."""
    return failure.kind != "exception" or _name(failure) in NEVER_OF_DATA


def _independent(jail: Jail, failure: RewardFailure, columns: Sequence[str], messages: bool) -> bool:
    """Tell whether the function fails in the same way when it gets nothing at all of a dataset: then that is not why."""
    if _name(failure) in ALWAYS_OF_DATA:
        return False
    try:
        _score(jail, sample.made_up(columns, messages=messages, form="nothing"))
    except RewardFailure as other:
        return (other.headline, other.user_code_line) == (failure.headline, failure.user_code_line)
    except ChildFailure:
        return False
    return False


def _likeliest(failures: list[RewardFailure]) -> list[RewardFailure]:
    """Put first what is not just the wrong kind of prompt: a reward for messages fails on text at its first look, and so on."""
    return sorted(failures, key=lambda failure: -(failure.user_code_line or 0))


def _untried(failure: RewardFailure, columns: Sequence[str]) -> Problem:
    needed = f" It needs {', '.join(map(repr, columns))}." if columns else ""
    message = f"It could not be tried without rows of its dataset, so only its form was checked.{needed} On made-up rows: "
    return Problem(message + failure.headline, failure.user_code_line)


def _problem(failure: RewardFailure) -> Problem:
    return Problem(failure.headline, failure.user_code_line, failure.message)


def _name(failure: RewardFailure) -> str:
    return failure.headline.partition(":")[0]
