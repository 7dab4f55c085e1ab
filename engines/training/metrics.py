"""One step's numbers, from TRL's log to what is stored and shown. Plain Python: no torch."""

import math
from collections.abc import Mapping
from typing import Any

from engines.protocol import ChildFailure

LINE_KEYS = {"reward": "reward", "kl": "kl", "completions/mean_length": "length", "step_time": "seconds"}


def step_metrics(logs: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the numbers of a TRL log under TRL's own names, with the time of the update and the sampling speed worked out."""
    metrics = {key: _number(value) for key, value in logs.items()}
    if "rewards/reward/mean" in metrics and any(key.endswith("/group_std") for key in metrics):
        # With named components the whole is `reward` itself; one more series of it would look like a component.
        metrics = {key: value for key, value in metrics.items() if not key.startswith("rewards/reward/")}
    elsewhere_s = sum(metrics.get(key) or 0.0 for key in ("generate_time", "score_time", "environment_time"))
    metrics["update_time"] = max(0.0, (metrics.get("step_time") or 0.0) - elsewhere_s)
    return metrics


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def step_line(step: int, total: int, metrics: Mapping[str, float | None]) -> str:
    """Return one readable line, like `step 3/20 reward 0.41 kl 0.002 length 4.1 seconds 1.3`."""
    shown = [f"{label} {metrics[key]:.3g}" for key, label in LINE_KEYS.items() if metrics.get(key) is not None]
    return " ".join([f"step {step}/{total}", *shown])


def refuse_divergence(step: int, metrics: Mapping[str, float | None]) -> None:
    """Raise `config_error` where the loss or its gradient is no number any more: every later step would be wasted."""
    for key in ("loss", "grad_norm"):
        value = metrics.get(key)
        if value is not None and not math.isfinite(value):
            raise ChildFailure(
                "config_error",
                f"Training diverged: {key} became {value} at step {step}. A lower learning_rate usually helps.",
            )
