"""Periods as DeepInfra's clients write them: unix seconds, or so long before now."""

import re
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from pydantic import Field

from burnish.kit import clock
from burnish.kit.errors import SchemaInvalid
from burnish.kit.paging import Span
from resolvers.inputs import Input

SECONDS = r"[0-9]{1,11}(\.[0-9]{1,9})?"
UNIX = rf"^{SECONDS}$"
MOMENT = rf"^({SECONDS}|now(-[0-9]{{1,5}}(s|sec|m|min|h|hour|d|day|w|week|M|Month))?)$"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "M": 30 * 86_400}
MICROS = 1_000_000


class PeriodQuery(Input):
    """Which period to look at: from its start until before its end."""

    start: str = Field(
        alias="from",
        pattern=MOMENT,
        description="Its start: unix seconds, or `now-5h`. Units: s(ec), m(in), h(our), d(ay), w(eek), M(onth) of 30 days.",
    )
    end: str = Field("now", alias="to", pattern=MOMENT, description="Its end, in the same words.")

    @property
    def span(self) -> Span:
        """The period; SchemaInvalid where it ends before it begins."""
        now = clock.now_micros()
        since, before = _moment(self.start, now), _moment(self.end, now)
        if before < since:
            raise SchemaInvalid("query.to: the period ends before it begins", param="query.to")
        return Span(since, before)


def unix(text: str) -> datetime:
    """Return the first moment, in whole microseconds, that is not before so many seconds since the epoch."""
    return clock.from_micros(int((Decimal(text) * MICROS).to_integral_value(ROUND_CEILING)))


def _moment(text: str, now_micros: int) -> datetime:
    if not text.startswith("now"):
        return unix(text)
    back = re.fullmatch(r"now-(\d+)(.).*", text)
    micros = int(back[1]) * UNITS[back[2]] * MICROS if back else 0
    return clock.from_micros(max(0, now_micros - micros))
