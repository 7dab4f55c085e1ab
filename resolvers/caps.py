"""Caps: the most that a job may cost, and the least that is worth starting with."""

from decimal import Decimal

from burnish.kit.errors import Invalid
from burnish.kit.money import cost_micros, parse_usd, usd
from burnish.kit.settings import Settings


def capped(settings: Settings, max_cost_usd: Decimal | None, hour_micros: int) -> int | None:
    """Return a cap in micro-dollars; Invalid for one that the saving of a checkpoint alone would use up."""
    if max_cost_usd is None:
        return None
    cap = parse_usd(max_cost_usd)
    least = cost_micros(hour_micros, int(settings.save_grace_s) + settings.billing_period_s)
    if cap < least:
        raise Invalid(
            f"max_cost_usd is at least {usd(least):.6f}: what a start and the saving of a checkpoint cost on this hardware.",
            param="max_cost_usd",
        )
    return cap
