"""The routes of this dialect."""

from starlette.routing import BaseRoute

from rest_compat.openai import asynchronous, batches, chat, files, models
from rest_compat.operation import route

OPERATIONS = [*chat.OPERATIONS, *asynchronous.OPERATIONS, *models.OPERATIONS, *files.OPERATIONS, *batches.OPERATIONS]


def routes() -> list[BaseRoute]:
    return [route(operation) for operation in OPERATIONS]
