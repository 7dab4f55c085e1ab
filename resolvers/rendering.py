"""Rows of a dataset as a model reads them for a method: through its chat template, with the special tokens and their number.

The model's tokenizer runs in a child, which takes seconds to start: it renders a hundred rows at a time, and they are kept beside
the dataset.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from burnish.kit.errors import Invalid
from engines import task
from engines.data import reading
from engines.protocol import ChildFailure
from models.dataset import Dataset
from resolvers import base_models, dataset_fit, dataset_rows, datasets
from resolvers.context import Context
from resolvers.dataset_rows import DatasetRow
from resolvers.keeping import kept
from resolvers.statistics import model_key, refusal, tokenizer_source

BLOCK = 100
RENDER_S = 600.0
TOO_LONG = "The row is too long to be shown."


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of one special token, or of a run of tokens that are not special; `learned` where a job learns to say it."""

    text: str
    special: bool
    learned: bool
    tokens: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """A row: for `grpo` its prompt, for `sft` all of it, for `dpo` the prompt with the chosen answer, and the rejected one apart.

    `tokens` is what a limit of the job is compared to. `problem` says why it cannot be rendered; `truncated` where the pieces
    leave out its end.
    """

    number: int
    tokens: int
    pieces: list[Piece]
    rejected: list[Piece]
    truncated: bool
    problem: str | None


async def read(
    ctx: Context, dataset_id: str, base_model: str, *, method: str | None = None, start: int = 0, limit: int = 20
) -> list[Rendered]:
    """Return the rows numbered from `start` on, `limit` numbers of them, as `method` reads them: the first that all serve.

    Invalid for a model that has no tokenizer or a method that the rows do not serve, InvalidState where the dataset has not
    been read, Unavailable meanwhile.
    """
    base_models.check_id(base_model, "base_model")
    if start < 0:
        raise Invalid("Rows are numbered from 0.", param="offset")
    row = await datasets.get(ctx, dataset_id)
    wanted = dataset_fit.method_for(row, method)
    found: list[Rendered] = []
    for block in range(start // BLOCK, (start + limit - 1) // BLOCK + 1):
        found += await _block(ctx, row, base_model, wanted, block)
    return [one for one in found if start <= one.number < start + limit]


async def _block(ctx: Context, row: Dataset, base_model: str, method: str, block: int) -> list[Rendered]:
    key = f"{row.account_id}/{row.id}/read-as/{model_key(base_model, method)}/{block}.json"
    wanted = await _rows(ctx, row.id, block * BLOCK, (block + 1) * BLOCK)
    if not wanted:
        return []
    known = orjson.loads(await kept(ctx, key, lambda: _render(ctx, base_model, method, wanted), "rendering its rows"))
    return [
        Rendered(**{**one, **{name: [Piece(**piece) for piece in one[name]] for name in ("pieces", "rejected")}})
        for one in known["rendered"]
    ]


async def _rows(ctx: Context, dataset_id: str, start: int, end: int) -> list[DatasetRow]:
    """Return the rows from one number up to another: a page of them ends early where they are long."""
    found: list[DatasetRow] = []
    more = True
    while more and start < end:
        page = await dataset_rows.page(ctx, dataset_id, start=start, limit=end - start)
        found += [one for one in page.rows if one.number < end]
        start, more = page.reached, page.more
    return found


async def _render(ctx: Context, base_model: str, method: str, rows: list[DatasetRow]) -> bytes:
    source = await tokenizer_source(ctx, base_model)
    shown = [row for row in rows if row.data is not None]
    async with reading.scratch(ctx.core.settings) as folder:
        lines = [orjson.dumps([row.number, row.data]) for row in shown]
        (folder / "rows.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        spec = {"model": source, "rows_path": str(folder / "rows.jsonl"), "method": method}
        try:
            found: dict[str, Any] = await task.run("data.render", spec, folder=folder, deadline_s=RENDER_S)
        except ChildFailure as failure:
            raise refusal(failure) from None
    nothing = {"tokens": 0, "pieces": [], "rejected": [], "truncated": False, "problem": TOO_LONG}
    found["rendered"] += [{"number": row.number, **nothing} for row in rows if row.data is None]
    found["rendered"].sort(key=lambda one: one["number"])
    return orjson.dumps(found)
