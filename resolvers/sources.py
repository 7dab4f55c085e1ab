"""Connected datasets: a source is described, looked into, and read when a job needs it, or at once where it needs credentials.

Credentials are used and forgotten: what a dataset's row keeps of its source could be read by anybody.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from pydantic import Field

from burnish.kit import clock, idempotency, ids
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, RateLimited
from burnish.kit.network import Refused, Unresolved
from engines.data import reading
from engines.data.reading import BadRows
from engines.data.source import TYPES, Source
from engines.protocol import ChildFailure
from models import events
from models.dataset import Dataset
from resolvers import datasets, source_rules, statistics
from resolvers.context import Context
from resolvers.creating import once
from resolvers.inputs import MAX_NAME, Input
from resolvers.statistics import MethodFit

CONNECT = "datasets.connect"
READ_AT_ONCE = 4
RESOLVE_S = 5.0
MAX_TEXT = 4096
MAX_QUERY = 20_000


class HuggingFaceConfig(Input):
    """Which part of a dataset of the hub, and what its columns are called here."""

    split: str = Field("train", min_length=1, max_length=100, description="The split to read.")
    config_name: str | None = Field(None, min_length=1, max_length=200, description="The configuration (subset).")
    column_mapping: dict[str, str] = Field(
        default_factory=dict, max_length=100, description="What a column is called beside its own name: source to target."
    )
    token: str | None = Field(None, max_length=MAX_TEXT, repr=False, description="A token of the hub; it is not stored.")


class SourceInput(Input):
    """Where the rows of a dataset are. What a type does not need must be left out."""

    source_type: str = Field(description=f"One of {', '.join(TYPES)}.")
    source_uri: str | None = Field(None, max_length=MAX_TEXT, description="`s3://`, `gs://`, `az://` or `https://…`.")
    huggingface_dataset: str | None = Field(None, max_length=200, description="A dataset of the hub, such as `openai/gsm8k`.")
    huggingface_config: HuggingFaceConfig | None = Field(None, description="Which part of it.")
    db_connection: str | None = Field(
        None, max_length=MAX_TEXT, repr=False, description="`postgres://user:password@host/database` or `mysql://…`."
    )
    db_query: str | None = Field(None, max_length=MAX_QUERY, description="One SELECT.")
    credentials: dict[str, Any] | None = Field(
        None, repr=False, description="What the source wants to see; used for this request and not stored."
    )
    column_mapping: dict[str, str] = Field(
        default_factory=dict, max_length=100, description="As in `huggingface_config`, for a source of any type."
    )


class ConnectInput(SourceInput):
    """A source, and what to call the dataset."""

    name: str = Field(min_length=1, max_length=MAX_NAME, description="What to call it.")


@dataclass(frozen=True)
class SourceProblem:
    """What is wrong with a source; `line` is the row it is about, from 1."""

    code: str
    message: str
    line: int | None = None


@dataclass(frozen=True)
class Validation:
    """The first rows of a source, under their mapped names; `methods` is about the `looked_at` rows among them that are some."""

    valid: bool
    num_rows: int | None = None
    columns: list[str] = field(default_factory=list)
    mapped_columns: list[str] = field(default_factory=list)
    sample: list[dict[str, Any]] = field(default_factory=list)
    looked_at: int = 0
    methods: list[MethodFit] = field(default_factory=list)
    errors: list[SourceProblem] = field(default_factory=list)


async def validate(ctx: Context, spec: SourceInput) -> Validation:
    """Look at the first rows of a source, and store nothing. What is wrong with it is part of the answer.

    SchemaInvalid or Invalid for a description that cannot be one; RateLimited while the account reads too much at once.
    """
    ctx.require("write")
    source = await reading.with_token(ctx.core, source_rules.described(spec), ctx.account.id)
    with _turn(ctx):
        try:
            found = await reading.look(ctx.core.settings, source)
        except ChildFailure as failure:
            return Validation(False, errors=[SourceProblem(failure.code, failure.message)])
    problems = [SourceProblem("invalid_row", item["message"], item["line"]) for item in found.pop("problems")]
    found["methods"] = statistics.methods_of(found) or []
    return Validation(not problems, errors=problems, **found)


async def connect(ctx: Context, spec: ConnectInput) -> Dataset:
    """Make a dataset of a source. Where credentials are given it is read whole first, for they are not kept.

    Invalid where that fails, with the reason's word as its code; else nothing but the address is looked at before a job runs.
    """
    ctx.require("write")
    source = source_rules.described(spec)
    await _check_address(ctx, source)
    sealed = ctx.core.secrets.hash_key(json.dumps(source.secrets, sort_keys=True))
    request = {"name": spec.name, "source": source.connection, "secrets": sealed if source.secrets else None}
    made = await _made_before(ctx, request)
    if made is not None:
        return made
    dataset_id = ids.new("ds")
    try:
        values = await _read(ctx, source, dataset_id) if source.secrets else {"columns": []}
        row = await once(ctx, CONNECT, request, Dataset, lambda session: _make(session, ctx, spec, source, dataset_id, values))
    except BaseException:
        with anyio.CancelScope(shield=True):
            await datasets.clean_up(ctx, dataset_id)
        raise
    if row.id != dataset_id:
        await ctx.core.storage.delete(f"{ctx.account.id}/{dataset_id}")
    return row


async def _make(
    session: Session, ctx: Context, spec: ConnectInput, source: Source, dataset_id: str, values: dict[str, Any]
) -> Dataset:
    row = Dataset(
        id=dataset_id,
        account_id=ctx.account.id,
        name=spec.name,
        source_type=source.type,
        source_uri=None if source.type == "hf" else source.location,
        huggingface_dataset=source.location if source.type == "hf" else None,
        connection=source.connection,
        created_at=clock.now(),
        **values,
    )
    session.add(row)
    await session.flush()
    await events.note(session, ctx.account.id, row.id, "created", {"name": row.name})
    return row


async def _read(ctx: Context, source: Source, dataset_id: str) -> dict[str, Any]:
    with _turn(ctx):
        try:
            return await reading.store(ctx.core, source, ctx.account.id, dataset_id)
        except BadRows as error:
            datasets.check_problems(error.problems, "source_uri")
            raise
        except ChildFailure as failure:
            raise datasets.refusal(failure, source_rules.param_of(source)) from None


async def _check_address(ctx: Context, source: Source) -> None:
    """Refuse an address that is never read from here; a name that cannot be resolved just now may be when a job runs."""
    found = source_rules.address_of(source)
    if found is None:
        return
    guard = ctx.core.settings.guard
    try:
        await asyncio.wait_for(asyncio.to_thread(guard.resolve, *found), RESOLVE_S)
    except Refused as error:
        message = f"{found[0]} is not reached from here: {error}."
        raise Invalid(message, code="address_refused", param=source_rules.param_of(source)) from None
    except (Unresolved, TimeoutError):
        return


async def _made_before(ctx: Context, request: dict[str, Any]) -> Dataset | None:
    """Return what the same idempotency key made, before a source is read again for nothing."""
    async with ctx.db.read() as session:
        print_ = idempotency.fingerprint(request)
        known = await idempotency.find(session, ctx.account.id, ctx.idempotency_key, CONNECT, print_)
        return None if known is None else await session.get_one(Dataset, known["id"])


@contextmanager
def _turn(ctx: Context) -> Iterator[None]:
    """Let an account read a few sources at once in this process; RateLimited beyond."""
    busy = ctx.platform.reading
    if busy[ctx.account.id] >= READ_AT_ONCE:
        raise RateLimited(f"{READ_AT_ONCE} sources are being read for this account already.", retry_after_s=5)
    busy[ctx.account.id] += 1
    try:
        yield
    finally:
        busy[ctx.account.id] -= 1
        if not busy[ctx.account.id]:
            del busy[ctx.account.id]
