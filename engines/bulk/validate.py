"""Looking through the whole file of a batch before anything of it is sent: every problem, by line, at once.

Lines are counted as they stand in the file, from 1; blank ones are skipped. Lines are looked at in slices in a thread, so that
the host goes on meanwhile, and of each only its digests are kept.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson

from burnish.kit.core import Core
from engines.bulk import reading
from engines.serving import addressing
from models import batch
from models import deployment as dep
from models.account import Account
from models.batch import Batch

SLICE_BYTES, SLICE_LINES = 2**20, 1000
MOST_WITH_BLANKS = 2 * batch.MOST_LINES
LONGEST_ID = 512
LONGEST_MODEL = 256
METHOD = "POST"
FIELDS = ("custom_id", "method", "url", "body")

Numbered = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is no batch; `line` is null where it is the file's as a whole."""

    line: int | None
    code: str
    message: str
    param: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"line": self.line, "code": self.code, "message": self.message, "param": self.param}


@dataclass
class Report:
    """What a file holds: `total` requests of `models`, or why it cannot be sent, in the order of its lines."""

    total: int = 0
    models: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Checker:
    """Takes the lines of a file in their order, each with its number and where it begins."""

    def __init__(self, endpoint: str, max_line_bytes: int) -> None:
        self.total = 0
        self.problems: list[Problem] = []
        self.asked: dict[str, list[int]] = {}
        self._endpoint = endpoint
        self._max_line_bytes = max_line_bytes
        self._ids: dict[bytes, int] = {}

    @property
    def is_full(self) -> bool:
        return self.total > batch.MOST_LINES

    def take(self, slice_: list[Numbered]) -> None:
        for number, offset, line in slice_:
            if self.is_full:
                return
            if number > MOST_WITH_BLANKS:
                self.total = batch.MOST_LINES + 1
                self._refuse(None, "too_many_tasks", f"The file has more than {MOST_WITH_BLANKS} lines, blank ones included.")
                return
            text = reading.content(offset, line)
            if text:
                self.total += 1
                self._take(number, line, text)

    def _take(self, number: int, line: bytes, text: bytes) -> None:
        if self.is_full:
            self._refuse(None, "too_many_tasks", f"The file has more than {batch.MOST_LINES} requests.")
        elif len(line) > self._max_line_bytes:
            self._refuse(number, "line_too_long", f"This line is longer than {self._max_line_bytes} bytes.")
        else:
            try:
                request = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                message = f"This line is not parseable as valid JSON: {error.msg} at column {error.colno}."
                self._refuse(number, "invalid_json_line", message)
                return
            if isinstance(request, dict):
                self._check(number, request)
            else:
                self._refuse(number, "invalid_json_line", "This line is not a JSON object.")

    def _check(self, number: int, request: dict[str, Any]) -> None:
        for name in FIELDS:
            if request.get(name) is None:
                self._refuse(number, "missing_required_parameter", f"Missing required parameter: '{name}'.", name)
        if request.get("custom_id") is not None:
            self._check_id(number, request["custom_id"])
        method, url, body = request.get("method"), request.get("url"), request.get("body")
        if method is not None and method != METHOD:
            self._refuse(number, "invalid_method", f"The method is '{METHOD}'.", "method")
        if url is not None and url != self._endpoint:
            self._refuse(number, "invalid_url", f"The URL is not the endpoint of the batch, '{self._endpoint}'.", "url")
        if isinstance(body, dict):
            self._check_body(number, body)
        elif body is not None:
            self._refuse(number, "invalid_type", "'body' is not a JSON object.", "body")

    def _check_id(self, number: int, custom_id: Any) -> None:
        problem = None
        if not isinstance(custom_id, str):
            problem = "invalid_type", "'custom_id' is not a text."
        elif not custom_id:
            problem = "invalid_custom_id", "'custom_id' is empty."
        elif len(custom_id) > LONGEST_ID:
            problem = "invalid_custom_id", f"'custom_id' is longer than {LONGEST_ID} characters."
        elif "\0" in custom_id:
            problem = "invalid_custom_id", "'custom_id' holds a NUL character."
        else:
            before = self._ids.setdefault(blake2b(custom_id.encode(), digest_size=16).digest(), number)
            if before != number:
                message = f"The custom_id of this request is that of line {before}: each is unique in a batch."
                problem = "duplicate_custom_id", message
        if problem is not None:
            self._refuse(number, *problem, "custom_id")

    def _check_body(self, number: int, body: dict[str, Any]) -> None:
        if body.get("stream"):
            self._refuse(number, "stream_not_supported", "A request of a batch is not streamed.", "body.stream")
        model = body.get("model")
        if model is None:
            self._refuse(number, "missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model")
        elif not isinstance(model, str):
            self._refuse(number, "invalid_type", "'body.model' is not a text.", "body.model")
        elif "\0" in model or len(model) > LONGEST_MODEL:
            self._refuse(number, *unknown(model), "body.model")
        else:
            self.asked.setdefault(model, []).append(number)

    def _refuse(self, line: int | None, code: str, message: str, param: str | None = None) -> None:
        self.problems.append(Problem(line, code, message, param))


def unknown(model: str, status: str | None = None) -> tuple[str, str]:
    """Return the code and message of a model that nothing serves."""
    name = model[:LONGEST_MODEL].replace("\0", "\ufffd")
    if status is not None:
        return "model_not_found", f"The deployment '{name}' is {status}."
    return "model_not_found", f"The model '{name}' names no active deployment of this account."


async def validate(core: Core, row: Batch, key: str) -> Report:
    """Look through the file that is stored under `key`; FileNotFoundError where there is none."""
    checker = Checker(row.endpoint, core.settings.max_line_bytes)
    async with aclosing(_slices(core, key)) as slices:
        async for slice_ in slices:
            await asyncio.to_thread(checker.take, slice_)
            if checker.is_full:
                break
    problems = checker.problems
    if not checker.total:
        problems.append(Problem(None, "empty_file", "The file holds no requests."))
    problems += await _unserved(core, row, checker.asked)
    # What is wrong with the whole file comes first.
    problems.sort(key=lambda problem: problem.line or 0)
    return Report(checker.total, list(checker.asked), problems)


async def _slices(core: Core, key: str) -> Any:
    number = size = 0
    held: list[Numbered] = []
    async with aclosing(reading.lines(core.storage, key, longest=core.settings.max_line_bytes)) as lines:
        async for offset, line in lines:
            number += 1
            held.append((number, offset, line))
            size += len(line)
            if size >= SLICE_BYTES or len(held) >= SLICE_LINES:
                yield held
                held, size = [], 0
    yield held


async def _unserved(core: Core, row: Batch, asked: dict[str, list[int]]) -> list[Problem]:
    """Return the problems of lines whose model no deployment of the account serves, nor will."""
    found: list[Problem] = []
    async with core.db.read() as session:
        account = await session.get_one(Account, row.account_id)
        for model, numbers in asked.items():
            deployment = await addressing.by_reference(session, account, model)
            if deployment is None or deployment.status in dep.TERMINAL:
                said = unknown(model, None if deployment is None else deployment.status)
                found += [Problem(number, *said, "body.model") for number in numbers]
    return found


async def problem_lines(problems: list[Problem]) -> AsyncIterator[bytes]:
    """Yield the problems as the lines of a file, some at once."""
    for start in range(0, len(problems), SLICE_LINES):
        yield b"".join(orjson.dumps(problem.as_json()) + b"\n" for problem in problems[start : start + SLICE_LINES])
