"""The memory of a training job in words: what it is expected to take, what there is, and what it took."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]


def with_memory(job: Json) -> dict[str, Any]:
    """Return a job with one line of its memory in place of the parts."""
    estimate, peak = job.get("memory_estimate"), job.get("peak_memory_bytes")
    said = []
    if estimate is not None:
        said.append(f"{_expected(estimate)} expected")
    if peak is not None:
        said.append(f"{_amount(peak)} at the peak")
    return {**job, "memory": ", ".join(said) or None}


def lines(plan: Json) -> list[str]:
    """Return what a plan says of the memory: the whole, its parts, and what to change where it does not fit."""
    estimate = plan["memory"]
    if estimate is None:
        return [plan["memory_unknown"]] if plan["memory_unknown"] else []
    parts = ", ".join(f"{part['name']} {_amount(part['bytes'])}" for part in estimate["parts"])
    told = [
        f"It is expected to take {_expected(estimate)} of memory, judged by {estimate['basis']}.",
        f"That is {parts}.",
    ]
    return told if estimate["advice"] is None else [*told, f"It does not seem to fit. {estimate['advice']}"]


def _expected(estimate: Json) -> str:
    available = estimate["available_bytes"]
    return _amount(estimate["total_bytes"]) + ("" if available is None else f" of {_amount(available)}")


def _amount(count: int) -> str:
    """Return bytes as people say them: three figures, in units of a thousand."""
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
