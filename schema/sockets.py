"""The websocket side: frames are checked before they are believed, whoever opens one shows a key first, and equal subscriptions
share their execution.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import orjson
import structlog
from graphql import (
    ArgumentNode,
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    visit,
)
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from starlette.websockets import WebSocketDisconnected as AlreadyClosed
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws import handlers
from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message

from burnish.kit.errors import RateLimited, Unauthenticated
from schema.admission import Asked, Refused, admit, refused, run
from schema.admitted import Admitted
from schema.context import RequestContext, credentials_of
from schema.limits import MAX_BODY_BYTES
from schema.live import BEGIN
from schema.rate_limits import Allowance
from schema.root import schema
from schema.sharing import LiveContext, Seat, share_key

log = structlog.get_logger(__name__)
# A close frame has room for 123 bytes of reason.
MAX_REASON_BYTES = 120
# A code that clients take as a reason to come back later.
TRY_LATER = 1013
# Among the extensions of a websocket's scope: sends a text at once, or answers False.
WRITE = "burnish.write"
INVALID = "A frame is an object of graphql-transport-ws."


class Socket(ASGIWebSocketAdapter):
    """Strawberry's adapter, with a limit on the size of frames and on the reasons of a close, and text sent as it is."""

    def __init__(self, view: Any, request: WebSocket, response: WebSocket) -> None:
        super().__init__(view, request, response)
        self.queued = 0
        self._write: Callable[[str], bool] | None = request.scope.get("extensions", {}).get(WRITE)

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

    def write(self, text: str) -> bool:
        """Send an encoded message at once; False where that cannot be, and nothing was sent."""
        return self._write is not None and self._write(text)

    async def put(self, text: str) -> None:
        """Send an encoded message; WebSocketDisconnected where nobody is there any more."""
        try:
            await self.ws.send({"type": "websocket.send", "text": text})
        except (WebSocketDisconnect, AlreadyClosed) as error:
            raise WebSocketDisconnected from error

    async def send_json(self, message: Mapping[str, object]) -> None:
        await self.put(orjson.dumps(message).decode())

    async def close(self, code: int, reason: str) -> None:
        await super().close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))


class Handler(handlers.BaseGraphQLTransportWSHandler[RequestContext, None]):
    """Strawberry's protocol, which believes that every frame has the documented shape and executes each operation by itself."""

    view: Any
    websocket: Socket

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.asked: dict[str, dict[str, Any]] = {}

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
        try:
            await super().handle_connection_init(message)
        except RateLimited:
            await self.websocket.close(TRY_LATER, "Too many requests.")
            return
        if self.connection_acknowledged and not self.view.connections.enter(self.websocket, self.context.known):
            await self.websocket.close(TRY_LATER, "This API key has too many connections open.")

    async def handle_subscribe(self, message: Any) -> None:
        known = message["id"] in self.operations
        await super().handle_subscribe({"id": message["id"], "type": "subscribe", "payload": {"query": ""}})
        # The operation begins at the next await, so it is there before it is asked for.
        if not known and message["id"] in self.operations:
            self.asked[message["id"]] = message["payload"]

    async def cleanup_operation(self, operation_id: str) -> None:
        self.asked.pop(operation_id, None)
        await super().cleanup_operation(operation_id)

    async def run_operation(self, operation: handlers.Operation[RequestContext, None]) -> None:
        try:
            context = LiveContext.of(self.context)
            await _authenticate(context)
            await self._run(operation, context, await admit(context, Asked.of(self.asked.pop(operation.id))))
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except Refused as error:
            await operation.send_initial_errors(list(error.errors))
        except WebSocketDisconnected:
            self.operations.pop(operation.id, None)
        except Exception as error:
            log.error("operation_failed", request_id=self.context.request_id, exc_info=error)
            self.operations.pop(operation.id, None)
            await self.websocket.close(1011, "Something went wrong here.")

    async def _run(self, operation: handlers.Operation[RequestContext, None], context: LiveContext, admitted: Admitted) -> None:
        if admitted.type is OperationType.SUBSCRIPTION:
            context.admitted = admitted
            await self._follow(operation, context, admitted)
            return
        result = await run(context, admitted)
        result.extensions = admitted.extensions
        await operation.send_next(result)

    async def _follow(
        self, operation: handlers.Operation[RequestContext, None], context: LiveContext, admitted: Admitted
    ) -> None:
        """Catch up and take the place there, again each time it is lost, until the stream ends."""
        prefix = f'{{"id":{orjson.dumps(operation.id).decode()},"type":"next","payload":'
        key = share_key(context, admitted, begin_variables(admitted.document.ast))
        seat = Seat(self.view.broadcasts, key, self.websocket, prefix)
        try:
            while True:
                results = await context.seated(seat).stream(schema)
                async with aclosing(results):
                    await self._send_result_stream(operation, results)
                if operation.completed or not seat.taken:
                    return
                await seat.pass_on()
                if not seat.behind:
                    return
                seat.leave()
        finally:
            seat.leave()

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        # An operation that does not parse is its own failure, not that of the others on the socket.
        return None


async def _authenticate(context: RequestContext) -> None:
    """Look the key up again, for each operation: a socket outlives it."""
    try:
        await context.authenticate()
    except Unauthenticated:
        pass
    except RateLimited as error:
        raise refused(context, error) from None


async def greet(context: RequestContext) -> None:
    """Authenticate a socket by what its `connection_init` carried, or else by the session cookie of its handshake;
    ConnectionRejectionError closes it with 4403.

    RateLimited where its address has guessed too often.
    """
    context.credentials = credentials_of(context.connection_params or {})
    try:
        await context.authenticate()
    except Unauthenticated:
        Allowance.of(context).request()
        raise ConnectionRejectionError from None


def begin_variables(document: DocumentNode) -> frozenset[str]:
    """Return the variables that a subscription uses for nothing but where to begin."""
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
    try:
        return isinstance(payload, dict) and Asked.of(payload) is not None
    except Refused:
        return False
