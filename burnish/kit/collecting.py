"""The garbage collector of processes that serve."""

import gc

YOUNG = 20_000


def rest() -> None:
    """Have the garbage collector look at what requests leave, and no more at what was there before the first.

    An answer is tens of thousands of small objects that die by their reference counts: with Python's own thresholds the
    collector walks through them many times a request, and through the whole program again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
