"""The learning rate of a job that goes on from a checkpoint: its own, at the place in its schedule that the checkpoint has."""

from typing import Any


def renew(scheduler: Any, rate: float, weight_decay: float | None = None) -> None:
    """Put a rate, and where one is given a weight decay, in the place of those that came with the optimizer's state.

    Parameters that had no decay, such as norms, keep having none.
    """
    schedule = getattr(scheduler, "scheduler", scheduler)
    schedule.base_lrs = [rate for _ in schedule.base_lrs]
    for group, factor in zip(schedule.optimizer.param_groups, schedule.lr_lambdas, strict=True):
        group["initial_lr"], group["lr"] = rate, rate * factor(schedule.last_epoch)
        if weight_decay is not None:
            group["weight_decay"] = weight_decay if group["weight_decay"] else 0.0
    schedule._last_lr = [group["lr"] for group in schedule.optimizer.param_groups]
