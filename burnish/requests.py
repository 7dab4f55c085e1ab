"""A request id for every request: taken from the caller where it is a plain one, made otherwise, given back in `x-request-id`."""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from burnish.kit import ids

PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")


def known_as(given: str | None) -> str:
    """Return the id of a request: the one that its caller gave, where that is a plain one, else a new one."""
    return given if given and PLAIN.fullmatch(given) else ids.new("req")


class RequestId:
    """ASGI middleware; handlers read `request.state.request_id`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        request_id = known_as(Headers(scope=scope).get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        await self.app(scope, receive, send_with_id)
