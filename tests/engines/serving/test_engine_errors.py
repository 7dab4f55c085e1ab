"""What vLLM 0.32 really answers, in OpenAI's envelope."""

import json
from typing import Any

import pytest

from engines.serving.engine_errors import status_of, translate

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
TOO_LONG = (
    "This model's maximum context length is 512 tokens. However, your prompt contains at least 513 input tokens, which exceeds "
    "this limit even without any output tokens. Please reduce the length of the input prompt."
)


def answered(message: str, kind: str, param: str | None, code: int) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


def expected(message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


@pytest.mark.parametrize(("path", "param"), [(CHAT, "messages"), (TEXT, "prompt")])
def test_a_prompt_that_is_too_long_has_openais_code_and_field(path: str, param: str) -> None:
    content = answered(f"{TOO_LONG} (parameter=input_tokens, value=513)", "BadRequestError", "input_tokens", 400)
    assert translate(400, content, path) == expected(TOO_LONG, param, "context_length_exceeded")


def test_an_answer_that_would_be_too_long_is_of_its_own_field() -> None:
    message = "max_tokens=600 cannot be greater than max_model_len=512. Please request fewer output tokens."
    content = answered(f"{message} (parameter=max_tokens, value=600)", "BadRequestError", "max_tokens", 400)
    assert translate(400, content, CHAT) == expected(message, "max_tokens", "context_length_exceeded")


def test_a_validation_record_becomes_a_sentence() -> None:
    record = "{'type': 'missing', 'loc': 'body.messages', 'msg': 'Field required', 'input': '<dict of 1 items>'}"
    content = answered(f"1 validation error:\n  {record}", "Bad Request", "body.messages", 400)
    assert translate(400, content, CHAT) == expected("messages: Field required", "messages")


def test_several_validation_records_are_all_told() -> None:
    records = [
        "{'type': 'list_type', 'loc': 'body.messages', 'msg': 'Input should be a valid list', 'input': 'hi'}",
        "{'type': 'enum', 'loc': 'body.tools.0.type', 'msg': \"Input should be 'function'\", 'input': 'x'}",
    ]
    content = answered("2 validation errors:\n  " + "\n  ".join(records), "Bad Request", "body.messages", 400)
    message = "messages: Input should be a valid list; tools.0.type: Input should be 'function'"
    assert translate(400, content, CHAT) == expected(message, "messages")


def test_the_engines_note_on_the_parameter_is_taken_off_the_sentence() -> None:
    content = answered(
        "temperature must be non-negative, got -1.0. (parameter=temperature, value=-1.0)", "BadRequestError", "temperature", 400
    )
    assert translate(400, content, CHAT) == expected("temperature must be non-negative, got -1.0.", "temperature")


def test_a_model_that_the_engine_does_not_serve_has_openais_code() -> None:
    content = answered("The model `x` does not exist.", "NotFoundError", "model", 404)
    assert translate(404, content, CHAT) == expected("The model `x` does not exist.", "model", "model_not_found")


def test_a_server_error_is_nobodys_field() -> None:
    content = answered("EngineCore encountered an issue.", "InternalServerError", "x", 500)
    error = {"message": "EngineCore encountered an issue.", "type": "server_error", "param": None, "code": None}
    assert translate(500, content, CHAT) == {"error": error}


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"null", b'"x"', b'{"error": 1}', b"{}"])
def test_whatever_else_it_answers_is_an_error_with_a_message(content: bytes) -> None:
    assert translate(400, content)["error"]["message"] == "The engine answered 400."


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (answered("m", "t", None, 400), 400),
        (answered("m", "t", None, 503), 503),
        (b'{"error": {"message": "m", "code": "invalid"}}', 500),
        (b'{"error": {"message": "m", "code": 200}}', 500),
        (b"nonsense", 500),
    ],
)
def test_the_status_of_an_error_inside_a_stream(content: bytes, status: int) -> None:
    assert status_of(content) == status
