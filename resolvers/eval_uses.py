"""What runs that go on need, so that nobody deletes it under them."""

from sqlmodel import col, select

from burnish.kit.db import Session
from models import eval as evaluation
from models.eval import Eval, EvalRun

LIVE = col(EvalRun.status).not_in(evaluation.TERMINAL)


async def of_dataset(session: Session, dataset_id: str) -> str | None:
    """Return the id of a run that goes on and asks this dataset, None where there is none."""
    statement = select(EvalRun.id).join(Eval, col(Eval.id) == EvalRun.eval_id).where(Eval.dataset_id == dataset_id, LIVE)
    return (await session.exec(statement.limit(1))).first()


async def of_reward_function(session: Session, account_id: str, reward_function_id: str) -> str | None:
    """Return the id of a run that goes on and scores with this reward function, None where there is none."""
    statement = select(EvalRun.id, Eval.scorers).join(Eval, col(Eval.id) == EvalRun.eval_id)
    for run_id, scorers in (await session.exec(statement.where(EvalRun.account_id == account_id, LIVE))).all():
        if any(scorer.get("reward_function_id") == reward_function_id for scorer in scorers):
            return run_id
    return None
