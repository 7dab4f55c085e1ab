"""The routes of GraphQL: operations over HTTP by `schema.http`, subscriptions over `graphql-transport-ws` alone."""

from datetime import timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http.websocket_origin import normalize_origin
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from burnish.kit.errors import Forbidden
from resolvers import cookies
from schema import explorer, http, uploads
from schema.connections import Connections
from schema.context import RequestContext
from schema.root import schema
from schema.sharing import Broadcasts
from schema.sockets import Handler, Socket, greet

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
    """Strawberry's view, for its websockets alone."""

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
        if scope["type"] == "http":
            response = await http.answer(Request(scope, http.limited(receive)))
            await response(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> RequestContext:
        address = request.client.host if request.client else ""
        platform = request.app.state.platform
        try:
            session = cookies.presented(request.headers, platform.core.settings.base_url, changes=True)
        except Forbidden:
            # No page of ours: it has to show a key.
            session = None
        return RequestContext(platform, request.state.request_id, {}, address, session=session)

    async def on_ws_connect(self, context: RequestContext) -> Any:
        await greet(context)
        return await super().on_ws_connect(context)

    def is_websocket_origin_allowed(self, request: WebSocket, origin: str) -> bool:
        base_url: str = request.app.state.platform.core.settings.base_url
        return normalize_origin(origin) == normalize_origin(base_url)

    def decode_json(self, data: str | bytes) -> object:
        return orjson.loads(data)

    def encode_json(self, data: object) -> str:
        return orjson.dumps(data).decode()
