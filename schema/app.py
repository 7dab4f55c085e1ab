"""GraphQL over HTTP and websocket."""

from starlette.routing import BaseRoute


def routes() -> list[BaseRoute]:
    return []
