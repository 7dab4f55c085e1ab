"""What an account has spent, taken from its ledger: by provider, by hardware, by job, by day.

Counted is what was posted for work within the time asked about: running work up to its last posting, at most a billing period
ago. Work whose charges were given back, because the platform failed, costs nothing, whenever it ran; deleted jobs go on to count.
Hours of hardware are those that were billed: of GPUs, and of CPU slots where work ran on the CPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import Field
from sqlalchemy import BigInteger, String, and_, case, cast, exists, func, literal_column, type_coerce
from sqlalchemy import select as sa_select
from sqlalchemy.orm import aliased
from sqlmodel import col

from burnish.kit import clock
from burnish.kit.errors import Invalid
from burnish.kit.money import usd
from models.budget import month_of
from models.ledger import LedgerTransaction, Meter
from resolvers.context import Context
from resolvers.inputs import Input

DIMENSIONS = ("provider", "gpu_type", "kind", "resource_id")
GRAINS = {"hour": 3_600_000_000, "day": 86_400_000_000, "month": 86_400_000_000}
JOB = "job"
MAX_BUCKETS = 1000
MAX_GROUPS = 1000
MAX_DAYS = 3650
HOUR_US = 3_600_000_000
# Written out, not bound: Postgres takes two parameters in one place of SELECT and GROUP BY for different expressions.
UNKNOWN: Any = literal_column("'unknown'")
ONE: Any = literal_column("1")
THREE: Any = literal_column("3")


class PeriodInput(Input):
    days: int = Field(30, ge=1, le=MAX_DAYS, description="How many days back.")


@dataclass(frozen=True)
class Group:
    """What one combination of the dimensions asked about has cost; those not asked about are None. `kind` is `job` or `dep`."""

    provider: str | None
    gpu_type: str | None
    kind: str | None
    resource_id: str | None
    cost_micros: int
    hours: Decimal
    job_count: int


@dataclass(frozen=True)
class Bucket:
    """What a group has cost in the hour, day or month that began at `starts_at`."""

    starts_at: datetime
    provider: str | None
    gpu_type: str | None
    kind: str | None
    resource_id: str | None
    cost_micros: int


@dataclass(frozen=True)
class Report:
    since: datetime
    until: datetime
    groups: Sequence[Group]
    buckets: Sequence[Bucket]
    total: Group


@dataclass(frozen=True)
class Summary:
    """`job_cost_micros` is the part of the total that training jobs have."""

    days: int
    total: Group
    job_cost_micros: int

    @property
    def average(self) -> Decimal:
        count = self.total.job_count
        return usd(self.job_cost_micros) / count if count else Decimal(0)


async def summary(ctx: Context, period: PeriodInput) -> Summary:
    since, until = _back(period)
    whole = (await _groups(ctx, (), since, until))[0]
    jobs = [group for group in await _groups(ctx, ("kind",), since, until) if group.kind == JOB]
    return Summary(period.days, whole, sum(group.cost_micros for group in jobs))


async def breakdown(ctx: Context, period: PeriodInput, dimension: str) -> list[Group]:
    """Return what each value of a dimension has cost, the dearest first."""
    return await _groups(ctx, (dimension,), *_back(period))


async def report(ctx: Context, dimensions: Sequence[str], grain: str, since: datetime, until: datetime | None = None) -> Report:
    """Return what was spent in a span of time, by dimensions and over time; Invalid where that would be too much to tell."""
    until = clock.now() if until is None else until
    if not since < until:
        raise Invalid("The range ends before it begins.", param="range")
    if (until - since) / timedelta(microseconds=GRAINS[grain]) > MAX_BUCKETS * (30 if grain == "month" else 1):
        raise Invalid(f"The range has more than {MAX_BUCKETS} of these steps.", param="range", hint="Take a coarser grain.")
    chosen = tuple(name for name in DIMENSIONS if name in dimensions)
    groups = await _groups(ctx, chosen, since, until)
    total = groups[0] if not chosen else (await _groups(ctx, (), since, until))[0]
    return Report(since, until, groups, await _buckets(ctx, chosen, grain, since, until), total)


def _back(period: PeriodInput) -> tuple[datetime, datetime]:
    now = clock.now()
    return now - timedelta(days=period.days), now


def _columns(names: Sequence[str]) -> list[Any]:
    of = {
        "provider": func.coalesce(col(Meter.provider), UNKNOWN),
        "gpu_type": func.coalesce(col(Meter.gpu_type), UNKNOWN),
        "kind": func.substr(col(Meter.resource_id), ONE, THREE),
        "resource_id": col(Meter.resource_id),
    }
    return [of[name].label(name) for name in names]


def _spent(ctx: Context, since: datetime, until: datetime) -> list[Any]:
    """Return the conditions that make a posting of a meter part of the cost."""
    booked, returned = LedgerTransaction, aliased(LedgerTransaction)
    prefix = col(Meter.resource_id) + ":" + cast(col(Meter.attempt), String) + ":"
    given_back = exists().where(col(returned.reference) == "refund:" + col(Meter.resource_id))
    return [
        col(booked.account_id) == ctx.account.id,
        col(booked.resource_id) == col(Meter.resource_id),
        func.substr(col(booked.reference), 1, func.length(prefix)) == prefix,
        col(booked.created_at) >= since,
        col(booked.created_at) < until,
        col(Meter.account_id) == ctx.account.id,
        ~given_back,
    ]


async def _groups(ctx: Context, names: Sequence[str], since: datetime, until: datetime) -> list[Group]:
    """Return cost, hours and jobs by the dimensions, the dearest first; one group of all where there is no dimension."""
    ctx.require("read")
    columns = _columns(names)
    cost = sa_select(*columns, func.sum(-col(LedgerTransaction.amount_micros))).where(*_spent(ctx, since, until))
    jobs = case((func.substr(col(Meter.resource_id), ONE, THREE) == JOB, col(Meter.resource_id)))
    use = sa_select(*columns, func.sum(_overlap(since, until)), func.count(func.distinct(jobs))).where(*_ran(ctx, since, until))
    async with ctx.db.read() as session:
        connection = await session.connection()
        costs = {tuple(row[:-1]): int(row[-1] or 0) for row in (await connection.execute(_by(cost, columns))).all()}
        uses = {tuple(row[:-2]): (int(row[-2] or 0), int(row[-1])) for row in (await connection.execute(_by(use, columns))).all()}
    keys = sorted({*costs, *uses}, key=lambda key: (-costs.get(key, 0), key)) or ([()] if not names else [])
    if len(keys) > MAX_GROUPS:
        raise Invalid(f"There are more than {MAX_GROUPS} of these.", param="range", hint="Take a shorter range.")
    return [
        Group(
            **_named(names, key),
            cost_micros=costs.get(key, 0),
            hours=Decimal(uses.get(key, (0, 0))[0]) / HOUR_US,
            job_count=uses.get(key, (0, 0))[1],
        )
        for key in keys
    ]


async def _buckets(ctx: Context, names: Sequence[str], grain: str, since: datetime, until: datetime) -> list[Bucket]:
    width = GRAINS[grain]
    at = type_coerce(col(LedgerTransaction.created_at), BigInteger)
    columns = [(at // literal_column(str(width), BigInteger)).label("bucket"), *_columns(names)]
    statement = sa_select(*columns, func.sum(-col(LedgerTransaction.amount_micros))).where(*_spent(ctx, since, until))
    async with ctx.db.read() as session:
        rows = (await (await session.connection()).execute(_by(statement, columns))).all()
    found: dict[tuple[Any, ...], int] = {}
    for start, *key, micros in rows:
        moment = clock.from_micros(int(start) * width)
        place = (month_of(moment) if grain == "month" else moment, *key)
        found[place] = found.get(place, 0) + int(micros)
    order = sorted(found.items(), key=lambda item: (item[0][0], -item[1], item[0]))
    return [Bucket(place[0], **_named(names, place[1:]), cost_micros=micros) for place, micros in order]


def _by(statement: Any, columns: Sequence[Any]) -> Any:
    return statement.group_by(*columns) if columns else statement


def _ran(ctx: Context, since: datetime, until: datetime) -> list[Any]:
    return [
        col(Meter.account_id) == ctx.account.id,
        and_(col(Meter.started_at) < until, col(Meter.billed_through) >= since),
    ]


def _overlap(since: datetime, until: datetime) -> Any:
    """Return how many microseconds of its hardware a meter has billed within a span."""
    first, last = clock.to_micros(since), clock.to_micros(until)
    started, billed = (type_coerce(col(moment), BigInteger) for moment in (Meter.started_at, Meter.billed_through))
    begin = case((started > first, started), else_=first)
    end = case((billed < last, billed), else_=last)
    return (end - begin) * func.coalesce(col(Meter.gpu_count), 1)


def _named(names: Sequence[str], key: Sequence[Any]) -> dict[str, Any]:
    return dict.fromkeys(DIMENSIONS) | dict(zip(names, key, strict=True))
