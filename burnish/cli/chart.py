"""Line charts out of characters: a series of numbers as a terminal can draw it."""

from collections.abc import Sequence
from itertools import pairwise

BLOCKS = " ▁▂▃▄▅▆▇█"
PLAIN = "  ..::##"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return the series as one line of blocks, at most `width` wide; empty for an empty series."""
    if not values:
        return ""
    columns = squeezed(values, width)
    low, high = min(columns), max(columns)
    steps = len(BLOCKS) - 2
    return "".join(BLOCKS[1 + round((value - low) / (high - low) * steps) if high > low else 1] for value in columns)


def area(values: Sequence[float], *, width: int = 60, height: int = 8, unicode: bool = True) -> list[str]:
    """Return the lines of a chart from 0, or the least value if that is lower, to the greatest one, labelled at both ends."""
    if not values:
        return []
    columns = squeezed(values, width)
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
