"""How many rows one forward and backward pass takes: a step of more is split, and its gradients are summed.

Plain arithmetic, without torch: the estimate of a job's memory counts with the same numbers as the trainers.
"""

# Tokens that one pass takes at most.
MICRO_BATCH_TOKENS = {"cpu": 8192, "cuda": 16384}


def micro_batch(batch: int, tokens_each: int, device: str) -> int:
    """Return the largest divisor of the batch whose longest rows fit the token budget; at least 1."""
    fitting = MICRO_BATCH_TOKENS[device] // tokens_each
    return next((size for size in range(min(fitting, batch), 0, -1) if batch % size == 0), 1)
