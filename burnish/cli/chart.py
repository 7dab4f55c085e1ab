"""Line charts out of characters: a series of numbers as a terminal can draw it."""

from collections.abc import Sequence
from itertools import pairwise

BLOCKS = " ▁▂▃▄▅▆▇█"
PLAIN = "  ..::##"


def area(values: Sequence[float], *, width: int = 60, height: int = 8, unicode: bool = True) -> list[str]:
    """Return the lines of a chart from 0, or the least value if that is lower, to the greatest one, labelled at both ends.

    A short series has several columns a value.
    """
    if not values:
        return []
    columns = [value for value in squeezed(values, width) for _ in range(max(1, width // len(values)))]
    low, high = min(0.0, *columns), max(columns)
    span = (high - low) or 1.0
    blocks = BLOCKS if unicode else PLAIN
    eighths = [round((value - low) / span * height * 8) for value in columns]
    labels = {height - 1: f"{high:.2f}", 0: f"{low:.2f}"}
    lines = []
    for row in range(height - 1, -1, -1):
        bar = "".join(blocks[min(len(blocks) - 1, max(0, part - row * 8))] for part in eighths)
        lines.append(f"{labels.get(row, ''):>7} {'┤' if unicode else '|'}{bar}")
    return lines


def squeezed(values: Sequence[float], width: int) -> list[float]:
    """Return at most `width` numbers: the means of equal stretches of the series."""
    count = min(width, len(values))
    edges = [round(index * len(values) / count) for index in range(count + 1)]
    return [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
