"""The process of the transformers engine: `python -P -m engines.serving.batching SPEC`, a JSON object.

Ends when the batching does, so that whoever started it sees it.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import torch
import uvicorn

from engines.serving.batching.generation import Generation
from engines.serving.batching.server import Server

# Longer than a client keeps an idle connection: it must never send on one that the engine is closing.
KEEP_ALIVE_S = 60
DRAIN_S = 30


async def serve(spec: dict[str, Any], generation: Generation) -> bool:
    """Serve until told to end, or until the batching ends by itself: then False."""
    config = uvicorn.Config(
        Server(generation, spec["names"]).app(),
        host=spec["host"],
        port=spec["port"],
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    server = uvicorn.Server(config)
    generation.start()
    watching = asyncio.create_task(generation.until_dead())
    watching.add_done_callback(lambda _: setattr(server, "should_exit", True))
    await server.serve()
    alive = generation.is_alive
    watching.cancel()
    return alive


def main(spec: dict[str, Any]) -> int:
    torch.set_num_threads(spec["threads"])
    # Requests without a seed of their own draw it from this one.
    torch.manual_seed(spec["args"]["seed"]) if "seed" in spec["args"] else torch.seed()
    generation = Generation(Path(spec["model"]), spec["device"], spec["kv_cache_bytes"], spec["args"])
    print(f"transformers: {spec['names'][0]} with a context of {generation.context} tokens on {spec['device']}", flush=True)
    return 0 if asyncio.run(serve(spec, generation)) else 1


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
