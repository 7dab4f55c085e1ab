"""`burnish demo`: the whole way, from a base model to a trained one that answers."""

from typing import Annotated

import typer

from burnish.cli.command import reported
from burnish.cli.operator import read_settings
from burnish.cli.output import Output


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="The tiny model: about two minutes instead of about ten.")] = False,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Port of the platform that it uses or starts; 8400 by default.")
    ] = None,
) -> None:
    """Train a language model on this machine with a reward function, deploy it, and ask it what it learned.

    Starts the platform where none is running, then goes on as any user would: over HTTP, with a key. At the end it keeps serving
    until Ctrl-C; with BURNISH_DEMO_EXIT=1 it stops what it started and leaves.
    """
    out = Output()
    with reported(out):
        settings = read_settings(port=port)
        # Loaded here only: it brings the platform's own modules with it, which cost other commands half a second.
        from burnish.demo import story

        raise typer.Exit(story.run(settings, out, quick=quick))
