"""Charts out of characters."""

from burnish.cli import chart


def test_chart_rises_from_zero_to_the_greatest_value() -> None:
    assert chart.area([0.0, 0.5, 1.0], width=3, height=2) == ["   1.00 ┤  █", "   0.00 ┤ ██"]


def test_chart_without_unicode_is_ascii() -> None:
    assert all(line.isascii() for line in chart.area([0.1, 0.9, 0.4], unicode=False))


def test_negative_values_start_at_the_least() -> None:
    assert chart.area([-1.0, 1.0], height=1)[0].startswith("  -1.00")


def test_constant_series_is_drawn() -> None:
    assert chart.area([0.0, 0.0], width=2, height=1) == ["   0.00 ┤  "]


def test_short_series_fill_the_width() -> None:
    assert chart.area([1.0, 0.0], width=6, height=1) == ["   0.00 ┤███   "]


def test_long_series_are_means_of_stretches() -> None:
    assert chart.squeezed([1, 3, 5, 7], 2) == [2, 6]
    assert len(chart.area(range(1000), width=40)[0]) == 9 + 40
