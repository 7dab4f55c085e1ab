"""Connected datasets: the description of a source, what a look into it finds, and the dataset made of it."""

from dataclasses import asdict
from enum import Enum
from typing import Annotated, Any

import strawberry

from resolvers import datasets, sources
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.sources import ConnectInput, SourceInput
from schema.context import Info
from schema.datasets import Dataset, DatasetPayload, MethodFit
from schema.errors import Payload, settle
from schema.nodes import Input
from schema.scalars import JSON, BigInt

NESTED = "huggingface_config"


@strawberry.enum(description="What a source is.")
class SourceType(Enum):
    HF = strawberry.enum_value("hf", description="A dataset of the Hugging Face hub.")
    S3 = strawberry.enum_value("s3", description="An object in S3, or in a store that speaks its language.")
    GS = strawberry.enum_value("gs", description="An object in Google Cloud Storage.")
    AZ = strawberry.enum_value("az", description="A blob in Azure.")
    URL = strawberry.enum_value("url", description="A file behind an https URL.")
    POSTGRES = strawberry.enum_value("postgres", description="A query on a Postgres server.")
    MYSQL = strawberry.enum_value("mysql", description="A query on a MySQL server.")


@strawberry.input(description="Which part of a dataset of the hub.")
class HuggingFaceConfigInput:
    split: str = strawberry.field(default="train", description="The split to read.")
    config_name: str | None = strawberry.field(default=None, description="The configuration (subset).")
    column_mapping: JSON | None = strawberry.field(
        default=None, description="What a column is called beside its own name: an object of source to target."
    )
    token: str | None = strawberry.field(
        default=None, description="A token of the hub, used for this request and not stored; the account's own by default."
    )


@strawberry.input(description="A source to look into. What its type does not need is left out.")
class DatasetSourceInput:
    source_type: SourceType = strawberry.field(description="What it is.")
    source_uri: str | None = strawberry.field(default=None, description="`s3://…`, `gs://…`, `az://…` or `https://…`.")
    huggingface_dataset: str | None = strawberry.field(default=None, description="Such as `openai/gsm8k`.")
    huggingface_config: HuggingFaceConfigInput | None = strawberry.field(default=None, description="Which part of it.")
    db_connection: str | None = strawberry.field(
        default=None, description="`postgres://user:password@host/database` or `mysql://…`."
    )
    db_query: str | None = strawberry.field(default=None, description="One SELECT.")
    credentials: JSON | None = strawberry.field(
        default=None, description="What the source wants to see; used for this request and not stored."
    )
    column_mapping: JSON | None = strawberry.field(
        default=None, description="What a column is called beside its own name: an object of source to target."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Accepted as on every write; a look changes nothing, whenever it is repeated."
    )


@strawberry.input(description="A source to connect.")
class ConnectDatasetInput(DatasetSourceInput):
    name: str = strawberry.field(description="What to call the dataset.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="A dataset to delete.")
class DeleteDatasetInput:
    id: strawberry.ID = strawberry.field(description="The id, `ds_…`.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="What is wrong with a source.")
class SourceProblem:
    code: str = strawberry.field(description="A fixed word, such as `source_unreachable` or `invalid_row`.")
    message: str = strawberry.field(description="What is wrong, for a person.")
    line: int | None = strawberry.field(description="The row it is about, from 1.")


@strawberry.type(description="What a look into a source found.")
class SourceValidation:
    valid: bool = strawberry.field(description="Whether its first rows make a dataset.")
    row_count: BigInt | None = strawberry.field(description="How many rows it has, where it says so.")
    columns: list[str] = strawberry.field(description="Its columns.")
    mapped_columns: list[str] = strawberry.field(description="What they are called once mapped.")
    sample: list[JSON] = strawberry.field(description="Its first rows, under their mapped names; long texts are cut.")
    looked_at: int = strawberry.field(description="How many of its first rows were looked at, and are rows.")
    methods: list[MethodFit] = strawberry.field(description="How these serve each method.")
    problems: list[SourceProblem] = strawberry.field(description="What is wrong with it.")


@strawberry.type(description="What a look into a source found.")
class SourceValidationPayload(Payload):
    validation: SourceValidation | None = strawberry.field(default=None, description="What was found.")


@strawberry.type(description="The dataset that is gone.")
class DeleteDatasetPayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="Its id.")


@strawberry.type
class DatasetSourceMutations:
    @strawberry.mutation(
        description="Make a dataset of a source. Its first job reads it; with credentials it is read before the answer."
    )
    async def connect_dataset(self, info: Info, input: Annotated[ConnectDatasetInput, Input]) -> DatasetPayload:
        async def act(ctx: Context) -> DatasetPayload:
            row = await sources.connect(ctx, parse(ConnectInput, {"name": input.name, **_given(input)}))
            return DatasetPayload(dataset=Dataset.of(row))

        return await settle(info, input, DatasetPayload, act)

    @strawberry.mutation(description="Look at the first rows of a source. Nothing is made.")
    async def validate_dataset_source(self, info: Info, input: Annotated[DatasetSourceInput, Input]) -> SourceValidationPayload:
        async def act(ctx: Context) -> SourceValidationPayload:
            found = await sources.validate(ctx, parse(SourceInput, _given(input)))
            shown = SourceValidation(
                valid=found.valid,
                row_count=None if found.num_rows is None else BigInt(found.num_rows),
                columns=found.columns,
                mapped_columns=found.mapped_columns,
                sample=[JSON(row) for row in found.sample],
                looked_at=found.looked_at,
                methods=[MethodFit.of(fit) for fit in found.methods],
                problems=[SourceProblem(**asdict(problem)) for problem in found.errors],
            )
            return SourceValidationPayload(validation=shown)

        return await settle(info, input, SourceValidationPayload, act)

    @strawberry.mutation(description="Delete a dataset and its files. Refused while a job that has not ended needs it.")
    async def delete_dataset(self, info: Info, input: Annotated[DeleteDatasetInput, Input]) -> DeleteDatasetPayload:
        async def act(ctx: Context) -> DeleteDatasetPayload:
            return DeleteDatasetPayload(deleted_id=strawberry.ID((await datasets.delete(ctx, input.id)).id))

        return await settle(info, input, DeleteDatasetPayload, act)


def _given(input: DatasetSourceInput) -> dict[str, Any]:
    """Return what an input says, in the resolver's words; what it leaves out is left out."""
    names = ("source_uri", "huggingface_dataset", "db_connection", "db_query", "credentials", "column_mapping")
    given: dict[str, Any] = {name: getattr(input, name) for name in names}
    given["source_type"] = input.source_type.value
    config = input.huggingface_config
    if config is not None:
        fields = ("split", "config_name", "column_mapping", "token")
        given[NESTED] = {name: getattr(config, name) for name in fields if getattr(config, name) is not None}
    return {name: value for name, value in given.items() if value is not None}
