"""The OpenAPI description of the REST routes, made of the operations and of the models that parse and write the bodies."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from inspect import cleandoc
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from resolvers.methods import METHODS
from rest_compat import about, downloads, glossary, ranges, sse, variants
from rest_compat.errors import VERI, Dialect, Enveloped
from rest_compat.operation import JSON, Operation
from rest_compat.veri import payments
from rest_compat.wire import ErrorBody

Schema = dict[str, Any]
PATH = Path(__file__).with_name("openapi.json")
REF = "#/components/schemas/{model}"
CONVERTOR = re.compile(r"\{(\w+)(?::\w+)?\}")
WRITTEN: JsonSchemaMode = "serialization"
READ: JsonSchemaMode = "validation"
IDEMPOTENCY = (
    "A key of your own, up to 255 characters: the same key and body make the thing once, however often they are sent in 24 hours."
)
MEANINGS = {
    200: ("OK", "Done."),
    201: ("Created", "Made."),
    202: ("Accepted", "It is worked on."),
    206: ("Partial", "The part that `Range` asks for."),
    400: ("Invalid", "A value that can be read but not used, or a thing in a state that does not allow this."),
    401: ("Unauthenticated", "No API key, or one that is not in force."),
    402: ("InsufficientCredit", "The balance, or the account's budget, does not cover it."),
    403: ("Forbidden", "The API key lacks the scope, or the URL has expired."),
    404: ("NotFound", "There is no such thing, or it is another account's."),
    405: ("MethodNotAllowed", "This path has other methods; `Allow` names them."),
    409: ("Conflict", "The name is taken, or the idempotency key was used for another request."),
    413: ("TooLarge", "The body is larger than this installation accepts."),
    416: ("RangeNotSatisfiable", "There are fewer bytes; `Content-Range` says how many."),
    422: ("SchemaInvalid", "The request does not have the documented shape; `param` names the field."),
    429: ("RateLimited", "Too many requests; `Retry-After` says when to come again."),
    500: ("Internal", "Our own fault; the message holds the id under which it was logged."),
    503: ("Unavailable", "Not possible just now; `Retry-After` says when to come again."),
    504: ("TimedOut", "There was no answer in time."),
}


async def get(request: Request) -> Response:
    """Get this description."""
    return Response(PATH.read_bytes(), media_type=JSON)


def describe(operations: Sequence[Operation]) -> Schema:
    """Return the description of `operations`, and of the download route beside them."""
    schemas, components = _schemas(operations)
    paths: dict[str, Schema] = {}
    for operation in operations:
        paths.setdefault(_plain(operation.path), {})[operation.method.lower()] = _operation(operation, schemas)
    paths |= {_plain(path): {"get": _download(path)} for path in downloads.PATHS}
    paths[payments.PATH] = {"post": _webhook(schemas)}
    paths["/v1/openapi.json"] = {"get": _itself()}
    description = {
        "openapi": "3.1.0",
        "info": {"title": "Burnish", "version": version("burnish"), "description": about.ABOUT},
        "tags": [{"name": name, "description": about.TAGS[name]} for name in _tags(paths)],
        "security": [{"bearer": []}, {"header": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {MEANINGS[code][0]: _error(code) for code in VERI.types},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "xi-api-key"},
            },
        },
    }
    return glossary.complete(description)


def _tags(paths: Schema) -> list[str]:
    """Return the tags in the order in which the operations use them first."""
    return list(dict.fromkeys(operation["tags"][0] for operations in paths.values() for operation in operations.values()))


def _schemas(operations: Sequence[Operation]) -> tuple[dict[tuple[Any, JsonSchemaMode], Schema], Schema]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ErrorBody, WRITTEN): None}
    wanted |= {(method.hyperparameters, READ): None for method in METHODS.values()}
    wanted[payments.Received, WRITTEN] = None
    for operation in operations:
        if operation.accepted is not None:
            wanted[operation.accepted, WRITTEN] = None
        if operation.body is not None and not operation.upload:
            wanted[operation.body, READ] = None
        if not isinstance(operation.answers, str | tuple):
            wanted[operation.answers, WRITTEN] = None
        for code in _codes(operation):
            wanted[operation.dialect.model(code), WRITTEN] = None
    schemas, defs = models_json_schema(list(wanted), ref_template=REF)
    components: Schema = defs["$defs"]
    # The job's input takes them as they are, and reads them once the method is known.
    components["JobInput"] = variants.by_method(components["JobInput"], REF)
    return dict(schemas), {name: variants.shaped(name, model) for name, model in components.items()}


def _operation(operation: Operation, schemas: dict[tuple[Any, JsonSchemaMode], Schema]) -> Schema:
    described = _documented(operation.doc)
    described |= {"operationId": _operation_id(operation), "tags": [operation.tag]}
    parameters = _parameters(operation)
    if parameters:
        described["parameters"] = parameters
    content = _body(operation, schemas)
    if content:
        described["requestBody"] = {"required": True, "content": content}
    described["responses"] = _responses(operation, schemas)
    return described


def _documented(text: str | None) -> Schema:
    summary, _, rest = cleandoc(text or "").partition("\n")
    return {"summary": summary.rstrip("."), "description": rest.strip() or summary}


def _operation_id(operation: Operation) -> str:
    name = operation.method.lower() + re.sub(r"[^a-z0-9]+", "_", _plain(operation.path).removeprefix("/v1")).rstrip("_")
    # A path may be there with and without a slash at its end.
    return f"{name}_" if operation.path.endswith("/") else name


def _parameters(operation: Operation) -> list[Schema]:
    found = [_path_parameter(name) for name in CONVERTOR.findall(operation.path)]
    if operation.query is not None:
        schema = operation.query.model_json_schema(ref_template=REF)
        needed = schema.get("required", [])
        found += [_query_parameter(name, dict(field), name in needed) for name, field in schema.get("properties", {}).items()]
    found += [_header(name, dict(schema)) for name, schema in operation.headers.items()]
    if operation.idempotent:
        key = {"type": "string", "minLength": 1, "maxLength": 255, "description": IDEMPOTENCY}
        found.append(_header("Idempotency-Key", key))
    return found


def _header(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "header", "required": False, "description": schema.pop("description"), "schema": schema}


def _path_parameter(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameter(name: str, schema: Schema, required: bool) -> Schema:
    return {"name": name, "in": "query", "required": required, "description": schema.pop("description", ""), "schema": schema}


def _body(operation: Operation, schemas: dict[tuple[Any, JsonSchemaMode], Schema]) -> Schema:
    if operation.schema is not None:
        return {JSON: {"schema": operation.schema}}
    if operation.body is None:
        return {}
    if operation.upload:
        return {"multipart/form-data": {"schema": _form(operation.body)}}
    return {JSON: {"schema": schemas[operation.body, READ]}}


def _form(model: type[BaseModel]) -> Schema:
    """Return the schema of a form: the model's text fields, and the file, whatever the model calls it."""
    schema = model.model_json_schema(ref_template=REF)
    texts = {name: field for name, field in schema["properties"].items() if field.get("format") != "binary"}
    required = [name for name in schema.get("required", []) if name in texts]
    file = {"type": "string", "format": "binary"}
    return {**schema, "properties": {**texts, "file": file}, "required": [*required, "file"]}


def _responses(operation: Operation, schemas: dict[tuple[Any, JsonSchemaMode], Schema]) -> Schema:
    answers = operation.answers
    if isinstance(answers, str):
        content = {answers: {"schema": {"type": "object"} if answers == JSON else {"type": "string"}}}
    elif isinstance(answers, tuple):
        content = {media_type: {"schema": {"type": "string"}} for media_type in answers}
    else:
        content = {JSON: {"schema": schemas[answers, WRITTEN]}}
    if operation.streams:
        content[sse.MEDIA_TYPE] = {}
    if sse.MEDIA_TYPE in content:
        # Neither a string nor an object: its events are described by the operation.
        content[sse.MEDIA_TYPE] = {"schema": {"description": "Server-sent events."}}
    success = {str(operation.status): {"description": MEANINGS[operation.status][1], "content": content}}
    if ranges.RANGE_HEADER in operation.headers:
        success["206"] = {"description": MEANINGS[206][1], "content": content}
    if operation.accepted is not None:
        accepted = {JSON: {"schema": schemas[operation.accepted, WRITTEN]}}
        success["202"] = {"description": MEANINGS[202][1], "content": accepted}
    return success | {str(code): _refusal(operation.dialect, code, schemas) for code in _codes(operation)}


def _codes(operation: Operation) -> list[int]:
    """Return the statuses of 400 and above that an operation may answer with."""
    codes = {401, 403, 429, 500, 503, *operation.errors}
    if operation.query or operation.body:
        codes.add(422)
    return sorted(codes)


def _refusal(dialect: Dialect, code: int, schemas: dict[tuple[Any, JsonSchemaMode], Schema]) -> Schema:
    if isinstance(dialect, Enveloped):
        return _error_ref(code)
    return {"description": MEANINGS[code][1], "content": {JSON: {"schema": schemas[dialect.model(code), WRITTEN]}}}


def _error_ref(code: int) -> Schema:
    return {"$ref": f"#/components/responses/{MEANINGS[code][0]}"}


def _error(code: int) -> Schema:
    return {
        "description": MEANINGS[code][1],
        "content": {JSON: {"schema": {"$ref": REF.format(model="ErrorBody")}}},
    }


def _download(path: str) -> Schema:
    names = CONVERTOR.findall(path)
    gzip = {"application/gzip": {"schema": {"type": "string", "format": "binary"}}}
    return {
        **_documented(downloads.get.__doc__),
        "operationId": "_".join(["get_download", *names]),
        "tags": ["Training jobs"],
        "security": [],
        "parameters": [_path_parameter(name) for name in names],
        "responses": {
            "200": {"description": MEANINGS[200][1], "content": gzip},
            **{str(code): _error_ref(code) for code in (403, 404, 500, 503)},
        },
    }


def _webhook(schemas: dict[tuple[Any, JsonSchemaMode], Schema]) -> Schema:
    signature = {
        "name": "Stripe-Signature",
        "in": "header",
        "required": False,
        "description": "What Stripe signed the event with.",
    }
    return {
        **_documented(payments.receive.__doc__),
        "operationId": "post_billing_stripe_webhook",
        "tags": ["Billing"],
        "security": [],
        "parameters": [{**signature, "schema": {"type": "string"}}],
        "requestBody": {"required": True, "content": {JSON: {"schema": {"type": "object"}}}},
        "responses": {
            "200": {"description": MEANINGS[200][1], "content": {JSON: {"schema": schemas[payments.Received, WRITTEN]}}},
            **{str(code): _error_ref(code) for code in (400, 404, 413, 500, 503)},
        },
    }


def _itself() -> Schema:
    return {
        **_documented(get.__doc__),
        "operationId": "get_openapi",
        "tags": ["Description"],
        "security": [],
        "responses": {"200": {"description": MEANINGS[200][1], "content": {JSON: {"schema": {"type": "object"}}}}},
    }


def _plain(path: str) -> str:
    return CONVERTOR.sub(r"{\1}", path)
