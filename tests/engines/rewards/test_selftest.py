"""What a host can enforce is found out, not believed."""

from contextlib import AbstractContextManager
from unittest.mock import patch

import pytest

from engines.protocol import ChildFailure
from engines.rewards import jail_process, landlock, selftest
from engines.rewards.jail import Jail, Rules
from engines.rewards.selftest import PROBE, Report

# Run in the jail before its own code: the walls of this host are of paper.
PAPER = "from engines.rewards import landlock, seccomp; landlock.restrict = seccomp.install = lambda *a, **k: None; "
NONE = "from engines.rewards import seccomp\ndef install(**k): raise OSError('no filters here')\nseccomp.install = install; "


def host(lies: str) -> AbstractContextManager[object]:
    """Start jails on a host that is not as good as it says."""
    command = list(jail_process._COMMAND)
    at = command.index(jail_process._START)
    setup, _, run = jail_process._START.partition("; from engines")
    command[at] = f"{setup}\n{lies}\nfrom engines{run}"
    return patch.object(jail_process, "_COMMAND", command)


def test_this_host_holds_reward_code() -> None:
    report = selftest.run(Rules())
    assert report.protected
    assert report.unusable is None
    assert {"limits", "no privileges", "seccomp"} <= set(report.standing)


def test_a_kernel_without_landlock_still_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    report = selftest.run(Rules())
    assert report.protected and report.missing == {"Landlock": "not in this kernel: seccomp shuts files"}
    assert selftest.run(Rules(require_landlock=True)).unusable is not None


@pytest.mark.parametrize("lies", [PAPER, NONE])
def test_a_host_that_enforces_nothing_runs_no_reward(lies: str) -> None:
    with host(lies):
        report = selftest.run(Rules())
        with pytest.raises(ChildFailure) as caught, Jail(PROBE):
            pass
    assert report.unusable is not None and not report.protected
    assert (caught.value.code, caught.value.attribution) == ("config_error", "platform")
    assert "could open a socket" in report.unusable or "no filters here" in report.unusable


def test_the_operator_may_say_that_it_runs_all_the_same() -> None:
    with host(NONE):
        report = selftest.run(Rules(unprotected=True))
        with Jail(PROBE, unprotected=True) as jail:
            assert jail.score(["p"], ["abc"], {}).rewards == [3.0]
    assert report.unusable is None and not report.protected
    assert report.missing["seccomp"] == "no filters here"
    assert "missing: seccomp (no filters here)" in report.detail


def test_walls_behind_which_others_stand_may_be_missing() -> None:
    assert Report(["seccomp"], {"namespaces": "unshare: Operation not permitted"}).protected
    assert not Report(["Landlock 7"], {"limits": "no"}).protected
