"""Where a trained model goes besides our own storage: checked when the job is made, delivered by its host."""

import re
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from burnish.kit.errors import BurnishError, Invalid
from burnish.kit.settings import Settings
from engines.delivery.parts import Weights, offered
from models.account import Account
from resolvers.inputs import Input

S3_URI = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()=+@-]+)*/?")
REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
# What each kind of destination needs.
NEEDS = {"uri": "s3", "repo": "hf"}
# What only one kind may have.
ONLY = {**NEEDS, "private": "hf", "archive": "s3"}


class CheckpointDestination(Input):
    """`veri` is the platform's own storage, where the model is kept in any case; `s3` also takes it to a folder of a bucket, `hf`
    to a repository of Hugging Face.
    """

    type: Literal["veri", "s3", "hf"] = "veri"
    uri: str | None = Field(
        None, max_length=1024, description="With `s3`: the folder, `s3://bucket/folder`.", validate_default=True
    )
    repo: str | None = Field(None, max_length=200, description="With `hf`: the repository, `owner/name`.", validate_default=True)
    private: bool | None = Field(
        None, description="With `hf`: whether a repository that has to be made is private; true by default."
    )

    weights: Weights | None = Field(
        None,
        description="Which weights of a model that is trained as an adapter: `merged` into the base, the `adapter` by itself, or "
        "`both`, which is what null gives. With `veri` it is what downloads hold where they are not asked for another.",
    )
    archive: bool | None = Field(
        None, description="With `s3`: whether the files go as one `.tar.gz`, called as the model is; false by default."
    )

    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, value: Any) -> Any:
        """Take what job files of the `veri` command line hold: `{"destination": "veri"}`, or a destination in that place."""
        if not isinstance(value, dict) or set(value) != {"destination"}:
            return value
        inner = value["destination"]
        return {"type": inner} if isinstance(inner, str) else inner

    @field_validator("uri", "repo", "private", "archive")
    @classmethod
    def _belongs(cls, value: Any, info: ValidationInfo) -> Any:
        kind, name = info.data.get("type"), str(info.field_name)
        if kind is None:
            return value
        if value is None:
            if NEEDS.get(name) == kind:
                raise ValueError(f"a destination of type {kind} needs it")
        elif kind != ONLY[name]:
            raise ValueError(f"a destination of type {kind} has none")
        return value

    @field_validator("uri")
    @classmethod
    def _is_folder(cls, value: str | None) -> str | None:
        if value is not None and (not S3_URI.fullmatch(value) or {".", ".."} & set(value.split("/"))):
            raise ValueError("must be s3://bucket/folder")
        return None if value is None else value.rstrip("/")

    @field_validator("repo")
    @classmethod
    def _is_repository(cls, value: str | None) -> str | None:
        if value is not None and (not REPO.fullmatch(value) or "--" in value or ".." in value):
            raise ValueError("must be owner/name")
        return value

    @property
    def stored(self) -> dict[str, Any]:
        """What a job keeps of it."""
        return self.model_dump(exclude_none=True)


def weights_problem(asked: CheckpointDestination, method: str, *, is_adapter: bool) -> BurnishError | None:
    """Return why a model that is trained so cannot be had in the form that is asked for, None where it can."""
    forms = offered(method, is_adapter=is_adapter)
    if asked.weights is None or asked.weights in forms:
        return None
    why = "this job trains all weights" if not is_adapter else f"a {method} job trains an adapter alone"
    hint = "lora_rank makes a job train an adapter." if not is_adapter else None
    message = f"'{asked.weights}' is not to be had: {why}, so that there is only '{forms[0]}'."
    return Invalid(message, param="checkpoint_destination.weights", hint=hint)


def problem(settings: Settings, account: Account, asked: CheckpointDestination, *, has_token: bool) -> BurnishError | None:
    """Return why this installation cannot deliver there, None where it can; `has_token` is of the account's Hugging Face."""
    if asked.type == "hf" and not has_token:
        message = "Sending a model to Hugging Face needs the account's huggingface integration, which is not configured."
        return Invalid(message, code="integration_not_configured", param="checkpoint_destination")
    if asked.type == "s3" and not _is_open(settings, account, str(asked.uri)):
        message = f"This installation does not deliver to {asked.uri}."
        hint = "Its operator lists the buckets that it delivers to in BURNISH_DELIVERY_BUCKETS."
        return Invalid(message, code="destination_unavailable", param="checkpoint_destination.uri", hint=hint)
    return None


def _is_open(settings: Settings, account: Account, uri: str) -> bool:
    """Tell whether the operator has opened the folder, or one above it, to this account."""
    if _overlaps(uri + "/", settings.storage.rstrip("/") + "/"):
        # Whatever the operator has opened: the platform's own files are in nobody's reach.
        return False
    wanted = uri.removeprefix("s3://") + "/"
    opened = (entry.strip().strip("/").replace("{account}", account.slug) for entry in settings.delivery_buckets.split(","))
    return any(wanted.startswith(entry + "/") for entry in opened if entry)


def _overlaps(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
