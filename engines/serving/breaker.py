"""What the outcomes of its requests say of a replica, and so whether it is asked.

    closed ──UNREACHABLE, or 5 FAULT in a row──▶ open ──0.5 s, doubling to 10 s──▶ half-open ──OK──▶ closed
                                                  ▲                                   │
                                                  └────────UNREACHABLE, FAULT─────────┘

Half-open lets one request through; where it decides nothing, one more each `TRIAL_S`. Only requests that began in the present
state count: what was under way when the breaker opened says nothing new when it ends.
"""

from enum import Enum

FAULTS = 5
OPEN_S = 0.5
MAX_OPEN_S = 10.0
# A generation may take minutes, and a request may hang: after so long the next one may try.
TRIAL_S = 10.0


class Outcome(Enum):
    """How a request ended, as far as its replica is concerned."""

    OK = "ok"
    UNREACHABLE = "unreachable"  # no connection, or no byte of an answer
    FAULT = "fault"  # 5xx, a timeout, an answer that breaks off
    NEITHER = "neither"  # the client left, or asked for something wrong: nothing is known of the replica


OK, NEITHER, UNREACHABLE = Outcome.OK, Outcome.NEITHER, Outcome.UNREACHABLE


class Breaker:
    """`shut_until` is None while it is closed, else the moment from which the next trial may go; `age` grows as it opens."""

    __slots__ = ("age", "faults", "open_s", "shut_until", "trying")

    def __init__(self) -> None:
        self.shut_until: float | None = None
        self.trying = False
        self.faults = 0
        self.open_s = 0.0
        self.age = 0

    def is_up(self, now: float) -> bool:
        """Tell whether requests may go, now or once a trial has ended well."""
        return self.shut_until is None or self.trying or now >= self.shut_until

    def begin_trial(self, now: float) -> None:
        self.trying = True
        self.shut_until = now + TRIAL_S

    def judge(self, outcome: Outcome, age: int, now: float) -> float | None:
        """Take in how a request ended that began at this `age`; return for how long that opens the breaker, or None."""
        if age != self.age:
            return None
        if outcome is OK:
            self.close()
        elif outcome is NEITHER:
            if self.trying:
                self.shut_until = now
        else:
            self.faults += 1
            if self.trying or outcome is UNREACHABLE or self.faults >= FAULTS:
                seconds = min(max(2 * self.open_s, OPEN_S), MAX_OPEN_S)
                self.open(seconds, now)
                return seconds
        return None

    def close(self) -> None:
        self.shut_until = None
        self.trying = False
        self.faults = 0
        self.open_s = 0.0

    def open(self, seconds: float, now: float) -> None:
        """Open for so long, or for what is left of a longer time."""
        left_s = 0.0 if self.shut_until is None or self.trying else self.shut_until - now
        self.shut_until = now + max(seconds, left_s)
        self.trying = False
        self.faults = 0
        self.open_s = max(self.open_s, seconds)
        self.age += 1

    def forget(self) -> None:
        """Be closed, whatever is under way."""
        self.close()
        self.age += 1
