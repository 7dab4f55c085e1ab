import random
from decimal import Decimal

import pytest

from burnish.kit import money


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0", 0),
        ("1", 1_000_000),
        ("0.000001", 1),
        ("-0.000001", -1),
        ("12.345678", 12_345_678),
        ("1e3", 1_000_000_000),
        ("1E-6", 1),
        (Decimal("3.40"), 3_400_000),
        (0.1, 100_000),
        (7, 7_000_000),
        ("1000000000", 10**15),
    ],
)
def test_amounts_are_read_exactly(text: str | Decimal | int | float, micros: int) -> None:
    assert money.parse_usd(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "nan", "sNaN", "inf", "-Infinity", "0.0000001", "1000000000.000001", "1e999999", "1e9999999", "-1e999999",
        "0.1234560000000000000000000000000000001", "123456789.1234560000000000000000000000001", "1,5", "0x10", 0.1 + 0.2,
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text: str | float) -> None:
    with pytest.raises(ValueError, match="not an amount of money"):
        money.parse_usd(text)


def test_random_amounts_survive_the_way_out_and_back() -> None:
    rng = random.Random(1)
    for _ in range(2000):
        micros = rng.randint(-(10**15), 10**15)
        assert money.parse_usd(money.usd(micros)) == micros
        assert money.parse_usd(str(money.usd(micros))) == micros


@pytest.mark.parametrize(
    ("micros", "places", "shown"), [(1, 6, 0.000001), (4_513_600, 4, 4.5136), (125, 5, 0.00012), (375, 5, 0.00038), (-5, 4, 0.0)]
)
def test_a_json_number_is_rounded_half_even(micros: int, places: int, shown: float) -> None:
    assert money.usd_float(micros, places) == shown


@pytest.mark.parametrize(
    ("rate", "seconds", "cost"),
    [(3_600_000_000, 1, 1_000_000), (100_000, 3600, 100_000), (100_000, 1, 27), (100_000, 0, 0), (100_000, -5, 0), (0, 99, 0)],
)
def test_cost_is_the_rate_by_whole_seconds_rounded_down(rate: int, seconds: int, cost: int) -> None:
    assert money.cost_micros(rate, seconds) == cost


def test_differences_of_totals_add_up_to_the_cost_of_the_whole() -> None:
    rng = random.Random(2)
    for _ in range(200):
        rate, seconds, billed = rng.randint(1, 10**8), 0, 0
        for _ in range(50):
            seconds += rng.randint(0, 90)
            billed += money.cost_micros(rate, seconds) - billed
        assert billed == rate * seconds // 3600
