"""What callers say of an eval and of a run: what is asked, how it is scored, and how answers are sampled."""

from typing import Annotated, Any

from pydantic import Field

from burnish.kit.errors import SchemaInvalid
from models.eval import Eval
from resolvers.hardware import GpuInput
from resolvers.inputs import MAX_NAME, Input

MOST_SCORERS = 16
MOST_SAMPLES = 128
# What a model may be asked to write at most; its own length bounds it too.
MOST_TOKENS = 1_000_000
Tokens = Annotated[int, Field(ge=1, le=MOST_TOKENS)]


class GenerationInput(Input):
    """How answers are sampled. What is left out is as the model's engine has it."""

    n: int = Field(1, ge=1, le=MOST_SAMPLES, description="How many answers to ask of each row.")
    max_tokens: Tokens | None = Field(None, description="How long an answer may get.")
    max_completion_tokens: Tokens | None = Field(None, description="The same, as newer clients call it.")
    temperature: float | None = Field(None, ge=0, le=2, description="How much chance there is in an answer; 0 for none.")
    top_p: float | None = Field(None, gt=0, le=1, description="The share of likely tokens that is sampled from.")
    top_k: int | None = Field(None, ge=-1, le=MOST_TOKENS, description="How many likely tokens are sampled from; -1 for all.")
    min_p: float | None = Field(None, ge=0, le=1, description="How likely a token is at least, beside the likeliest.")
    presence_penalty: float | None = Field(None, ge=-2, le=2, description="What tokens lose that were there before.")
    frequency_penalty: float | None = Field(None, ge=-2, le=2, description="What they lose each time that they were.")
    repetition_penalty: float | None = Field(None, gt=0, le=10, description="What the chance of such tokens is divided by.")
    stop: str | list[str] | None = Field(None, description="Where an answer ends.")
    seed: int | None = Field(None, ge=0, le=2**53, description="What chance starts from.")
    system_prompt: str | None = Field(None, max_length=100_000, description="A system message before each prompt.")
    response_format: dict[str, Any] | None = Field(None, description="The shape of an answer, as chat completions take it.")
    chat_template_kwargs: dict[str, Any] | None = Field(None, description="What the model's chat template is given.")

    @property
    def given(self) -> dict[str, Any]:
        """What was said, and nothing else."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


class EvalInput(Input):
    """An eval as the caller asks for it."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    dataset_id: str = Field(max_length=64)
    scorers: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=MOST_SCORERS,
        description="How answers are scored, each with its `type`: `exact-match`, `regex`, `json-schema`, `reward-function` or "
        "`judge`.",
    )
    generation_params: GenerationInput | None = Field(None, description="How the answers of every run are sampled.")


class EvalRunInput(Input):
    """A run as the caller asks for it."""

    model: str = Field(
        min_length=1,
        max_length=200,
        description="Whom to ask: a deployment's id or name, a training job's id or its checkpoint's, or the name of a model.",
    )
    num_samples: int | None = Field(None, ge=1, description="How many rows of the dataset to ask, from the first on; else all.")
    generation_params: GenerationInput | None = Field(None, description="What differs from the eval's.")
    gpu: GpuInput | None = Field(
        None, description="What a deployment that has to be made for it runs on; the cheapest that holds the model by default."
    )
    provider: str | None = Field(None, description="Whose hardware that is.")


def sampling(row: Eval, spec: EvalRunInput) -> tuple[int, dict[str, Any]]:
    """Return how many answers a run asks of each row, and what every request says: the eval's terms under the run's own.

    SchemaInvalid where the two together do not fit.
    """
    own = {} if spec.generation_params is None else spec.generation_params.given
    merged = {**(row.generation or {}), **own}
    samples = merged.pop("n", 1)
    if {"max_tokens", "max_completion_tokens"} <= merged.keys():
        name = "generation_params.max_tokens"
        raise SchemaInvalid(f"{name}: max_tokens and max_completion_tokens mean the same: give one of them", param=name)
    if samples > 1 and merged.get("temperature") == 0:
        name = "generation_params.n"
        raise SchemaInvalid(f"{name}: at a temperature of 0 several answers would be one and the same", param=name)
    return samples, merged
