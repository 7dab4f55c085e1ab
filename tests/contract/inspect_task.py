"""An evaluation as a user of `inspect-ai` writes one: questions from a file beside it, whole answers and parts of them scored."""

from pathlib import Path

from inspect_ai import Epochs, Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import includes, match
from inspect_ai.solver import generate, system_message


@task  # type: ignore[untyped-decorator]  # its environment has the types
def sums(questions: str) -> Task:
    dataset = json_dataset(str(Path(questions).resolve()))
    solver = [system_message("Answer in words."), generate(temperature=0.5, max_tokens=8, seed=7)]
    return Task(dataset=dataset, solver=solver, scorer=[match(location="exact"), includes()], epochs=Epochs(2, "mean"))
