"""GraphQL over HTTP and websocket.

POST takes JSON and nothing else, so that no page of another origin can send an operation without asking first; GET gives the
explorer. Subscriptions go over `graphql-transport-ws` alone.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import MissingQueryError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.websocket_origin import normalize_origin
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from burnish.kit.errors import Unauthenticated
from resolvers.context import Platform
from schema import explorer, uploads
from schema.connections import Connections
from schema.context import RequestContext
from schema.limits import MAX_BODY_BYTES
from schema.root import schema
from schema.sharing import Broadcasts
from schema.sockets import Handler, Socket, admit

INIT_S = 10.0
MAX_SUBSCRIPTIONS = 100
PATH = "/graphql"


def routes() -> list[BaseRoute]:
    view = View()
    return [
        Route(PATH, view, methods=["GET", "POST"]),
        WebSocketRoute(PATH, view),
        *explorer.routes(f"{PATH}/assets"),
        Route("/uploads/{token}", uploads.receive, methods=["PUT"]),
    ]


class View(GraphQL[RequestContext, None]):
    """Strawberry's view, narrowed to what is above."""

    graphql_transport_ws_handler_class = Handler
    websocket_adapter_class = Socket

    def __init__(self) -> None:
        super().__init__(
            schema,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=INIT_S),
            max_subscriptions_per_connection=MAX_SUBSCRIPTIONS,
        )
        self.broadcasts = Broadcasts(schema)
        self.connections = Connections()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, _limited(receive))
        try:
            response = await self._answer(request)
        except HTTPException as error:
            response = refusal(error.status_code, error.reason)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            return refusal(405, "Operations are sent by POST.") if "query" in request.query_params else explorer.page()
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return refusal(415, "An operation is sent as application/json.")
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
            return refusal(413, TOO_LARGE)
        return await self.run(request)

    async def execute_single(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        sub_response: Response,
        context: RequestContext,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        try:
            return await self.schema.execute(
                request_data.query,
                variable_values=request_data.variables,
                context_value=context,
                operation_name=request_data.operation_name,
                allowed_operation_types=(OperationType.QUERY, OperationType.MUTATION),
            )
        except InvalidOperationTypeError:
            raise HTTPException(400, f"Subscriptions go over a websocket, by {GRAPHQL_TRANSPORT_WS_PROTOCOL}.") from None
        except CannotGetOperationTypeError as error:
            raise HTTPException(400, error.as_http_error_reason()) from None
        except MissingQueryError:
            raise HTTPException(400, "The request has no query.") from None

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> RequestContext:
        platform: Platform = request.app.state.platform
        live = self.is_websocket_request(request)
        context = RequestContext(platform, request.state.request_id, {} if live else request.headers, live=live)
        if not live:
            with suppress(Unauthenticated):
                await context.authenticate()
        return context

    def create_response(self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response) -> Response:
        response = super().create_response(response_data, sub_response)
        response.headers["Cache-Control"] = "no-store"
        if isinstance(response_data, dict) and _is_for_strangers(response_data):
            response.status_code = 401
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    async def on_ws_connect(self, context: RequestContext) -> Any:
        await admit(context)
        return await super().on_ws_connect(context)

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:
        base_url: str = request.app.state.platform.core.settings.base_url
        return normalize_origin(origin) == normalize_origin(base_url)

    def decode_json(self, data: str | bytes) -> object:
        return orjson.loads(data)

    def parse_json(self, data: str | bytes) -> Any:
        found = super().parse_json(data)
        if not isinstance(found, (dict, list)):
            raise HTTPException(400, "A request is a JSON object.")
        return found

    def encode_json(self, data: object) -> str:
        return orjson.dumps(data).decode()


TOO_LARGE = f"A request has at most {MAX_BODY_BYTES} bytes."


def refusal(status: int, message: str) -> Response:
    """Answer what never became an operation."""
    headers = {"Allow": "GET, POST"} if status == 405 else {}
    return JSONResponse({"errors": [{"message": message, "extensions": {"code": "BAD_REQUEST"}}]}, status, headers)


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message

    return limited


def _is_for_strangers(answer: Mapping[str, Any]) -> bool:
    """Whether an operation gave nothing for want of a key."""
    codes = [error.get("extensions", {}).get("code") for error in answer.get("errors") or ()]
    return "UNAUTHENTICATED" in codes and not any((answer.get("data") or {}).values())
