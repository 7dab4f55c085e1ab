"""How loaded the transformers engine is, as the Prometheus text that is read of every engine."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from engines.serving.engine_metrics import SIGNALS

PREFIX = "transformers:"
FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
LATENCY_S = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0)


class Load:
    """The figures of one engine. `now` tells what runs, what waits, and the share of the cache in use."""

    def __init__(self, now: Callable[[], tuple[int, int, float]]) -> None:
        self._now = now
        self._registry = CollectorRegistry()
        running, waiting, cache, first, whole = (PREFIX + name for name in SIGNALS)
        self._running = Gauge(running, "Answers being made.", registry=self._registry)
        self._waiting = Gauge(waiting, "Answers that wait.", registry=self._registry)
        self._cache = Gauge(cache, "Share of the cache in use.", registry=self._registry)
        self._first = Histogram(first, "Until the first token.", buckets=FIRST_TOKEN_S, registry=self._registry)
        self._whole = Histogram(whole, "Of whole answers.", buckets=LATENCY_S, registry=self._registry)

    @contextmanager
    def answering(self) -> Iterator[Callable[[], None]]:
        """Measure an answer; what is yielded is called at its first token, and may be again."""
        started, told = time.perf_counter(), False

        def first_token() -> None:
            nonlocal told
            if not told:
                told = True
                self._first.observe(time.perf_counter() - started)

        yield first_token
        self._whole.observe(time.perf_counter() - started)

    def text(self) -> str:
        running, waiting, cache = self._now()
        self._running.set(running)
        self._waiting.set(waiting)
        self._cache.set(cache)
        return generate_latest(self._registry).decode()
