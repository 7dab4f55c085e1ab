"""A training child whose completions are not sampled but told, by step and place in the batch, however many processes there are.

Started like `engines.child`; the other processes of its run are started from here too.
"""

import os
import random
import sys
from typing import Any

from engines import child
from engines.training import ranks

MOST_TOKENS = 3
join = ranks.join


def join_and_tell(job: Any) -> None:
    """Join the others, and replace the sampling before the trainer is made."""
    join(job)
    from engines.training.trainer import RolloutTrainer

    RolloutTrainer._generate_single_turn = tell  # type: ignore[method-assign, assignment]


def tell(trainer: Any, prompt_ids: list[list[int]], *_: Any) -> tuple[list[list[int]], None]:
    """Return digits, mostly one of them and the end, as a half-trained model answers."""
    step, start = trainer.state.global_step, ranks.number() * len(prompt_ids)
    end, digits = trainer._tokenizer.eos_token_id, trainer._tokenizer("0123456789")["input_ids"]
    completions = []
    for place in range(start, start + len(prompt_ids)):
        chance = random.Random(f"{step} {place}")
        said = chance.choices(digits, k=chance.choice([1, 1, 1, MOST_TOKENS]))
        completions.append(said if len(said) == MOST_TOKENS else [*said, end])
    return completions, None


if __name__ == "__main__":
    ranks.join, ranks.OTHERS_MODULE = join_and_tell, "tests.engines.training.told"
    code = ranks.main() if ranks.number() else child.main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
