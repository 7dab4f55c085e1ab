"""What training under the platform costs beside the same training as a plain TRL script, in CPU-seconds of the process tree.

Ours has its reward in a jail, keeps every rollout, reports every metric and saves checkpoints on the way. Both see the same
rows in the same order with the same seed: their rewards must be equal, step for step. What a step costs is the difference of a
long and a short run, so that the imports do not count; the two sides take turns, so that a busy machine is busy for both.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import grpo_live, trained
from benchmarks.report import QUICK, Figure, cpu_seconds, figure, main
from benchmarks.trained import Task, Trained

RUNS = 1 if QUICK else 5
SHORT, STEPS = 10, 20 if QUICK else 110
GOAL, STEP_GOAL = 1.25, 1.03
EXAMPLE = Path(__file__).parent.parent / "examples" / "quick"
HYPERPARAMETERS = {
    "learning_rate": 1e-3,
    "rollouts_per_prompt": 8,
    "global_batch_size": 200,
    "max_response_length": 3,
    "kl_coef": 0.01,
    "seed": 42,
}


def measure() -> list[Figure]:
    """Train the quick example's task with both, by turns; return what that costs, and how it is watched."""
    short: dict[str, list[Trained]] = {"ours": [], "peer": []}
    whole: dict[str, list[Trained]] = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder:
        home = Path(folder)
        model, rows = home / "tiny", home / "rows.jsonl"
        cpu_seconds([sys.executable, "-P", "-m", "engines.bases.tiny", str(model)], cwd=home, env=trained.ENV)
        # Rows for a single epoch: from the second on the orders differ, ours being one that a resumed run can find again.
        rows.write_text((EXAMPLE / "prompts.jsonl").read_text() * STEPS)
        for _ in range(RUNS):
            for side, train in (("ours", trained.ours), ("peer", trained.peer)):
                for runs, steps in ((short, SHORT), (whole, STEPS)):
                    wanted = {**HYPERPARAMETERS, "max_steps": steps}
                    runs[side].append(train(Task(home, model, rows, EXAMPLE / "reward.py", wanted)))
    return [*_figures(short, whole), *grpo_live.measure()]


def _figures(short: dict[str, list[Trained]], whole: dict[str, list[Trained]]) -> list[Figure]:
    def step_cpu_ms(side: str) -> float:
        pairs = zip(short[side], whole[side], strict=True)
        return 1000 * statistics.median((long.cpu_s - brief.cpu_s) / (STEPS - SHORT) for brief, long in pairs)

    def middle(side: str, what: Callable[[Trained], float]) -> float:
        return statistics.median(map(what, whole[side]))

    ours, peer = whole["ours"][0].rewards, whole["peer"][0].rewards
    equal = sum(one == other for one, other in zip(ours, peer, strict=True))
    step_ms = (1000 * middle("ours", lambda run: run.step_s), 1000 * middle("peer", lambda run: run.step_s))
    return [
        figure("GRPO, a step, CPU-milliseconds of the process tree", step_cpu_ms("ours"), step_cpu_ms("peer"), STEP_GOAL),
        figure("GRPO, a step, milliseconds of TRL's own step_time", *step_ms, STEP_GOAL),
        figure(f"GRPO, steps whose reward is the same, of {STEPS}", equal, STEPS, 1.0, at_least=True),
        figure(f"GRPO, {STEPS} steps and all around them, CPU-seconds", *_cpu(middle), GOAL),
    ]


def _cpu(middle: Callable[[str, Callable[[Trained], float]], float]) -> tuple[float, float]:
    return middle("ours", lambda run: run.cpu_s), middle("peer", lambda run: run.cpu_s)


if __name__ == "__main__":
    main(measure)
