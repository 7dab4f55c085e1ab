"""The websocket side: frames are checked before they are believed, and whoever opens one shows a key first."""

from collections.abc import AsyncGenerator
from typing import Any

from graphql import GraphQLError
from starlette.websockets import WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import NonJsonMessageReceived
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message

from burnish.kit.errors import Unauthenticated
from schema.context import RequestContext, credentials_of
from schema.limits import MAX_BODY_BYTES

# A close frame has room for 123 bytes of reason.
MAX_REASON_BYTES = 120
INVALID = "A frame is an object of graphql-transport-ws."


class Socket(ASGIWebSocketAdapter):
    """Strawberry's adapter, with a limit on the size of frames and on the reasons of a close."""

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        while self.ws.application_state != WebSocketState.DISCONNECTED:
            message = await self.ws.receive()
            if message["type"] != "websocket.receive":
                return
            text = message.get("text")
            if text is None or len(text) > MAX_BODY_BYTES:
                await self.close(1009 if text else 1003, "A frame is text of at most 100 KB.")
                return
            try:
                yield self.view.decode_json(text)
            except ValueError as error:
                raise NonJsonMessageReceived from error

    async def close(self, code: int, reason: str) -> None:
        await super().close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))


class Handler(BaseGraphQLTransportWSHandler[RequestContext, None]):
    """Strawberry's protocol, which believes that every frame has the documented shape."""

    async def handle_message(self, message: Message) -> None:
        if not _is_well_formed(message):
            await self.handle_invalid_message(INVALID)
            return
        await super().handle_message(message)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        # An operation that does not parse is its own failure, not that of the others on the socket.
        return None


async def admit(context: RequestContext) -> None:
    """Authenticate a socket by what its `connection_init` carried; ConnectionRejectionError closes it with 4403."""
    context.credentials = credentials_of(context.connection_params or {})
    try:
        await context.authenticate()
    except Unauthenticated:
        raise ConnectionRejectionError from None


def _is_well_formed(message: Any) -> bool:
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    if message["type"] not in ("subscribe", "complete"):
        return True
    if not isinstance(message.get("id"), str) or not message["id"]:
        return False
    return message["type"] == "complete" or _is_operation(message.get("payload"))


def _is_operation(payload: Any) -> bool:
    return (
        isinstance(payload, dict)
        and isinstance(payload.get("query"), str)
        and isinstance(payload.get("variables"), (dict, type(None)))
        and isinstance(payload.get("operationName"), (str, type(None)))
    )
