"""What the transformers engine is asked, in OpenAI's words, and what it refuses: everything that it would not do."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from engines.serving.engine import MAX_SEQUENCES

MAX_STOPS = 16
Tokens = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class Refused(Exception):
    """A request that is not answered. `param` is the field that it is about."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    include_usage: bool = False
    continuous_usage_stats: bool = False


class Asked(BaseModel):
    """What both routes take. What is null is as if it were not there."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str
    stream: bool = False
    stream_options: StreamOptions = Field(default_factory=StreamOptions)
    n: int = Field(1, ge=1, le=MAX_SEQUENCES)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float = Field(1.0, ge=0, allow_inf_nan=False)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=-1)
    min_p: float = Field(0.0, ge=0, le=1)
    repetition_penalty: float = Field(1.0, gt=0, allow_inf_nan=False)
    presence_penalty: float = Field(0.0, ge=-2, le=2)
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    logit_bias: dict[int, Annotated[float, Field(ge=-100, le=100)]] = Field(default_factory=dict)
    seed: int | None = None
    stop: list[str] = Field(default_factory=list, max_length=MAX_STOPS)
    stop_token_ids: list[int] = Field(default_factory=list)
    ignore_eos: bool = False
    # Who asks, for the caller's own books; nothing here hangs on it.
    user: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _given(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data

    @field_validator("stop", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @property
    def most_tokens(self) -> int | None:
        return self.max_tokens

    @property
    def top_logprobs_wanted(self) -> int | None:
        """How many of the likeliest tokens to tell with each, None for no log-probabilities."""
        raise NotImplementedError


class Chat(Asked):
    messages: list[dict[str, Any]] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=20)
    add_generation_prompt: bool = True
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] = Field(default_factory=list)
    tool_choice: Literal["none", "auto"] | None = None

    @field_validator("messages")
    @classmethod
    def _texts(cls, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [_flat(message) for message in value]

    @field_validator("response_format")
    @classmethod
    def _plain_text(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and value.get("type") != "text":
            raise ValueError("the engine transformers has no structured output")
        return value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.tools and self.tool_choice != "none":
            raise ValueError("the engine transformers calls no tools")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true")
        return self

    @property
    def most_tokens(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def top_logprobs_wanted(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None


class Completion(Asked):
    prompt: str | Tokens | Annotated[list[str] | list[Tokens], Field(min_length=1)]
    max_tokens: int | None = Field(16, ge=1)
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: Literal[False] = False
    best_of: int | None = None

    @model_validator(mode="after")
    def _no_choice(self) -> Self:
        if self.best_of not in (None, self.n):
            raise ValueError("the engine transformers does not choose the best of several answers")
        return self

    @property
    def prompts(self) -> list[str] | list[list[int]]:
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], int):
            return [self.prompt]
        return self.prompt

    @property
    def top_logprobs_wanted(self) -> int | None:
        return self.logprobs


def read(kind: type[Chat] | type[Completion], body: Any) -> Chat | Completion:
    """Read a request; Refused for what it does not understand, the first field named."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    param = where[0] if where else None
    if first["type"] == "extra_forbidden":
        raise Refused(400, f"The engine transformers does not know '{'.'.join(where)}'.", param)
    message = str(first["msg"]).removeprefix("Value error, ")
    raise Refused(400, f"{'.'.join(where)}: {message}" if where else message, param)


def _flat(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message whose parts are one text, which every chat template takes."""
    if not isinstance(message.get("role"), str):
        raise ValueError("a message has a role")
    parts = message.get("content")
    if not isinstance(parts, list):
        if not isinstance(parts, str | None):
            raise ValueError("a message's content is a text or a list of parts")
        return message
    texts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("the engine transformers reads texts only, no images, audio or files")
    return {**message, "content": "\n".join(text for text in texts if text is not None)}
