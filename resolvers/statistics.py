"""What a dataset holds: its columns, repetitions and clips, counted while it was read, and how long its rows are for a model.

The lengths are counted once for each model, in a process of their own, and kept beside the rows.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import orjson

from burnish.kit.errors import BurnishError, Invalid, InvalidState, Unavailable
from engines import task
from engines.data import reading
from engines.protocol import ChildFailure
from engines.sources import source_of
from models.dataset import Dataset
from resolvers import base_models, dataset_fit, datasets
from resolvers.context import Context
from resolvers.keeping import kept
from resolvers.methods import METHODS

PERCENTILES = (50, 90, 95, 99)
COUNT_S = 3600.0


@dataclass(frozen=True)
class Column:
    """A column by its name: how many rows have which type of value there, and how many have none."""

    name: str
    types: dict[str, int]
    missing: int


@dataclass(frozen=True)
class LineProblem:
    """Why a row does not serve a method, with its line from 1."""

    line: int
    message: str


@dataclass(frozen=True)
class MethodFit:
    """How many rows a method can learn from, and what is wrong with the first others."""

    name: str
    num_rows: int
    problems: list[LineProblem]


@dataclass(frozen=True)
class ClipShape:
    """How many rows have a clip of this size and rate."""

    width: int
    height: int
    fps: float | None
    num_rows: int


@dataclass(frozen=True)
class Clips:
    """The clips of an uploaded archive, by the rows that name them; `shapes` are the hundred most frequent ones."""

    num_rows: int
    total_frames: int
    min_frames: int
    max_frames: int
    shapes: list[ClipShape]


@dataclass(frozen=True)
class TokenLengths:
    """How long the rows are in tokens, chat template included, as `method` reads them.

    `grpo` reads prompts, `sft` whole rows, `dpo` the prompt with the longer answer, `sft_video_gen` captions. `over_limit` are
    longer than `max_prompt_length` or `max_length`, whichever the method has and was given.
    """

    base_model: str
    base_revision: str | None
    method: str
    min: int
    mean: float
    p50: int
    p90: int
    p95: int
    p99: int
    max: int
    max_prompt_length: int | None
    max_length: int | None
    over_limit: int | None


@dataclass(frozen=True)
class Statistics:
    """All null of a dataset that has not been read. `duplicate_prompts` are rows whose prompt occurred before.

    `methods` is null too of one that was read before rows were counted by method, `clips` of one without an archive's clips.
    """

    dataset_id: str
    num_rows: int | None
    size_bytes: int | None
    columns: list[Column] | None
    duplicate_prompts: int | None
    video_rows: int | None
    methods: list[MethodFit] | None
    clips: Clips | None
    tokens: TokenLengths | None


async def read(
    ctx: Context,
    dataset_id: str,
    *,
    base_model: str | None = None,
    method: str | None = None,
    max_prompt_length: int | None = None,
    max_length: int | None = None,
) -> Statistics:
    """Return what is known of a dataset; with `base_model` also how long its rows are as `method` reads them.

    Without a `method` it is the first that all rows serve. InvalidState where the dataset has not been read, Invalid for a
    model or a method that cannot read it, Unavailable while it is still being counted.
    """
    given = {"method": method, "max_prompt_length": max_prompt_length, "max_length": max_length}
    useless = [name for name, value in given.items() if value is not None]
    if useless and base_model is None:
        raise Invalid("Lengths need the model whose tokens are counted: base_model.", param=useless[0])
    row = await datasets.get(ctx, dataset_id)
    tokens = None
    if base_model is not None:
        wanted = dataset_fit.method_for(row, method, _with_limit(max_prompt_length, max_length))
        tokens = await _tokens(ctx, row, base_model, wanted, _limit(wanted, max_prompt_length, max_length))
    found = row.statistics
    return Statistics(
        dataset_id=row.id,
        num_rows=row.num_rows,
        size_bytes=row.size_bytes,
        columns=None if found is None else [Column(**column) for column in found["columns"]],
        duplicate_prompts=None if found is None else found["duplicate_prompts"],
        video_rows=None if found is None else found["video_rows"],
        methods=methods_of(found),
        clips=_clips(found),
        tokens=tokens,
    )


def methods_of(found: Mapping[str, Any] | None) -> list[MethodFit] | None:
    """Return how rows serve each method, of what was counted of them."""
    if found is None or found.get("methods") is None:
        return None
    return [
        MethodFit(name, fit["rows"], [LineProblem(**problem) for problem in fit["problems"]])
        for name, fit in found["methods"].items()
    ]


def _clips(found: Mapping[str, Any] | None) -> Clips | None:
    counted = None if found is None else found.get("clips")
    if counted is None:
        return None
    shapes = [ClipShape(shape["width"], shape["height"], shape["fps"], shape["rows"]) for shape in counted["shapes"]]
    return Clips(counted["rows"], counted["frames"], counted["min_frames"], counted["max_frames"], shapes)


def _with_limit(max_prompt_length: int | None, max_length: int | None) -> tuple[str, ...]:
    """Return the methods that have the limit that was given."""
    if max_prompt_length is not None:
        return ("grpo",)
    return ("sft", "dpo") if max_length is not None else tuple(METHODS)


def _limit(method: str, max_prompt_length: int | None, max_length: int | None) -> int | None:
    """Return the limit that was given; Invalid for one that the method does not have."""
    if max_prompt_length is not None and method != "grpo":
        raise Invalid(f"A {method} job has no max_prompt_length.", param="max_prompt_length")
    if max_length is not None and method not in ("sft", "dpo"):
        raise Invalid(f"A {method} job has no max_length.", param="max_length")
    return max_prompt_length if method == "grpo" else max_length


async def _tokens(ctx: Context, row: Dataset, base_model: str, method: str, limit: int | None) -> TokenLengths:
    base_models.check_id(base_model, "base_model")
    if row.storage_key is None:
        raise InvalidState("The dataset has not been read yet: its first job reads it.", hint="Validate the source for a look.")
    counted = await _counted(ctx, row, base_model, method)
    return _summary(base_model, counted["revision"], method, counted["lengths"], limit)


def _summary(
    base_model: str, revision: str | None, method: str, lengths: Sequence[tuple[int, int]], limit: int | None
) -> TokenLengths:
    """Return the summary of (length, how many) pairs, which are sorted."""
    total = sum(count for _, count in lengths)
    reached = list(accumulate(count for _, count in lengths))

    def at(percent: int) -> int:
        """Return the smallest length that so many of a hundred rows do not exceed."""
        return next(length for (length, _), until in zip(lengths, reached, strict=True) if until * 100 >= total * percent)

    p50, p90, p95, p99 = map(at, PERCENTILES)
    return TokenLengths(
        base_model=base_model,
        base_revision=revision,
        method=method,
        min=lengths[0][0],
        mean=round(sum(length * count for length, count in lengths) / total, 2),
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        max=lengths[-1][0],
        max_prompt_length=limit if method == "grpo" else None,
        max_length=None if method == "grpo" else limit,
        over_limit=None if limit is None else sum(count for length, count in lengths if length > limit),
    )


async def _counted(ctx: Context, row: Dataset, base_model: str, method: str) -> Mapping[str, Any]:
    """Return the lengths that were counted before, or count them."""
    key = f"{row.account_id}/{row.id}/tokens/{model_key(base_model, method)}.json"
    found: dict[str, Any] = orjson.loads(
        await kept(ctx, key, lambda: _count(ctx, row, base_model, method), "counting its tokens")
    )
    return found


def model_key(base_model: str, method: str) -> str:
    """Return what is kept of rows as a model and a method read them is called."""
    made = hashlib.sha256(base_model.encode()).hexdigest()[:32]
    # What was kept before there were other methods has the name of the model alone.
    return made if method == "grpo" else f"{made}-{method}"


async def _count(ctx: Context, row: Dataset, base_model: str, method: str) -> bytes:
    assert row.storage_key is not None
    source = await tokenizer_source(ctx, base_model)
    async with reading.scratch(ctx.core.settings) as folder:
        await ctx.core.storage.fetch(row.storage_key, folder / "data.jsonl")
        spec = {"model": source, "dataset_path": str(folder / "data.jsonl"), "method": method}
        try:
            found = await task.run("data.tokens", spec, folder=folder, deadline_s=COUNT_S)
        except ChildFailure as failure:
            raise refusal(failure) from None
    return orjson.dumps(found)


async def tokenizer_source(ctx: Context, base_model: str) -> dict[str, Any]:
    """Return where a child finds a model's tokenizer; what is fetched for it alone is cached apart from models."""
    async with ctx.db.read() as session:
        source = await source_of(session, ctx.core.settings, base_model, None)
    if "cache_dir" in source:
        source["cache_dir"] = str(ctx.core.settings.cache / "tokenizers")
    return source


def refusal(failure: ChildFailure) -> BurnishError:
    """Return what the caller is told where a model cannot read a dataset."""
    if failure.attribution == "platform":
        return Unavailable(failure.message)
    param = "base_model" if failure.code == "model_unavailable" else None
    return Invalid(failure.message, code=failure.code, param=param)
