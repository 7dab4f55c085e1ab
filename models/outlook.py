"""What an account's running work burns, how long its money lasts, and who has to stop before it is gone.

Two purses are shared by all that runs: the credit of a prepaid account, which is what is free and what is held for running work,
and the account's budget. A job may have a cap of its own beside them. Work is told to stop while there is still money for its
grace, the time in which it saves what it has. Of a shared purse the order is: training jobs before deployments, for a job goes on
from its checkpoint later and what calls a deployment cannot wait; of each kind the newest first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.db import Session
from burnish.kit.money import cost_micros, usd
from models.account import PREPAID, Account
from models.books import Hold, Meter
from models.budget import Budget
from models.job import Job

# Runs look at their limits each second or two; a stop is never later than this.
SLACK_S = 5
CAP, BUDGET, CREDIT = "job_cap", "account_budget", "credit"
WORDS = {
    CAP: "The job's max_cost_usd",
    BUDGET: "The account's budget",
    CREDIT: "The account's credit",
}
Graces = Mapping[str, float]


@dataclass(frozen=True)
class Running:
    """A resource with open meters: one of a job, one of each replica of a deployment. `unposted_micros` is what it has used and
    not been billed.
    """

    resource_id: str
    rate_micros_per_hour: int
    unposted_micros: int
    held_micros: int
    stopping_at: datetime | None
    cap_micros: int | None
    cap_left_micros: int | None

    @property
    def kind(self) -> str:
        """The prefix of its id: `job` or `dep`."""
        return self.resource_id.partition("_")[0]

    def needs(self, seconds: float) -> int:
        return cost_micros(self.rate_micros_per_hour, int(seconds))


@dataclass(frozen=True)
class Limit:
    """Why work has to stop. `seconds` is how long the money lasts for what remains to be done."""

    kind: str
    limit_micros: int | None
    seconds: float

    @property
    def message(self) -> str:
        amount = "" if self.limit_micros is None else f" of {usd(self.limit_micros):.2f} USD"
        return f"{WORDS[self.kind]}{amount} is used up."


@dataclass(frozen=True)
class Outlook:
    """An account's money at one moment. `credit_micros` and `budget_micros` are what running work may still use, None where
    nothing bounds it.
    """

    at: datetime
    balance_micros: int
    credit_micros: int | None
    budget: Budget | None
    budget_micros: int | None
    running: Sequence[Running]

    @property
    def hourly_micros(self) -> int:
        return sum(each.rate_micros_per_hour for each in self.running)

    @property
    def credit_hours(self) -> float | None:
        """Hours until the credit ends at today's burn; None without an end."""
        return self._hours(self.credit_micros)

    @property
    def budget_hours(self) -> float | None:
        return self._hours(self.budget_micros)

    def _hours(self, purse: int | None) -> float | None:
        if purse is None or not self.hourly_micros:
            return None
        return max(0.0, purse / self.hourly_micros)

    def limit_of(self, resource_id: str, graces: Graces) -> Limit | None:
        """Return what a running resource has to stop for now, None where it may go on."""
        found = next((each for each in self.running if each.resource_id == resource_id), None)
        if found is None:
            return None
        if found.cap_left_micros is not None:
            left = found.cap_left_micros - found.unposted_micros
            if left < found.needs(graces[found.kind] + SLACK_S):
                return Limit(CAP, found.cap_micros, self._seconds(left, found))
        if self.budget is not None and self._is_called(found, self.budget_micros, graces):
            return Limit(BUDGET, self.budget.limit_micros, graces[found.kind])
        return Limit(CREDIT, None, graces[found.kind]) if self._is_called(found, self.credit_micros, graces) else None

    def seconds_to_stop(self, resource_id: str, graces: Graces) -> float | None:
        """Return how soon, at today's burn, a limit may call on the resource; None where none is in sight."""
        found = next((each for each in self.running if each.resource_id == resource_id), None)
        if found is None or not found.rate_micros_per_hour:
            return None
        longest = max(graces.values()) + SLACK_S
        reserve = sum(each.needs(longest) for each in self.running)
        shared = [purse for purse in (self.credit_micros, self.budget_micros) if purse is not None]
        ahead = [(purse - reserve) * 3600 / self.hourly_micros for purse in shared]
        if found.cap_left_micros is not None:
            left = found.cap_left_micros - found.unposted_micros - found.needs(graces[found.kind] + SLACK_S)
            ahead.append(left * 3600 / found.rate_micros_per_hour)
        return max(0.0, min(ahead)) if ahead else None

    def _is_called(self, resource: Running, purse: int | None, graces: Graces) -> bool:
        """Say whether it is this one's turn to stop: what stops before it has its grace paid for, and what is left does not
        cover the graces of the rest.
        """
        if purse is None:
            return False
        going = [each for each in in_order(self.running) if each.stopping_at is None]
        for index, each in enumerate(going):
            rest = sum(other.needs(graces[other.kind] + SLACK_S) for other in going[index:])
            if purse - self._promised(graces) - sum(other.needs(graces[other.kind]) for other in going[:index]) >= rest:
                return False
            if each.resource_id == resource.resource_id:
                return True
        return False

    def _promised(self, graces: Graces) -> int:
        """Return what those may still use that are stopping already."""
        ending = [(each, each.stopping_at) for each in self.running if each.stopping_at is not None]
        return sum(
            each.needs(max(0.0, graces[each.kind] - clock.seconds_between(since, self.at)))
            for each, since in ending
            if since is not None
        )

    @staticmethod
    def _seconds(left: int, resource: Running) -> float:
        return max(0.0, left * 3600 / resource.rate_micros_per_hour) if resource.rate_micros_per_hour else 0.0


def in_order(running: Sequence[Running]) -> list[Running]:
    """Return what runs in the order in which it is stopped."""
    newest = sorted(running, key=lambda each: each.resource_id.rpartition("_")[2], reverse=True)
    return sorted(newest, key=lambda each: each.kind != "job")


async def read(session: Session, account_id: str) -> Outlook:
    """Return an account's outlook; under the account's lock, where a decision follows."""
    account = await session.get_one(Account, account_id, populate_existing=True)
    budget = await session.get(Budget, account_id)
    now = clock.now()
    running = await _running(session, account_id, now)
    unposted = sum(each.unposted_micros for each in running)
    credit = None
    if account.billing_mode == PREPAID:
        credit = max(0, account.free_micros + sum(each.held_micros for each in running) - unposted)
    left = None
    if budget is not None:
        spent = budget.spent_micros if budget.began(now) <= budget.period_began_at else 0
        left = max(0, budget.limit_micros - spent - unposted)
    return Outlook(now, account.balance_micros, credit, budget, left, running)


async def _running(session: Session, account_id: str, now: datetime) -> list[Running]:
    posted = (
        select(func.coalesce(func.sum(col(Meter.posted_micros)), 0))
        .where(col(Meter.resource_id) == col(Job.id))
        .correlate(Job)
        .scalar_subquery()
    )
    statement = (
        select(Meter, Hold.amount_micros, Job.max_cost_micros, posted)
        .outerjoin(Hold, col(Hold.resource_id) == col(Meter.resource_id))
        .outerjoin(Job, col(Job.id) == col(Meter.resource_id))
        .where(Meter.account_id == account_id, col(Meter.closed).is_(False))
        .execution_options(populate_existing=True)
    )
    found: dict[str, list[Running]] = {}
    for meter, held, cap, spent in (await session.exec(statement)).all():
        found.setdefault(meter.resource_id, []).append(_shape(meter, held or 0, cap, int(spent or 0), now))
    return [_together(parts) for parts in found.values()]


def _together(parts: Sequence[Running]) -> Running:
    """Return what several meters of one resource run at together: it has one hold, and is told to stop as one."""
    stopping = [each.stopping_at for each in parts if each.stopping_at is not None]
    return replace(
        parts[0],
        rate_micros_per_hour=sum(each.rate_micros_per_hour for each in parts),
        unposted_micros=sum(each.unposted_micros for each in parts),
        stopping_at=min(stopping, default=None),
    )


def _shape(meter: Meter, held: int, cap: int | None, spent: int, now: datetime) -> Running:
    seconds = int(clock.seconds_between(meter.started_at, max(now, meter.billed_through)))
    due = max(0, cost_micros(meter.rate_micros_per_hour, seconds) - meter.posted_micros)
    left = None if cap is None else max(0, cap - spent)
    return Running(
        resource_id=meter.resource_id,
        rate_micros_per_hour=meter.rate_micros_per_hour,
        unposted_micros=due if left is None else min(due, left),
        held_micros=held,
        stopping_at=meter.stopping_at,
        cap_micros=cap,
        cap_left_micros=left,
    )
