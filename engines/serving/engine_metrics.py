"""How loaded an engine is, read out of its Prometheus text: each engine names the same signals behind a prefix of its own."""

import re
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

SIGNALS = (
    "num_requests_running",
    "num_requests_waiting",
    "kv_cache_usage_perc",
    "time_to_first_token_seconds",
    "e2e_request_latency_seconds",
)
# Of the hundreds of lines these few: parsing them all would take the host's time.
_LINE = re.compile(rf"^\w+:(?:{'|'.join(SIGNALS)}).*\n?", re.MULTILINE)


@dataclass(frozen=True)
class Histogram:
    """A cumulative histogram since the engine's start: `buckets` are pairs of an upper bound in seconds and a count."""

    count: float
    sum_s: float
    buckets: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class EngineMetrics:
    """The engine's load at one moment, summed over its data-parallel ranks; `kv_cache_usage` is of the fullest, from 0 to 1.

    What the engine does not say is null.
    """

    running: int | None
    waiting: int | None
    kv_cache_usage: float | None
    time_to_first_token: Histogram
    latency: Histogram

    @property
    def outstanding(self) -> int:
        return (self.running or 0) + (self.waiting or 0)


def parse_metrics(text: str) -> EngineMetrics:
    """Read the signals for scaling out of the engine's Prometheus text."""
    values: dict[str, list[float]] = {}
    buckets: dict[str, dict[float, float]] = {}
    lines = "".join(found[0] for found in _LINE.finditer(text))
    for family in text_string_to_metric_families(lines):
        for sample in family.samples:
            name = sample.name.partition(":")[2]
            if "le" in sample.labels:
                counts = buckets.setdefault(name, {})
                bound = float(sample.labels["le"])
                counts[bound] = counts.get(bound, 0.0) + sample.value
            else:
                values.setdefault(name, []).append(sample.value)

    def total(name: str) -> float:
        return sum(values.get(name, [0.0]))

    def gauge(name: str) -> int | None:
        return int(total(name)) if name in values else None

    def histogram(name: str) -> Histogram:
        counts = sorted(buckets.get(f"{name}_bucket", {}).items())
        return Histogram(total(f"{name}_count"), total(f"{name}_sum"), tuple(counts))

    return EngineMetrics(
        running=gauge("num_requests_running"),
        waiting=gauge("num_requests_waiting"),
        kv_cache_usage=max(values.get("kv_cache_usage_perc", []), default=None),
        time_to_first_token=histogram("time_to_first_token_seconds"),
        latency=histogram("e2e_request_latency_seconds"),
    )
