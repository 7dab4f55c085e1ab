"""The API process: `python -P -m burnish.serve`, configured by the environment."""

import contextlib
import socket
import sys

import uvicorn
from starlette.applications import Starlette

from burnish.app import create_app
from burnish.http import HttpProtocol
from burnish.kit import collecting, logging
from burnish.kit.settings import Settings
from burnish.websocket import WebSocketProtocol
from engines.compute import rates
from schema.limits import MAX_BODY_BYTES

SHUTDOWN_S = 5
HEADER_BYTES = 64 * 1024
STARTUP_FAILURE = 3
EXIT_SETTINGS = 2


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.configure(settings.log_level)
    settings.prepare_home()
    try:
        rates.check(settings)
    except rates.Unreadable as error:
        print(f"burnish: {error}", file=sys.stderr)
        sys.exit(EXIT_SETTINGS)
    server = uvicorn.Server(config := configured(create_app(settings), settings))
    collecting.rest()
    with contextlib.suppress(KeyboardInterrupt), config.bind_socket() as listening:
        cut_stalled(listening, settings.stall_s)
        server.run(sockets=[listening])
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def configured(app: Starlette, settings: Settings) -> uvicorn.Config:
    """Return how an application is served."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_per_message_deflate=False,
        # What is longer in characters is refused with a reason; this bounds what is held before that can be told.
        ws_max_size=4 * MAX_BODY_BYTES,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=SHUTDOWN_S,
        proxy_headers=False,
    )


def cut_stalled(listening: socket.socket, after_s: float) -> None:
    """Have the kernel cut every accepted connection whose client takes nothing of what was sent to it for so long.

    Whatever answers it, HTTP or websocket, then ends as with any client that has gone. Nothing above the kernel can tell a
    slow reader from one that has stopped.
    """
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(after_s * 1000))


if __name__ == "__main__":
    run(Settings())
