"""What this host can enforce on reward code: found by running a reward in a jail, as a job does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engines.protocol import ChildFailure
from engines.rewards import landlock
from engines.rewards.jail import Jail, Rules

PROBE = b"def reward(prompts, completions, **columns):\n    return [float(len(text)) for text in completions]\n"
# Walls behind which others stand: without Landlock seccomp shuts files, and without sockets there is no network to hide.
SPARE = ("namespaces", "Landlock")


@dataclass(frozen=True)
class Report:
    """The walls that stand here, those that do not and why; `unusable` says why no reward is run at all."""

    standing: Sequence[str] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    unusable: str | None = None

    @property
    def protected(self) -> bool:
        """Whether reward code is held."""
        return self.unusable is None and all(wall in SPARE for wall in self.missing)

    @property
    def detail(self) -> str:
        """All of it in one line."""
        lost = "; ".join(f"{wall} ({why})" for wall, why in self.missing.items())
        return self.unusable or ", ".join(self.standing) + (f"; missing: {lost}" if lost else "")


def run(rules: Rules) -> Report:
    """Open a jail by these rules and score with it. Each jail tries its own walls before it opens."""
    try:
        with Jail(PROBE, rules=rules) as jail:
            rewards = jail.score(["a"], ["ab"], {}).rewards
            standing, missing = jail.walls["standing"], jail.walls["missing"]
    except (ChildFailure, OSError) as error:
        return Report(unusable=str(error))
    if rewards != [2.0]:
        return Report(unusable=f"a reward of 2.0 came back as {rewards}")
    known = landlock.version()
    if not known:
        missing = {**missing, "Landlock": "not in this kernel: seccomp shuts files"}
    elif "Landlock" in missing:
        # A kernel that has it and does not enforce it leaves files open.
        missing = {**missing, "no files": missing["Landlock"]}
    return Report([f"Landlock {known}" if wall == "Landlock" else wall for wall in standing], missing)
