"""Money as integer micro-dollars; Decimal at the edges, binary floats never in between."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

MICROS = 1_000_000
MAX_MICROS = 10**15
_EXACT = Context(traps=[Inexact, InvalidOperation, Overflow])


def parse_usd(text: str | Decimal | int | float) -> int:
    """Return micro-dollars; ValueError for what is not a finite amount with at most six decimals."""
    try:
        micros = _EXACT.multiply(Decimal(str(text)), Decimal(MICROS))
    except DecimalException:
        raise ValueError(f"not an amount of money: {text}") from None
    if not micros.is_finite() or micros != micros.to_integral_value() or abs(micros) > MAX_MICROS:
        raise ValueError(f"not an amount of money: {text}")
    return int(micros)


def usd(micros: int) -> Decimal:
    return Decimal(micros) / MICROS


def usd_float(micros: int, places: int = 6) -> float:
    """Return dollars for a JSON number, rounded half-even to `places`."""
    return float(usd(micros).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN))


def cost_micros(rate_micros_per_hour: int, seconds: int) -> int:
    """Return what whole seconds at an hourly rate cost, rounded down. Bill the difference of two totals, never a sum of parts."""
    return rate_micros_per_hour * max(0, seconds) // 3600
