"""How much a caller may ask a minute, over GraphQL and REST together: requests, and points of cost. By key; without one, a tenth
of it by address.
"""

from ipaddress import ip_network
from typing import NamedTuple, Self

from burnish.kit.core import Core
from burnish.kit.limits import Limiter, Standing
from resolvers.context import Context

SHARE_OF_STRANGERS = 10
# Wrong passwords a minute: for one account by one address and by all, and by one address for any account.
GUESSES_OF_ADDRESS = 10
GUESSES_OF_ALL = 100
GUESSES_AT_ANY = 30


class Allowance(NamedTuple):
    """A caller's two buckets; 0 a minute is no limit."""

    limiter: Limiter
    caller: str
    requests_per_minute: int
    points_per_minute: int

    @classmethod
    def of_caller(cls, ctx: Context) -> Self:
        settings = ctx.core.settings
        return cls(ctx.core.limiter, ctx.key.id, settings.requests_per_minute, settings.points_per_minute)

    @classmethod
    def of_address(cls, core: Core, address: str) -> Self:
        settings = core.settings
        share = [
            max(1, number // SHARE_OF_STRANGERS) if number else 0
            for number in (settings.requests_per_minute, settings.points_per_minute)
        ]
        return cls(core.limiter, f"address:{_network(address)}", *share)

    def request(self) -> Standing | None:
        """Count a request; RateLimited where there have been too many, or too dear ones. Return how the requests stand."""
        standing = None
        if self.requests_per_minute:
            standing = self.limiter.take(f"requests:{self.caller}", self.requests_per_minute)
        if self.points_per_minute:
            self.limiter.take(f"points:{self.caller}", self.points_per_minute, 0)
        return standing

    def may_guess(self) -> None:
        """RateLimited where as many keys that are none were looked up as there may be requests."""
        if self.requests_per_minute:
            self.limiter.require(f"guesses:{self.caller}", self.requests_per_minute)

    def guessed(self) -> None:
        """Count a key that was looked up and is none."""
        if self.requests_per_minute:
            self.limiter.charge(f"guesses:{self.caller}", self.requests_per_minute, 1)

    def charge(self, points: float) -> None:
        """Take what something has cost already."""
        if self.points_per_minute:
            self.limiter.charge(f"points:{self.caller}", self.points_per_minute, points)

    def standing(self) -> Standing | None:
        """Return how the points stand; None where there is no limit."""
        if not self.points_per_minute:
            return None
        return self.limiter.look(f"points:{self.caller}", self.points_per_minute)

    def requests(self) -> Standing | None:
        """Return how the requests stand; None where there is no limit."""
        if not self.requests_per_minute:
            return None
        return self.limiter.look(f"requests:{self.caller}", self.requests_per_minute)


class Guesses(NamedTuple):
    """The guesses at passwords: at one account's, of one address and of all together, so that many addresses are no way around;
    and of one address at any, since each takes a tenth of a second of this machine.

    They count whether there is such an account or not, and also where `requests_per_minute` limits nothing.
    """

    core: Core
    account: str
    address: str

    def take(self) -> None:
        """Count a guess before it is looked at; RateLimited, with nothing counted, where there were too many."""
        for name, most in self._buckets():
            self.core.limiter.require(name, most)
        for name, most in self._buckets():
            self.core.limiter.take(name, most)

    def give_back(self) -> None:
        """The guess was right: it counts for nothing."""
        for name, most in self._buckets():
            self.core.limiter.give_back(name, most)

    def _buckets(self) -> list[tuple[str, int]]:
        # Whatever was typed into the field, passwords too, goes to no other process as it is.
        account = self.core.secrets.hash_token("guesses", self.account.lower())
        network = _network(self.address)
        # Whoever has used up the first gets no bucket for each name that they make up: those of others would be forgotten for it.
        return [
            (f"passwords:any:{network}", GUESSES_AT_ANY),
            (f"passwords:{account}:{network}", GUESSES_OF_ADDRESS),
            (f"passwords:{account}", GUESSES_OF_ALL),
        ]


def _network(address: str) -> str:
    """Return whose an address is: of IPv6, everybody has a network of 64 bits at least."""
    try:
        return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address
    except ValueError:
        return address
