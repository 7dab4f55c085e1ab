"""How much CPU time a page's scripts take, frame by frame, by a Chromium trace."""

import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page

Event = dict[str, Any]
CATEGORIES = ("-*", "devtools.timeline", "devtools.timeline.frame", "disabled-by-default-devtools.timeline")
# What runs scripts; they nest, and only the outermost counts.
SCRIPTS = frozenset(
    ("FunctionCall", "EventDispatch", "FireAnimationFrame", "TimerFire", "EvaluateScript", "RunMicrotasks", "FireIdleCallback")
)
FRAME_ENDS = "Commit"


@dataclass(frozen=True)
class Frames:
    """The scripting of each frame that had any, in ms of CPU time."""

    each_ms: tuple[float, ...]

    @property
    def worst_ms(self) -> float:
        return max(self.each_ms, default=0.0)

    @property
    def median_ms(self) -> float:
        return statistics.median(self.each_ms) if self.each_ms else 0.0

    @property
    def both(self) -> tuple[tuple[str, float], tuple[str, float]]:
        return ("median", self.median_ms), ("worst", self.worst_ms)

    @property
    def total_ms(self) -> float:
        return sum(self.each_ms)

    def __str__(self) -> str:
        figures = ", ".join(f"{which} {ms:.2f} ms" for which, ms in self.both)
        return f"{len(self.each_ms)} frames, {figures}, {self.total_ms:.0f} ms in all"


def traced(opened: Browser, page: Page, action: Callable[[], object]) -> Frames:
    """Trace a page while something is done."""
    opened.start_tracing(page=page, categories=list(CATEGORIES))
    try:
        action()
    finally:
        raw = opened.stop_tracing()
    return frames(json.loads(raw)["traceEvents"])


def frames(events: Iterable[Event]) -> Frames:
    """Return the scripting between commits of the main thread, which is the one that runs the most scripts."""
    found = [event for event in events if event.get("name") in SCRIPTS | {FRAME_ENDS} and event.get("ph") == "X"]
    threads = Counter((event["pid"], event["tid"]) for event in found if event["name"] in SCRIPTS)
    if not threads:
        return Frames(())
    main = threads.most_common(1)[0][0]
    each, now, until = [], 0.0, -1
    for event in sorted(found, key=lambda event: (event["ts"], -event.get("dur", 0))):
        if (event["pid"], event["tid"]) != main:
            continue
        if event["name"] == FRAME_ENDS:
            each.append(now)
            now = 0.0
        elif event["ts"] >= until:
            until = event["ts"] + event.get("dur", 0)
            now += event["tdur"] / 1000
    return Frames(tuple(ms for ms in [*each, now] if ms > 0))
