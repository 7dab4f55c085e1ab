"""Every dialect: its operations, as the description tells them, and its routes."""

from starlette.routing import BaseRoute

from rest_compat.dedicated import routes as dedicated
from rest_compat.deepinfra import routes as deepinfra
from rest_compat.openai import routes as openai
from rest_compat.veri import routes as veri

OPERATIONS = [*veri.OPERATIONS, *openai.OPERATIONS, *deepinfra.OPERATIONS, *dedicated.OPERATIONS]


def routes() -> list[BaseRoute]:
    """Return the routes; those that answer what no other does come last within their prefix."""
    return [*openai.routes(), *deepinfra.routes(), *veri.routes(), *dedicated.routes()]
