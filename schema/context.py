"""What every field of an operation shares: the caller, and loaders that fetch what many fields ask for in one statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import strawberry

from burnish.kit.errors import Unauthenticated
from resolvers import auth
from resolvers.context import Context, Platform
from schema.admitted import Admitted
from schema.loaders import Loaders


@dataclass
class Browser:
    """Who waits for an HTTP answer, and the cookie that goes with it. A websocket has none: nothing could be kept by it."""

    user_agent: str | None
    is_ours: bool
    set_cookie: str | None = None


class RequestContext:
    """One HTTP request, or one websocket; each operation on a socket has its own (`schema.sharing.LiveContext`).

    Every field that gives or changes data goes through a resolver, and every resolver wants a `Context`: without a key there is
    only the schema itself to read, and the way in. `session` is the secret of a session cookie that may be believed.
    """

    def __init__(
        self,
        platform: Platform,
        request_id: str,
        credentials: Mapping[str, str],
        address: str,
        browser: Browser | None = None,
        session: str | None = None,
    ) -> None:
        self.platform = platform
        self.request_id = request_id
        self.credentials = credentials
        self.address = address
        self.browser = browser
        self.session = session
        self.admitted: Admitted | None = None
        self.connection_params: dict[str, Any] | None = None
        self.loaders = Loaders(self)
        self._caller: Context | None = None

    @property
    def is_known(self) -> bool:
        return self._caller is not None

    @property
    def known(self) -> Context:
        """The caller that `authenticate` found; Unauthenticated where it did not."""
        if self._caller is None:
            raise Unauthenticated()
        return self._caller

    def become(self, caller: Context) -> None:
        """Go on as a caller who has just signed in."""
        self._caller = caller

    async def authenticate(self) -> Context:
        self._caller = None
        self._caller = await auth.caller(self.platform, self.credentials, self.request_id, self.address, self.session)
        return self._caller


Info = strawberry.Info[RequestContext, None]


def credentials_of(params: Mapping[str, Any]) -> dict[str, str]:
    """Return as headers what `connection_init` carried: `{"Authorization": "Bearer vk_…"}` or `{"apiKey": "vk_…"}`."""
    given = {name.lower(): value for name, value in params.items() if isinstance(value, str)}
    if "apikey" in given:
        return {"authorization": f"Bearer {given['apikey']}"}
    return {"authorization": given.get("authorization", "")}
