"""Chat and text completions: from a caller's request to a replica, metered."""

from burnish.kit.core import Core


class Gateway:
    def __init__(self, core: Core) -> None:
        self.core = core

    async def run(self) -> None:
        """Keep the routing table true and write the request log, for ever."""

    async def close(self) -> None:
        """Write what is left of the request log."""
