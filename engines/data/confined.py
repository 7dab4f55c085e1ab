"""What a child that reads foreign data may use, so that a file made to eat a machine ends only its child."""

import resource

MAX_DATA_BYTES = 3 * 2**30


def confine() -> None:
    """Bound this process's memory; past it, an allocation fails."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = MAX_DATA_BYTES if hard == resource.RLIM_INFINITY else min(MAX_DATA_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
