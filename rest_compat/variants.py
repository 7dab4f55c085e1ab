"""Objects that callers send in one of several shapes, each described for itself: fields that exclude or need one another."""

from collections.abc import Mapping, Sequence
from typing import Any

from resolvers.methods import METHODS, Method

Schema = dict[str, Any]
NOTHING: Schema = {"type": "null"}
# By model, its shapes: of each the fields that it needs, then those that it may have. All others are null or left out.
SHAPES: Mapping[str, Sequence[tuple[Sequence[str], Sequence[str]]]] = {
    "CheckpointDestination": [
        ((), ("type", "weights")),
        (("type", "uri"), ("weights", "archive")),
        (("type", "repo"), ("private", "weights")),
    ],
    "IntegrationInput": [(("api_key",), ()), (("token",), ())],
}
# What a field is in a shape, by model and the shape's place.
FIELDS: Mapping[tuple[str, int], Mapping[str, Schema]] = {
    ("CheckpointDestination", 0): {"type": {"const": "veri"}},
    ("CheckpointDestination", 1): {
        "type": {"const": "s3"},
        "uri": {"pattern": r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/(?!\.{1,2}(/|$))[A-Za-z0-9!_.*'()=+@-]+)*/?$"},
    },
    ("CheckpointDestination", 2): {
        "type": {"const": "hf"},
        "repo": {"pattern": r"^(?!.*(--|\.\.))[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$"},
    },
}


def shaped(name: str, model: Schema) -> Schema:
    """Return the schema of a model as the shapes that it has."""
    if name == "GpuInput":
        return _both_spellings(model)
    if name not in SHAPES:
        return model
    shapes = [_shape(model, needed, also, FIELDS.get((name, place), {})) for place, (needed, also) in enumerate(SHAPES[name])]
    return {"description": model["description"], "anyOf": shapes}


def by_method(job: Schema, ref: str) -> Schema:
    """Return the schema of a job as one for each method, with the method's own hyperparameters, referred to by `ref`."""
    return {"description": job["description"], "anyOf": [_of_method(job, method, ref) for method in METHODS.values()]}


def _of_method(job: Schema, method: Method, ref: str) -> Schema:
    default = job["properties"]["method"]["default"] == method.name
    fields = {
        **job["properties"],
        "method": {"const": method.name, **({"default": method.name} if default else {})},
        "hyperparameters": {"$ref": ref.format(model=method.hyperparameters.__name__)},
    }
    if not method.takes_reward:
        fields |= dict.fromkeys(("reward_function_id", "environments"), NOTHING)
    return {**job, "properties": fields, "required": [*job["required"], *([] if default else ["method"])]}


def _shape(model: Schema, needed: Sequence[str], also: Sequence[str], own: Mapping[str, Schema]) -> Schema:
    fields = {}
    for field, schema in model["properties"].items():
        if field in needed:
            fields[field] = {**_without_null(schema), **own.get(field, {})}
        elif field in also:
            fields[field] = {**schema, **own.get(field, {})}
        else:
            fields[field] = {**NOTHING, **({"description": schema["description"]} if "description" in schema else {})}
    return {"type": "object", "properties": fields, "required": list(needed), "additionalProperties": False}


def _without_null(schema: Schema) -> Schema:
    if "anyOf" not in schema:
        return {key: value for key, value in schema.items() if key != "default"}
    (one,) = (each for each in schema["anyOf"] if each != NOTHING)
    return {**{key: value for key, value in schema.items() if key not in ("anyOf", "default")}, **one}


def _both_spellings(gpu: Schema) -> Schema:
    """Return the schema of `{type, count}` together with that of `{gpu_type, gpu_count}`, which is read too."""
    names = {"gpu_" + name: field for name, field in gpu["properties"].items()}
    other = {"type": "object", "properties": names, "required": sorted(names), "additionalProperties": False}
    return {"description": gpu["description"], "anyOf": [gpu, other]}
