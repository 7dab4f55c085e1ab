"""How much a caller may ask a minute, over GraphQL and REST together: requests, and points of cost. By key; without one, a tenth
of it by address. Of deployments, completions and tokens: by key.
"""

import math
from ipaddress import ip_network
from typing import NamedTuple, Self

from burnish.kit.core import Core
from burnish.kit.errors import RateLimited
from burnish.kit.limits import Limiter, Standing
from models.api_key import ApiKey
from resolvers.context import Context

SHARE_OF_STRANGERS = 10
# Wrong passwords a minute: for one account by one address and by all, and by one address for any account.
GUESSES_OF_ADDRESS = 10
GUESSES_OF_ALL = 100
GUESSES_AT_ANY = 30
# Tokens are counted once they are used: what was used too much is paid back, however much it was, within an hour.
TOKEN_DEBT_MINUTES = 60


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


class InferenceAllowance:
    """What a key may ask of deployments, for one request; this one as much as it likes. Every completion passes here: nothing
    waits, and a microsecond counts.
    """

    __slots__ = ()

    @staticmethod
    def of(core: Core, key: ApiKey) -> "InferenceAllowance":
        """Return what the key may ask: by its own limits or by the installation's, whichever are lower."""
        # Past the instrumented attributes, of which each would be half of what a request without a limit may cost here.
        settings, row = core.settings, key.__dict__
        requests = _lower(row["inference_requests_per_minute"], settings.inference_requests_per_minute)
        tokens = _lower(row["inference_tokens_per_minute"], settings.inference_tokens_per_minute)
        if not requests and not tokens:
            return UNLIMITED
        return _LimitedInference(core.limiter, row["parent_id"] or row["id"], requests, tokens)

    def admit(self) -> None:
        """Count a request; RateLimited, with nothing counted, where there have been too many, or the tokens are used up."""

    def charge(self, tokens: int) -> None:
        """Take the tokens that the request has used: those of the prompt, and those of the completion."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that say how each limit stands, as OpenAI's clients read them."""
        return []


UNLIMITED = InferenceAllowance()


class _LimitedInference(InferenceAllowance):
    """A session that was signed in with a key takes from that key's buckets. 0 is no limit."""

    __slots__ = (
        "_limiter", "_requests", "_requests_name", "_requests_per_minute", "_tokens", "_tokens_name", "_tokens_per_minute",
    )  # fmt: skip

    def __init__(self, limiter: Limiter, key_id: str, requests_per_minute: int, tokens_per_minute: int) -> None:
        self._limiter = limiter
        self._requests_name = f"inference:requests:{key_id}"
        self._tokens_name = f"inference:tokens:{key_id}"
        self._requests_per_minute = requests_per_minute
        self._tokens_per_minute = tokens_per_minute
        # How they stood when this request was last counted.
        self._requests: Standing | None = None
        self._tokens: Standing | None = None

    def admit(self) -> None:
        if most := self._tokens_per_minute:
            try:
                self._limiter.require(self._tokens_name, most)
            except RateLimited as refused:
                raise _refusal(f"use {most:,} tokens", refused) from None
        if most := self._requests_per_minute:
            try:
                self._requests = self._limiter.take(self._requests_name, most)
            except RateLimited as refused:
                raise _refusal(f"send {most:,} requests", refused) from None

    def charge(self, tokens: int) -> None:
        if (most := self._tokens_per_minute) and tokens > 0:
            self._tokens = self._limiter.charge(self._tokens_name, most, tokens, debt_minutes=TOKEN_DEBT_MINUTES)

    def headers(self) -> list[tuple[bytes, bytes]]:
        told: list[tuple[bytes, bytes]] = []
        if self._requests_per_minute:
            requests = self._requests or self._limiter.look(self._requests_name, self._requests_per_minute)
            told += (
                (b"x-ratelimit-limit-requests", b"%d" % requests.limit),
                (b"x-ratelimit-remaining-requests", b"%d" % requests.remaining),
                (b"x-ratelimit-reset-requests", b"%ds" % math.ceil(requests.full_in_s)),
            )
        if self._tokens_per_minute:
            tokens = self._tokens or self._limiter.look(self._tokens_name, self._tokens_per_minute)
            told += (
                (b"x-ratelimit-limit-tokens", b"%d" % tokens.limit),
                (b"x-ratelimit-remaining-tokens", b"%d" % tokens.remaining),
                (b"x-ratelimit-reset-tokens", b"%ds" % math.ceil(tokens.full_in_s)),
            )
        return told


def _refusal(may: str, refused: RateLimited) -> RateLimited:
    wait_s = refused.retry_after_s
    message = f"Rate limit reached: this caller may {may} a minute. Try again in {wait_s} s."
    return RateLimited(message, retry_after_s=wait_s)


def _lower(own: int | None, installation: int) -> int:
    """Return the lower of two limits of which each may be none."""
    if not own:
        return installation
    return own if not installation or own < installation else installation


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
