"""The API process: GraphQL, the REST dialects and the dashboard over one core."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from burnish import dashboard
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from burnish.requests import RequestId
from engines import actors
from engines.compute import local
from resolvers.context import Platform
from resolvers.inference import Gateway
from rest_compat import docs
from rest_compat.dialects import routes as rest_routes
from rest_compat.openai.gateway import FrontDoor
from schema.app import routes as graphql_routes


def create_app(settings: Settings) -> Starlette:
    """Return the application; its state holds the `Platform` while it runs."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # Asks the driver once, in a thread: a request would have to wait for it on the event loop.
        await asyncio.to_thread(local.detect)
        core = Core(settings, actors.Broker(settings).send)
        gateway = Gateway(core)
        app.state.platform = Platform(core, gateway)
        tasks = [asyncio.create_task(core.hub.run()), asyncio.create_task(gateway.run())]
        try:
            yield
        finally:
            tasks += app.state.platform.counting.values()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await app.state.platform.answering.close()
            await gateway.close()
            await core.close()

    routes: list[BaseRoute] = [
        Route("/health", health),
        *graphql_routes(),
        *docs.routes(),
        *rest_routes(),
        *dashboard.routes(),
    ]
    app = _Application(routes=routes, lifespan=lifespan, middleware=[Middleware(RequestId)])
    app.router.default = dashboard.otherwise(app.router.default)
    return app


class _Application(Starlette):
    """Completions are taken out in front of everything else, which would cost each part of an answer something."""

    def build_middleware_stack(self) -> ASGIApp:
        return FrontDoor(super().build_middleware_stack())


async def health(request: Request) -> Response:
    """Answer 200 while the API can read its database, 503 otherwise."""
    core: Core = request.app.state.platform.core
    try:
        async with core.db.read() as session:
            await session.connection()
    except Exception:
        return JSONResponse({"status": "unavailable", "database": "unreachable"}, 503, {"Retry-After": "5"})
    return JSONResponse({"status": "ok"})
