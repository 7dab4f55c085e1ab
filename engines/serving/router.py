"""Which replica gets the next request: the one with the fewest outstanding."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Target:
    """A replica that answers at `url`. `served_name` is what its engine calls the model, null for the deployment's own name."""

    replica_id: str
    url: str
    served_name: str | None = None


@dataclass
class Lease:
    """A request under way; `release` may be called more than once."""

    _counts: dict[str, int]
    _replica_id: str
    _held: bool = True

    def release(self) -> None:
        if not self._held:
            return
        self._held = False
        left = self._counts.get(self._replica_id, 0) - 1
        if left > 0:
            self._counts[self._replica_id] = left
        else:
            self._counts.pop(self._replica_id, None)


@dataclass
class Table:
    """The routing table of one process.

    Counts outlive a change of targets, so that a replica that comes back is not thought idle.
    """

    _targets: dict[str, list[Target]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _turn: int = 0

    def set(self, deployment_id: str, targets: Sequence[Target]) -> None:
        """Replace the targets of a deployment; none forgets it."""
        if targets:
            self._targets[deployment_id] = list(targets)
        else:
            self._targets.pop(deployment_id, None)

    def pick(self, deployment_id: str, without: Collection[Target] = ()) -> Target | None:
        """Return the target with the fewest outstanding requests, taking turns among equals; None where there is none but those
        that are to be left out.
        """
        targets = self._targets.get(deployment_id, [])
        if without:
            targets = [target for target in targets if target not in without]
        if not targets:
            return None
        self._turn += 1
        turned = [targets[(self._turn + index) % len(targets)] for index in range(len(targets))]
        return min(turned, key=self.outstanding)

    def outstanding(self, target: Target) -> int:
        return self._counts.get(target.replica_id, 0)

    def acquire(self, target: Target) -> Lease:
        """Count a request to the target until the lease is released."""
        self._counts[target.replica_id] = self.outstanding(target) + 1
        return Lease(self._counts, target.replica_id)
