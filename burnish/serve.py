"""The API process: `python -P -m burnish.serve`, configured by the environment."""

import uvicorn

from burnish.app import create_app
from burnish.kit import logging
from burnish.kit.settings import Settings

SHUTDOWN_S = 5
HEADER_BYTES = 64 * 1024


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.configure(settings.log_level)
    settings.prepare_home()
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=settings.max_body_bytes,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=SHUTDOWN_S,
        proxy_headers=False,
    )


if __name__ == "__main__":
    run(Settings())
