"""The log lines of the live benchmarks: every server is given the same ones."""

import base64
import time
from typing import Any

from models import events

TEXT = "step 1841 loss 0.0312 reward 0.8125 kl 0.0041 entropy 1.204 tokens 18231"


def line(number: int) -> dict[str, Any]:
    """Return a line as a host writes it; its message tells its number and when it was handed over."""
    return events.log_line(f"{number:09d} {time.monotonic_ns():019d} {TEXT}", source="trainer")


def typed(number: int) -> dict[str, Any]:
    """Return a line as its subscribers get it, but for the level, whose name is each server's own matter."""
    place = f"job_00000000000000000000000000/logs:{number + 1}".encode()
    return {"cursor": base64.urlsafe_b64encode(place).rstrip(b"=").decode(), **line(number), "attempt": 1}
