"""What the dashboard offers to copy is what the command line, REST and Python take.

The file is written by `frontend/src/app/snippets.test.ts`, which fails where the dashboard says something else by now.
"""

import ast
import json
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from burnish.cli.exits import USAGE
from rest_compat.openapi import PATH
from tests.cli.conftest import REWARD, Commands
from tests.conftest import Server

OFFERED = json.loads(Path(__file__).with_name("snippets.json").read_text())
HERE = "http://burnish.example"
DOCUMENT = re.compile(r"^cat > (\S+) <<'(\w+)'\n(.*?)^\2$\n", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"burnish\.(get|post|patch|delete)\(\"([^\"]+)\"")


def offered(language: str) -> list[Any]:
    return [pytest.param(one["code"], id=one["where"]) for one in OFFERED if one["language"] == language]


class Call(NamedTuple):
    method: str
    path: str
    fields: set[str]


def curl_calls(code: str) -> Iterator[Call]:
    """Read what curl is told to do, each command of it."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line)
        assert words[0] == "curl"
        url = next(word for word in words if word.startswith(HERE))
        data = words[words.index("-d") + 1] if "-d" in words else None
        form = {value.split("=", 1)[0] for flag, value in pairwise(words) if flag == "-F"}
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        yield Call(method, url.removeprefix(HERE), set(json.loads(data)) if data else form)


def described(call: Call) -> None:
    """Fail where the description of REST has no such operation, query parameter or field of the body."""
    path, _, query = call.path.partition("?")
    if path == "/graphql":
        return
    description = json.loads(PATH.read_text())
    matching = [route for route in description["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path)]
    operations = [
        description["paths"][route].get(call.method.lower()) for route in sorted(matching, key=lambda route: "{" in route)
    ]
    operation = next((one for one in operations if one), None)
    assert operation, f"{call.method} {path} is not described"
    parameters = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
    assert {pair.split("=")[0] for pair in query.split("&") if pair} <= parameters
    for content in operation.get("requestBody", {}).get("content", {}).values():
        body = content["schema"]
        if "$ref" in body:
            body = description["components"]["schemas"][body["$ref"].rsplit("/", 1)[1]]
        if "properties" in body and body.get("additionalProperties") is not True:
            assert call.fields <= set(body["properties"])


@pytest.mark.parametrize("code", offered("curl"))
def test_curl_calls_what_is_described(code: str) -> None:
    for call in curl_calls(code):
        described(call)


@pytest.mark.parametrize("code", offered("python"))
def test_python_calls_what_is_described(code: str) -> None:
    ast.parse(code)
    if "import OpenAI" in code:
        return
    found = CALL.search(code)
    assert found
    described(Call(found[1].upper(), found[2], set()))


@pytest.mark.anyio
@pytest.mark.parametrize("code", offered("cli"))
async def test_commands_are_commands(burnish: Commands, server: Server, code: str) -> None:
    """Each runs for real. What it names is mostly not there, which is an answer; a wrong use is none."""
    # What the installation and the account are set up with beforehand, where a job is delivered or learns in environments.
    server.platform.core.settings.delivery_buckets = "bucket"
    if "[environments." in code:
        await burnish("integrations", "set", "openreward", text="key-of-openreward\n")
    (burnish.folder / "prompts.jsonl").write_text('{"prompt": "1+1", "answer": "2"}\n')
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "adder", "messages": []}}
    (burnish.folder / "requests.jsonl").write_text(json.dumps(line) + "\n")
    (burnish.folder / "reward.py").write_text(REWARD)
    (burnish.folder / "credentials.json").write_text("{}")
    for name, _, text in DOCUMENT.findall(code):
        (burnish.folder / name).write_text(text)
    lines = DOCUMENT.sub("", code).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line) for line in lines if line.strip()]
    assert {words[0] for words in commands} == {"burnish"}
    for words in commands:
        # What is made here for real no host brings about: whoever waits for it is told so at once.
        patience = ["--timeout", "0"] if {"-w", "--wait"} & set(words) else []
        result = await burnish.ended(*words[1:], *patience)
        assert result.exit_code != USAGE, f"{shlex.join(words)}\n{result.stderr}"
