"""How each format calls the user's function with a batch. Runs inside the jail only.

trl is called once a batch, with lists; miles and verl once a completion. What a completion's row of the dataset holds reaches
all three: as keyword lists, as `sample.label` and `sample.metadata`, as `ground_truth` and `extra_info`.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from engines.rewards.answers import Answer, Weights, normalise
from engines.rewards.shapes import ENTRY_POINTS, GROUND_TRUTH, RewardProblem

UNNAMED_SOURCE = "unknown"

Function = Callable[..., Any]
# Describes an exception of the user's code as (message, line).
Tell = Callable[[BaseException], tuple[str, int | None]]


@dataclass
class Batch:
    """What is to be scored: all lists have one length. Token ids are there where the function may look at them."""

    prompts: list[Any]
    completions: list[Any]
    columns: dict[str, list[Any]]
    strict: bool = True
    completion_ids: list[list[int]] | None = None
    prompt_ids: list[list[int]] | None = None


@dataclass
class Sample:
    """One completion as miles hands it to a reward."""

    index: int
    prompt: Any
    response: str
    label: Any
    metadata: dict[str, Any]
    tokens: list[int] = field(default_factory=list)
    response_length: int = 0
    reward: Any = None


class Args(SimpleNamespace):
    """What miles calls `args`: here the job's hyperparameters."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"args has no {name!r}; here it holds the job's hyperparameters: {', '.join(vars(self))}.")


def score(format: str, function: Function, batch: Batch, weights: Weights, args: Mapping[str, Any], tell: Tell) -> Answer:
    """Call the function and convert its answer; what the function raises passes through.

    Where the batch is not strict and the function is called once a completion, an exception is that completion's error.
    """
    called = f"{ENTRY_POINTS[format]}()"
    count = len(batch.completions)
    if format == "trl":
        offered = {**batch.columns, "prompts": batch.prompts, "completions": batch.completions}
        if batch.completion_ids is not None:
            offered["completion_ids"] = batch.completion_ids
        result = _finished(function(**accepted(function, offered, called)))
        return normalise(result, count, strict=batch.strict, weights=weights, called=called)
    calls = _miles(function, batch, args) if format == "miles" else _verl(function, batch, called)
    results, errors = _each(calls, batch.strict, tell)
    answer = normalise(results, count, strict=batch.strict, weights=weights, called=called)
    for index, (message, line) in errors.items():
        answer.errors[index], answer.lines[index] = message, line
    return answer


def accepted(function: Function, offered: Mapping[str, Any], called: str = "reward()") -> dict[str, Any]:
    """Return the keyword arguments that `function` takes: all of them with a `**` parameter, else those that it names.

    TRL passes everything and so breaks on a function without `**kwargs`; here such a function works and sees only what it asks
    for. RewardProblem names a parameter without a default that nothing fills.
    """
    parameters = inspect.signature(function).parameters.values()
    missing = [p.name for p in parameters if _named(p) and p.default is p.empty and p.name not in offered]
    if missing:
        raise RewardProblem(
            f"{called} requires {', '.join(map(repr, missing))}, but the batch has only {', '.join(map(repr, offered))}."
        )
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(offered)
    return {p.name: offered[p.name] for p in parameters if _named(p) and p.name in offered}


def _named(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def _verl(function: Function, batch: Batch, called: str) -> Iterator[Callable[[], Any]]:
    for index, completion in enumerate(batch.completions):
        row = _row(batch, index)
        offered = {
            "data_source": row.get("data_source", UNNAMED_SOURCE),
            "solution_str": _text(completion),
            "ground_truth": ground_truth(row),
            "extra_info": row["extra_info"] if "extra_info" in row else _rest(row),
        }
        keywords = accepted(function, offered, called)
        yield lambda keywords=keywords: function(**keywords)  # type: ignore[misc]


def _miles(function: Function, batch: Batch, args: Mapping[str, Any]) -> Iterator[Callable[[], Any]]:
    shared = Args(**args)
    for index, completion in enumerate(batch.completions):
        row = _row(batch, index)
        response = batch.completion_ids[index] if batch.completion_ids is not None else []
        prompt = batch.prompt_ids[index] if batch.prompt_ids is not None else []
        metadata = row.get("metadata")
        sample = Sample(
            index=index,
            prompt=batch.prompts[index],
            response=_text(completion),
            label=row["label"] if "label" in row else ground_truth(row),
            metadata=metadata if isinstance(metadata, dict) else _rest(row),
            tokens=[*prompt, *response],
            response_length=len(response),
        )
        yield lambda sample=sample: function(shared, sample)  # type: ignore[misc]


def ground_truth(row: Mapping[str, Any]) -> Any:
    """Return what the row calls its ground truth, by any of its names; None where it has none."""
    reward_model = row.get("reward_model")
    if isinstance(reward_model, dict) and "ground_truth" in reward_model:
        return reward_model["ground_truth"]
    return next((row[name] for name in GROUND_TRUTH if row.get(name) is not None), None)


def _row(batch: Batch, index: int) -> dict[str, Any]:
    return {name: values[index] for name, values in batch.columns.items()}


def _rest(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("data_source", "reward_model")}


def _text(completion: Any) -> str:
    """Return a completion as text, the contents of its messages where it is a list of them."""
    if isinstance(completion, str):
        return completion
    return "".join(content for message in completion if isinstance(content := message.get("content"), str))


def _each(calls: Iterator[Callable[[], Any]], strict: bool, tell: Tell) -> tuple[list[Any], dict[int, tuple[str, int | None]]]:
    """Make every call, coroutines side by side; return the results and, by index, what failed where that is not the end."""
    results: list[Any] = []
    for call in calls:
        try:
            results.append(call())
        except Exception as error:
            if strict:
                raise
            results.append(error)
    if any(inspect.isawaitable(result) for result in results):
        results = importlib.import_module("asyncio").run(_gathered(results))
    errors = {index: result for index, result in enumerate(results) if isinstance(result, BaseException)}
    if errors and (strict or not all(isinstance(error, Exception) for error in errors.values())):
        raise next(iter(errors.values()))
    return [None if index in errors else result for index, result in enumerate(results)], {
        index: tell(error) for index, error in errors.items()
    }


async def _gathered(results: Sequence[Any]) -> list[Any]:
    asyncio = importlib.import_module("asyncio")
    pending = [index for index, result in enumerate(results) if inspect.isawaitable(result)]
    found = await asyncio.gather(*(results[index] for index in pending), return_exceptions=True)
    known = dict(zip(pending, found, strict=True))
    return [known.get(index, result) for index, result in enumerate(results)]


def _finished(result: Any) -> Any:
    """Return what an awaitable gives, and anything else as it is."""
    if inspect.isawaitable(result):
        return importlib.import_module("asyncio").run(_awaited(result))
    return result


async def _awaited(result: Any) -> Any:
    return await result
