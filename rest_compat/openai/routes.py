"""The routes of this dialect."""

from starlette.routing import BaseRoute


def routes() -> list[BaseRoute]:
    return []
