"""The websocket side: frames are checked before they are believed, whoever opens one shows a key first, and equal subscriptions
share their execution.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import lru_cache
from typing import Any

import orjson
import structlog
from graphql import (
    ArgumentNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_operation_ast,
    parse,
    visit,
)
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws import handlers
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message

from burnish.kit.errors import Unauthenticated
from schema.context import RequestContext, credentials_of
from schema.limits import MAX_BODY_BYTES, MAX_TOKENS
from schema.live import BEGIN
from schema.sharing import LiveContext, Operation, Seat, share_key

log = structlog.get_logger(__name__)
# A close frame has room for 123 bytes of reason.
MAX_REASON_BYTES = 120
INVALID = "A frame is an object of graphql-transport-ws."


class Socket(ASGIWebSocketAdapter):
    """Strawberry's adapter, with a limit on the size of frames and on the reasons of a close, and text sent as it is."""

    def __init__(self, view: Any, request: WebSocket, response: WebSocket) -> None:
        super().__init__(view, request, response)
        self.queued = 0

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

    async def put(self, text: str) -> None:
        """Send an encoded message; WebSocketDisconnected where nobody is there any more."""
        try:
            await self.ws.send({"type": "websocket.send", "text": text})
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error

    async def send_json(self, message: Mapping[str, object]) -> None:
        await self.put(orjson.dumps(message).decode())

    async def close(self, code: int, reason: str) -> None:
        await super().close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))


class Handler(handlers.BaseGraphQLTransportWSHandler[RequestContext, None]):
    """Strawberry's protocol, which believes that every frame has the documented shape and executes each operation by itself."""

    view: Any
    websocket: Socket

    async def handle(self) -> None:
        try:
            await super().handle()
        finally:
            self.view.connections.leave(self.websocket)

    async def handle_message(self, message: Message) -> None:
        if not _is_well_formed(message):
            await self.handle_invalid_message(INVALID)
            return
        await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        await super().handle_connection_init(message)
        if self.connection_acknowledged and not self.view.connections.enter(self.websocket, self.context.known):
            # A code that clients take as a reason to come back later.
            await self.websocket.close(1013, "This API key has too many connections open.")

    async def run_operation(self, operation: handlers.Operation[RequestContext, None]) -> None:
        asked = Operation(operation.query, operation.variables, operation.operation_name)
        seat = self._seat(operation.id, asked)
        try:
            await self._run(operation, asked, seat)
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except WebSocketDisconnected:
            self.operations.pop(operation.id, None)
        except Exception as error:
            log.error("operation_failed", request_id=self.context.request_id, exc_info=error)
            self.operations.pop(operation.id, None)
            await self.websocket.close(1011, "Something went wrong here.")
        finally:
            if seat is not None:
                seat.leave()

    async def _run(self, operation: handlers.Operation[RequestContext, None], asked: Operation, seat: Seat | None) -> None:
        """Execute an operation; a subscription catches up and then takes its place, again each time it loses it."""
        while True:
            context = LiveContext.seated(self.context, asked, seat)
            results = await self.schema.stream(asked.query, asked.variables, context, operation_name=asked.name)
            async with aclosing(results):
                await self._send_result_stream(operation, results)
            if operation.completed or seat is None or not seat.taken:
                return
            await seat.pass_on()
            if not seat.behind:
                return
            seat.leave()

    def _seat(self, operation_id: str, asked: Operation) -> Seat | None:
        begin = begin_variables(asked.query, asked.name)
        if begin is None:
            return None
        prefix = f'{{"id":{orjson.dumps(operation_id).decode()},"type":"next","payload":'
        return Seat(self.view.broadcasts, share_key(self.context, asked, begin), self.websocket, prefix)

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


@lru_cache(maxsize=128)
def begin_variables(query: str, name: str | None) -> frozenset[str] | None:
    """Return the variables that a subscription uses for nothing but where to begin; None for what is no subscription."""
    try:
        document = parse(query, no_location=True, max_tokens=MAX_TOKENS)
    except GraphQLError:
        return None
    operation = get_operation_ast(document, name)
    if operation is None or operation.operation is not OperationType.SUBSCRIPTION:
        return None
    uses = _VariableUses()
    visit(document, uses)
    return frozenset(uses.beginning - uses.other)


class _VariableUses(Visitor):
    """Tells variables that stand as an argument which says where to begin from those that are used for anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.beginning: set[str] = set()
        self.other: set[str] = set()

    def enter_variable_definition(self, *_: object) -> object:
        return self.SKIP

    def enter_argument(self, node: ArgumentNode, key: object, parent: object, path: object, ancestors: list[Any]) -> object:
        # document, its definitions, the operation, its selection set, the selections, the field
        at_root = len(ancestors) == 6 and isinstance(ancestors[2], OperationDefinitionNode)
        if at_root and node.name.value in BEGIN and isinstance(node.value, VariableNode):
            self.beginning.add(node.value.name.value)
            return self.SKIP
        return None

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.other.add(node.name.value)


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
