"""What a trained model said where it was trained, kept beside it as `parity.json` so that a replica can be held against it.

Written by `engines.training.parity`, read by `engines.serving.parity`. It holds a few prompts of the dataset, so that it stays in
the owner's storage and goes to no public place.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

FILE = "parity.json"
# The folder of the adapter by itself, beside the merged model.
ADAPTER = "adapter"

Form = Literal["model", "adapter"]
MODEL: Form = "model"
ADAPTED: Form = "adapter"


class Unreadable(ValueError):
    """The file is none of ours, or of a later version."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Base(Strict):
    """The model that was trained: its name, its commit where it has one, and the sha256 of its chat template."""

    name: str | None
    revision: str | None
    chat_template_sha256: str | None


class Prompt(Strict):
    """A prompt and a greedy completion of it.

    `messages` went through the chat template, or `text` through the tokenizer alone; both are null where the prompt cannot be
    written as a plain request. `logprobs` has, for each form in which the model may be served, the natural logarithm of each
    completion token's probability at temperature 1.
    """

    messages: list[dict[str, Any]] | None
    text: str | None
    prompt_ids: list[int]
    completion_ids: list[int]
    logprobs: dict[Form, list[float]]

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        if not self.completion_ids or not self.prompt_ids:
            raise ValueError("a prompt has tokens, and so has its completion")
        if any(len(values) != len(self.completion_ids) for values in self.logprobs.values()):
            raise ValueError("each token of a completion has one log-probability")
        return self


class Evidence(Strict):
    """`dtype` is the one that the model's files have, in which the log-probabilities were computed."""

    version: Literal[1] = 1
    base: Base
    dtype: str
    prompts: list[Prompt]

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(self.model_dump_json(indent=1))


def read(folder: Path) -> Evidence | None:
    """Return the evidence of a model's folder, None where there is none; Unreadable for what cannot be understood."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return Evidence.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise Unreadable(f"{FILE} cannot be read: {str(error).splitlines()[0]}") from error


def adapter_rank(folder: Path) -> int | None:
    """Return the rank of the adapter beside a model, None where there is none."""
    path = folder / ADAPTER / "adapter_config.json"
    return int(json.loads(path.read_bytes())["r"]) if path.is_file() else None


def template_hash(template: Any) -> str | None:
    """Return the sha256 of a tokenizer's chat template, one text or several by name; None where there is none."""
    if not template:
        return None
    text = template if isinstance(template, str) else json.dumps(template, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def template_of(folder: Path) -> Any:
    """Return the chat template of a model's folder as its tokenizer will have it."""
    try:
        return (folder / "chat_template.jinja").read_text()
    except OSError:
        pass
    try:
        found = json.loads((folder / "tokenizer_config.json").read_bytes()).get("chat_template")
    except (OSError, ValueError, AttributeError):
        return None
    return {each["name"]: each["template"] for each in found} if isinstance(found, list) else found
