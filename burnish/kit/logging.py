"""Structured logs: one JSON object a line on stderr, or coloured text on a terminal. Values are escaped, so that no text forges
a line.
"""

import logging
import sys

import structlog


def configure(level: str = "info") -> None:
    """Set up structlog for this process, once, at its start."""
    tty = sys.stderr.isatty()
    # Plain tracebacks: the pretty ones print local variables, secrets among them.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer: structlog.types.Processor = console if tty else structlog.processors.JSONRenderer()
    errors: list[structlog.types.Processor] = [] if tty else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *errors,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper(), logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
