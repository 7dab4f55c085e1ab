"""What a deployment's rows ask for: which replicas to start and which to tell to stop. Pure: any host may ask at any moment.

A replica that serves an older version, or whose host is being drained, leaves only when its traffic has somewhere to go: its
replacement is started beside it, one at a time. Where there is no room for that, one of several makes room; the only one waits,
unless its host is being drained. One that takes the new version over while it runs stays.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from models import replica
from models.replica import Replica

BACKOFF_S = (0.0, 1.0, 5.0, 15.0)


@dataclass(frozen=True)
class Wanted:
    """So many replicas of one version. `room` says whether a host could place one more now; `may_start` is false while another
    try would come too soon.
    """

    version: int
    count: int
    room: bool = True
    may_start: bool = True


@dataclass(frozen=True)
class Plan:
    """`start` new replicas, tell those of `stop` to end, each with its reason; `waits` where an update has no room for its first
    step.
    """

    start: int
    stop: Sequence[tuple[Replica, str]]
    waits: bool = False


@dataclass(frozen=True)
class Streak:
    """Failures in a row of a version's replicas: of none has one become ready since."""

    count: int
    last: Replica | None

    @property
    def pause_s(self) -> float:
        """How long after the last failure the next try comes."""
        return BACKOFF_S[min(self.count, len(BACKOFF_S) - 1)]


def plan(wanted: Wanted, live: Sequence[Replica], draining: Collection[str], why_none: str) -> Plan:
    """Return what brings the live replicas nearer to what is wanted. `draining` has the ids of hosts that are to be left;
    `why_none` is said to replicas where none is wanted at all.
    """
    going = [row for row in live if row.stop_requested_at is None]
    if not wanted.count:
        return Plan(0, [(row, why_none) for row in going])
    stay = [row for row in going if wanted.version in (row.version, row.swap_version) and row.host_id not in draining]
    leaving = [row for row in going if row not in stay]
    ready = [row for row in stay if row.status == replica.RUNNING]
    starting = [row for row in stay if row.status != replica.RUNNING]
    stop = [(row, replica.SCALED_DOWN) for row in _least_useful(stay)[: max(0, len(stay) - wanted.count)]]
    stop += [(row, _why(row, wanted)) for row in leaving if row.status != replica.RUNNING]
    left = [row for row in leaving if row.status == replica.RUNNING]
    spare = max(0, len(ready) + len(left) - wanted.count)
    stop += [(row, _why(row, wanted)) for row in left[:spare]]
    left = left[spare:]
    missing = max(0, wanted.count - len(stay))
    start = missing
    if left:
        start = min(missing, max(wanted.count - len(stay) - len(left), 0 if starting else 1))
    waits = False
    is_stuck = any(row.status == replica.PENDING for row in starting) and not wanted.room
    if left and is_stuck and not stop and len(going) == len(live):
        makes_room = [row for row in left if row.host_id in draining] or (left[:1] if len(left) + len(ready) > 1 else [])
        stop += [(row, _why(row, wanted)) for row in makes_room]
        waits = not makes_room
    return Plan(start if wanted.may_start else 0, stop, waits)


def streak(rows: Sequence[Replica], since: datetime) -> Streak:
    """Return the failures in a row of these replicas since a moment. A host that went away is nobody's failure; one that had
    served begins a new row.
    """
    moments = [(row.ready_at, 0, row) for row in rows if row.ready_at is not None]
    moments += [(row.ended_at, 1, row) for row in rows if row.ended_at is not None and _failed(row)]
    count, last = 0, None
    for at, is_failure, row in sorted(moments, key=lambda moment: moment[:2]):
        if at < since or not is_failure:
            count = 0
        else:
            count, last = (1 if row.ready_at is not None else count + 1), row
    return Streak(count, last if count else None)


def _failed(row: Replica) -> bool:
    return row.status == replica.FAILED and row.fail_reason != replica.HOST_GONE


def _why(row: Replica, wanted: Wanted) -> str:
    return replica.HOST_DRAINS if row.version == wanted.version else replica.REPLACED


def _least_useful(rows: Sequence[Replica]) -> list[Replica]:
    """Return them in the order in which they are given up: what takes no traffic yet first, and of that the newest."""
    newest = sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)
    return sorted(newest, key=lambda row: row.status == replica.RUNNING)
