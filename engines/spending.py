"""Running work and its money: what is posted, what is warned of, and when a limit ends the work.

Each run looks at the outlook of its account, more often the nearer an end is. What it decides it decides under the account's
lock, so that of many runs each warning is given once and the first in the order of `models.outlook` is the first to stop.
"""

from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import update
from sqlmodel import col

from burnish.kit import clock
from burnish.kit.db import Session
from burnish.kit.money import usd
from burnish.kit.settings import Settings
from models import books, events, ledger, limits, outlook
from models.account import Account
from models.books import Meter
from models.outlook import Limit, Outlook

if TYPE_CHECKING:
    from engines.leased import LeasedRun

log = structlog.get_logger(__name__)
WARN_MINUTES = (60, 15)
WARN_PERCENT = (80, 95)
# How often a run looks while an end is near; looking posts nothing.
NEAR_S = 2.0
WAY = "jobs stop first, then deployments, the newest first"


def graces(settings: Settings) -> dict[str, float]:
    """Return how long each kind of work may take to put itself down."""
    return {"job": settings.save_grace_s, "dep": settings.drain_s}


class Purse:
    """What one run knows of the money it lives on. `limit` is set once it has been told to stop for one."""

    def __init__(self, run: "LeasedRun") -> None:
        self.run = run
        self.limit: Limit | None = None
        self._told: set[str] = set()
        self._post_at = self._look_at = 0.0

    def begin(self, now: float) -> None:
        """Count from a moment of the event loop's clock."""
        self._post_at = now + self.run.settings.billing_period_s
        # A host that takes work over may come too late for a limit to wait for the first posting.
        self._look_at = now + NEAR_S

    async def tick(self, now: float) -> None:
        """Post what was used where that is due, and look whether a limit is near where that is."""
        if now >= self._post_at or (self.limit is None and now >= self._look_at and await self._is_called(now)):
            self._look_at = now + await self._bill()
            self._post_at = now + self.run.settings.billing_period_s

    async def _is_called(self, now: float) -> bool:
        """Look whether this run has to stop, and post nothing."""
        async with self.run.core.db.read() as session:
            found = await outlook.read(session, self.run.account_id)
        self._look_at = now + self._next(found)
        return found.limit_of(self.run.id, graces(self.run.settings)) is not None

    async def _bill(self) -> float:
        """Post what was used, warn, and find out whether to stop; return in how many seconds to look again."""
        run = self.run
        async with run.writing() as session:
            await books.lock(session, run.account_id)
            row = await session.get_one(run.table, run.id)
            await run.accrue(session)
            row.cost_micros = await ledger.charged(session, run.id)
            session.add(row)
            await session.flush()
            found = await outlook.read(session, run.account_id)
            lines = await self._warn(session, found)
            limit = await self._decide(session, row, found)
        self.limit = self.limit or limit
        for line in lines:
            if line not in self._told:
                self._told.add(line)
                await run.say(line, level="warning")
        return self._next(found)

    def _next(self, found: Outlook) -> float:
        period = float(self.run.settings.billing_period_s)
        ahead = found.seconds_to_stop(self.run.id, graces(self.run.settings))
        return period if ahead is None else min(period, max(NEAR_S, ahead))

    async def _decide(self, session: Session, row: Any, found: Outlook) -> Limit | None:
        """Return the limit that ends the work from now on, recorded where there is one."""
        if self.limit is not None or row.status in self.run.terminal:
            return None
        limit = found.limit_of(self.run.id, graces(self.run.settings))
        if limit is None:
            return None
        mine = (col(Meter.resource_id) == self.run.id, col(Meter.closed).is_(False))
        await session.exec(update(Meter).where(*mine).values(stopping_at=clock.now()))
        metadata = {"limit": limit.kind, "seconds": int(limit.seconds), "cost_usd": f"{usd(row.cost_micros):.6f}"}
        line = f"{limit.message} {self.run.last_words}"
        await events.record(
            session, row.account_id, row.id, "limit_reached", metadata, attempt=row.attempt, line=line, level="warning"
        )
        log.warning("limit_reached", resource=row.id, limit=limit.kind)
        return limit

    async def _warn(self, session: Session, found: Outlook) -> list[str]:
        """Record the warnings that are new for the account; return what holds now, for the log of each run."""
        account_id = self.run.account_id
        account = await session.get_one(Account, account_id)
        level = _minutes(found)
        known = None if account.credit_warning is None else int(account.credit_warning)
        if level is not None and (known is None or level < known):
            left = {"minutes": level, "hours_remaining": round(found.credit_hours or 0.0, 4)}
            await events.note(session, account_id, account_id, "credit_low", left)
        account.credit_warning = None if level is None else str(level)
        lines = [] if level is None else [f"The account's credit lasts less than {level} minutes; then {WAY}."]
        budget = await limits.budget_of(session, account_id)
        if budget is None:
            return lines
        percent = max((share for share in WARN_PERCENT if budget.spent_micros * 100 >= budget.limit_micros * share), default=0)
        if percent > budget.warned_percent:
            spent = {"percent": percent, "limit_usd": f"{usd(budget.limit_micros):.6f}", "period": budget.period}
            await events.note(session, account_id, account_id, "budget_low", spent)
            budget.warned_percent = percent
        return lines + ([f"{percent} % of the account's budget are spent; at its end {WAY}."] if percent else [])


def _minutes(found: Outlook) -> int | None:
    """Return the nearest warning that holds."""
    hours = found.credit_hours
    return None if hours is None else min((minutes for minutes in WARN_MINUTES if hours * 60 < minutes), default=None)
