"""How a command outlasts a restart of the platform: it tries again, ever less often, for a minute in a row."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from burnish.cli.exits import ApiError, CliError, Unreachable

T = TypeVar("T")
Tell = Callable[[str], None]

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
OUTAGE_S = 60.0
# Overloaded, starting, or away behind a proxy.
PASSING = (429, 502, 503, 504)


def silent(line: str) -> None:
    return None


class Patience:
    """One command's dealings with one platform. `tell` hears when it goes away and when it is back."""

    def __init__(self, tell: Tell = silent) -> None:
        self._tell = tell
        self._away_since: float | None = None
        self._connected_at: float | None = None
        self._pause = FIRST_PAUSE_S
        self._told = False

    def connected(self) -> None:
        """Take note of a connection. It ends an outage only once it has carried something, or has held for a while."""
        self._connected_at = monotonic()
        if self._told:
            self._tell("Connected again; nothing was missed.")
            self._told = False

    def answered(self) -> None:
        """Take note that the platform works."""
        if self._away_since is not None:
            self.connected()
            self._away_since, self._pause = None, FIRST_PAUSE_S

    def wait(self, error: CliError) -> None:
        """Pause before the next attempt; raise `error` where it will not pass, or has lasted for `OUTAGE_S`."""
        if not isinstance(error, Unreachable) and not (isinstance(error, ApiError) and error.status in PASSING):
            raise error
        if self._connected_at is not None and monotonic() - self._connected_at > LONGEST_PAUSE_S:
            self.answered()
        self._connected_at = None
        if self._away_since is None:
            self._away_since = monotonic()
        if monotonic() - self._away_since > OUTAGE_S:
            raise error
        if not self._told:
            self._tell(error.message.rstrip(".") + ". Trying again.")
            self._told = True
        sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)


def patiently(ask: Callable[[], T], tell: Tell = silent) -> T:
    """Return what `ask` answers, over a restart of the platform."""
    patience = Patience(tell)
    while True:
        try:
            answer = ask()
        except CliError as error:
            patience.wait(error)
        else:
            patience.answered()
            return answer
