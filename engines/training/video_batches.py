"""Which clips a step trains on. A function of the seed and the step's number alone, so a resumed run needs no state of it."""

import random
from collections.abc import Hashable, Sequence


class Batches:
    """Batches of clips of one shape each. An epoch takes every clip once, in an order of its own; the last of a shape is smaller
    where the clips do not go into whole ones.
    """

    def __init__(self, shapes: Sequence[Hashable], size: int, seed: int) -> None:
        self._seed = seed
        self._size = size
        self._of_shape: dict[Hashable, list[int]] = {}
        for index, shape in enumerate(shapes):
            self._of_shape.setdefault(shape, []).append(index)
        self.per_epoch = sum(-(-len(clips) // size) for clips in self._of_shape.values())
        self._epoch = -1
        self._made: list[list[int]] = []

    def at(self, step: int) -> list[int]:
        """Return the numbers of the clips of a step, which counts from 0."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._made = epoch, self._shuffled(epoch)
        return self._made[place]

    def _shuffled(self, epoch: int) -> list[list[int]]:
        order = random.Random(f"{self._seed} {epoch}")
        made = []
        for clips in self._of_shape.values():
            mixed = order.sample(clips, len(clips))
            made += [mixed[start : start + self._size] for start in range(0, len(mixed), self._size)]
        order.shuffle(made)
        return made
