"""What a dataset holds: its columns and repetitions, counted while it was read, and the lengths of its prompts for a model.

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
from resolvers import base_models, datasets
from resolvers.context import Context
from resolvers.keeping import kept

PERCENTILES = (50, 90, 95, 99)
COUNT_S = 3600.0


@dataclass(frozen=True)
class Column:
    """A column by its name: how many rows have which type of value there, and how many have none."""

    name: str
    types: dict[str, int]
    missing: int


@dataclass(frozen=True)
class TokenLengths:
    """How long the prompts are in tokens, chat template included; `over_limit` have more than `max_prompt_length`."""

    base_model: str
    base_revision: str | None
    min: int
    mean: float
    p50: int
    p90: int
    p95: int
    p99: int
    max: int
    max_prompt_length: int | None
    over_limit: int | None


@dataclass(frozen=True)
class Statistics:
    """All null of a dataset that has not been read. `duplicate_prompts` are rows whose prompt occurred before."""

    dataset_id: str
    num_rows: int | None
    size_bytes: int | None
    columns: list[Column] | None
    duplicate_prompts: int | None
    video_rows: int | None
    tokens: TokenLengths | None


async def read(
    ctx: Context, dataset_id: str, *, base_model: str | None = None, max_prompt_length: int | None = None
) -> Statistics:
    """Return what is known of a dataset; with `base_model` also the lengths of its prompts.

    InvalidState where it has not been read, Invalid for a model that cannot read it, Unavailable while it is still being counted.
    """
    if max_prompt_length is not None and base_model is None:
        raise Invalid("A limit of tokens needs the model whose tokens they are: base_model.", param="max_prompt_length")
    row = await datasets.get(ctx, dataset_id)
    tokens = None if base_model is None else await _tokens(ctx, row, base_model, max_prompt_length)
    found = row.statistics
    return Statistics(
        dataset_id=row.id,
        num_rows=row.num_rows,
        size_bytes=row.size_bytes,
        columns=None if found is None else [Column(**column) for column in found["columns"]],
        duplicate_prompts=None if found is None else found["duplicate_prompts"],
        video_rows=None if found is None else found["video_rows"],
        tokens=tokens,
    )


async def _tokens(ctx: Context, row: Dataset, base_model: str, limit: int | None) -> TokenLengths:
    base_models.check_id(base_model, "base_model")
    if row.storage_key is None:
        raise InvalidState("The dataset has not been read yet: its first job reads it.", hint="Validate the source for a look.")
    counted = await _counted(ctx, row, base_model)
    return _summary(base_model, counted["revision"], counted["lengths"], limit)


def _summary(base_model: str, revision: str | None, lengths: Sequence[tuple[int, int]], limit: int | None) -> TokenLengths:
    """Return the summary of (length, how many) pairs, which are sorted."""
    total = sum(count for _, count in lengths)
    reached = list(accumulate(count for _, count in lengths))

    def at(percent: int) -> int:
        """Return the smallest length that so many of a hundred prompts do not exceed."""
        return next(length for (length, _), until in zip(lengths, reached, strict=True) if until * 100 >= total * percent)

    p50, p90, p95, p99 = map(at, PERCENTILES)
    return TokenLengths(
        base_model=base_model,
        base_revision=revision,
        min=lengths[0][0],
        mean=round(sum(length * count for length, count in lengths) / total, 2),
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        max=lengths[-1][0],
        max_prompt_length=limit,
        over_limit=None if limit is None else sum(count for length, count in lengths if length > limit),
    )


async def _counted(ctx: Context, row: Dataset, base_model: str) -> Mapping[str, Any]:
    """Return the lengths that were counted before, or count them."""
    key = f"{row.account_id}/{row.id}/tokens/{hashlib.sha256(base_model.encode()).hexdigest()[:32]}.json"
    found: dict[str, Any] = orjson.loads(await kept(ctx, key, lambda: _count(ctx, row, base_model), "counting its tokens"))
    return found


async def _count(ctx: Context, row: Dataset, base_model: str) -> bytes:
    assert row.storage_key is not None
    source = await tokenizer_source(ctx, base_model)
    async with reading.scratch(ctx.core.settings) as folder:
        await ctx.core.storage.fetch(row.storage_key, folder / "data.jsonl")
        spec = {"model": source, "dataset_path": str(folder / "data.jsonl")}
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
