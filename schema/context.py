"""What every field of an operation shares: the caller, and loaders that fetch what many fields ask for in one statement."""

import time
from collections.abc import Mapping
from typing import Any

import strawberry

from burnish.kit.errors import Unauthenticated
from resolvers import auth
from resolvers.context import Context, Platform
from schema.loaders import Loaders

RECHECK_S = 5.0


class RequestContext:
    """One HTTP request, or one websocket with all its operations.

    Every field that gives or changes data goes through a resolver, and every resolver wants a `Context`: without a key there is
    only the schema itself to read.
    """

    def __init__(self, platform: Platform, request_id: str, credentials: Mapping[str, str], *, live: bool) -> None:
        self.platform = platform
        self.request_id = request_id
        self.credentials = credentials
        self.live = live
        self.connection_params: dict[str, Any] | None = None
        self.loaders = Loaders(self)
        self._caller: Context | None = None
        self._checked = 0.0

    @property
    def known(self) -> Context:
        """The caller that `caller` found; Unauthenticated where it did not."""
        if self._caller is None:
            raise Unauthenticated()
        return self._caller

    async def authenticate(self) -> Context:
        self._caller = None
        self._caller = await auth.caller(self.platform, self.credentials, self.request_id)
        self._checked = time.monotonic()
        return self._caller

    async def caller(self) -> Context:
        """Return who calls. A socket outlives its key: there the key is looked up again with each operation."""
        return await self.authenticate() if self.live else self.known

    async def recheck(self) -> None:
        """Unauthenticated where the key of a running subscription has been revoked or has expired."""
        if time.monotonic() - self._checked > RECHECK_S:
            await self.authenticate()


Info = strawberry.Info[RequestContext, None]


def credentials_of(params: Mapping[str, Any]) -> dict[str, str]:
    """Return as headers what `connection_init` carried: `{"Authorization": "Bearer vk_…"}` or `{"apiKey": "vk_…"}`."""
    given = {name.lower(): value for name, value in params.items() if isinstance(value, str)}
    if "apikey" in given:
        return {"authorization": f"Bearer {given['apikey']}"}
    return {"authorization": given.get("authorization", "")}
