"""A replica held against its training, over an engine that says what the test lets it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engines.evidence import Base, Evidence, Prompt
from engines.serving import engine, parity
from engines.serving.engine_args import EngineArgs

pytestmark = pytest.mark.anyio
BASE = Base(name="tiny", revision=None, chat_template_sha256=None)
MESSAGES = [{"role": "user", "content": "Hi"}]
FIRST = Prompt(
    messages=MESSAGES,
    text=None,
    prompt_ids=[1, 2],
    completion_ids=[7, 8],
    logprobs={"model": [-0.5, -1.0], "adapter": [-0.6, -2.0]},
)
SECOND = Prompt(messages=None, text="1+1=", prompt_ids=[3], completion_ids=[9], logprobs={"model": [-0.1], "adapter": [-0.2]})
EVIDENCE = Evidence(base=BASE, dtype="bfloat16", prompts=[FIRST, SECOND])


class Trained:
    """An engine that says what `EVIDENCE` says: change `logprobs`, `templated` or `refuses` to have it say otherwise."""

    def __init__(self) -> None:
        self.logprobs = {7: -0.5, 8: -1.0, 9: -0.1}
        self.templated = {"messages": [1, 2], "prompt": [3]}
        self.refuses: int | None = None
        self.context = 512
        self.greedy = {(1, 2): [7, 8], (3,): [9]}
        self.asked: list[dict[str, Any]] = []

    def routes(self) -> list[Route]:
        return [
            Route("/v1/models", self.models),
            Route("/tokenize", self.tokenize, methods=["POST"]),
            Route("/detokenize", self.detokenize, methods=["POST"]),
            Route("/v1/completions", self.complete, methods=["POST"]),
        ]

    async def models(self, _: Request) -> Response:
        return JSONResponse({"data": [{"id": "m", "max_model_len": self.context}, {"id": "a", "max_model_len": None}]})

    async def tokenize(self, request: Request) -> Response:
        body = await self._body(request)
        if self.refuses is not None:
            return JSONResponse({"error": {}}, self.refuses)
        return JSONResponse({"tokens": self.templated["messages" if "messages" in body else "prompt"]})

    async def detokenize(self, request: Request) -> Response:
        return JSONResponse({"prompt": f"<{(await self._body(request))['tokens'][0]}>"})

    async def complete(self, request: Request) -> Response:
        body = await self._body(request)
        if "prompt_logprobs" in body:
            said: list[Any] = [None, *({str(token): {"logprob": self.logprobs.get(token, -9.0)}} for token in body["prompt"][1:])]
            return JSONResponse({"choices": [{"prompt_logprobs": said}]})
        tokens = self.greedy[tuple(body["prompt"])][: body["max_tokens"]]
        likely = {f"<{token}>": value for token, value in self.logprobs.items()}
        logprobs = {"tokens": [f"<{token}>" for token in tokens], "top_logprobs": [likely] * len(tokens)}
        return JSONResponse({"choices": [{"logprobs": logprobs if tokens else None}]})

    async def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(await request.body())
        self.asked.append(body)
        return body


@pytest.fixture
def trained() -> Trained:
    return Trained()


@pytest.fixture
async def url(trained: Trained) -> AsyncIterator[str]:
    port = engine.free_port()
    config = uvicorn.Config(Starlette(routes=trained.routes()), host="127.0.0.1", port=port, log_level="critical", lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield f"http://127.0.0.1:{port}"
    server.force_exit = True
    await server.shutdown()


async def test_the_trained_model_passes(trained: Trained, url: str, client: httpx2.AsyncClient) -> None:
    trained.logprobs[8] = -1.25
    found = await parity.check(client, url, "m", EVIDENCE, "model", 0.5)
    assert found.as_json() == {
        "prompts": 2,
        "template_matches": True,
        "max_difference": 0.25,
        "tolerance": 0.5,
        "checked_at": found.checked_at.isoformat(),
    }
    assert found.problem is None
    assert {body["model"] for body in trained.asked} == {"m"}
    assert trained.asked[1]["prompt"] == [1, 2, 7, 8]


async def test_other_weights_fail_and_the_worst_token_is_named(trained: Trained, url: str, client: httpx2.AsyncClient) -> None:
    trained.logprobs[8] = -4.5
    found = await parity.check(client, url, "m", EVIDENCE, "model", 0.5)
    assert (found.template_matches, found.max_difference) == (True, 3.5)
    assert found.problem == (
        "prompt 1 of 2: token 2 of its completion has a log-probability of -4.500 here and -1.000 where it was trained,"
        " 3.500 apart, and 0.5 is tolerated"
    )


async def test_each_form_has_its_own_numbers(url: str, client: httpx2.AsyncClient) -> None:
    """Merged weights are rounded: what an adapter says is not what the merged model says."""
    found = await parity.check(client, url, "m", EVIDENCE, "adapter", 0.5)
    assert found.max_difference == 1.0
    assert found.problem is not None and found.problem.startswith("prompt 1 of 2: token 2 ")


@pytest.mark.parametrize(
    ("kind", "tokens", "problem"),
    [
        (
            "messages",
            [1, 2, 5],
            "prompt 1 of 2: its chat template gives 3 tokens here and 2 where it was trained, different from token 3 on",
        ),
        ("prompt", [4], "prompt 2 of 2: its text is 1 tokens here and 1 where it was trained, different from token 1 on"),
    ],
)
async def test_another_template_or_tokenizer_fails_though_the_weights_are_right(
    trained: Trained, url: str, client: httpx2.AsyncClient, kind: str, tokens: list[int], problem: str
) -> None:
    trained.templated[kind] = tokens
    found = await parity.check(client, url, "m", EVIDENCE, "model", 0.5)
    assert (found.template_matches, found.max_difference, found.problem) == (False, 0.0, problem)


async def test_a_prompt_that_the_engine_refuses_fails_and_a_broken_engine_says_nothing_of_the_model(
    trained: Trained, url: str, client: httpx2.AsyncClient
) -> None:
    trained.refuses = 400
    found = await parity.check(client, url, "m", EVIDENCE, "model", 0.5)
    assert (found.template_matches, found.problem) == (False, "prompt 1 of 2: the engine refuses it with 400")
    trained.refuses = 500
    with pytest.raises(httpx2.HTTPStatusError):
        await parity.check(client, url, "m", EVIDENCE, "model", 0.5)


async def test_prompts_longer_than_the_engine_takes_are_left_out(trained: Trained, url: str, client: httpx2.AsyncClient) -> None:
    trained.context = 4
    assert (await parity.check(client, url, "m", EVIDENCE, "model", 0.5)).prompts == 1
    trained.context = 2
    found = await parity.check(client, url, "m", EVIDENCE, "model", 0.5)
    assert (found.prompts, found.max_difference, found.problem) == (0, None, None)


@pytest.mark.parametrize(
    ("greedy", "logprobs", "difference"),
    [
        ([7, 8], {7: -0.5, 8: -1.0, 9: -0.1}, 0.0),
        ([7], {7: -0.5, 8: -1.0, 9: -0.1}, 0.0),
        # A tie that fell the other way: the trained token is the next likeliest.
        ([8, 8], {7: -0.7, 8: -0.6, 9: -0.1}, 0.2),
        # The trained token is not among the likeliest at all.
        ([9, 9], {8: -3.5, 9: -0.1}, 3.0),
        ([], {7: -0.5, 8: -1.0, 9: -0.1}, 99.5),
    ],
)
async def test_an_engine_that_reads_no_prompts_is_compared_by_completing_them(
    trained: Trained, url: str, client: httpx2.AsyncClient, greedy: list[int], logprobs: dict[int, float], difference: float
) -> None:
    trained.greedy[1, 2], trained.logprobs = greedy, logprobs
    found = await parity.check(client, url, "m", EVIDENCE, "model", 0.5, reads_prompts=False)
    assert found.max_difference == pytest.approx(difference)
    assert (found.problem is None) == (difference <= 0.5)


@pytest.mark.parametrize(
    ("dtype", "flags", "tolerance"),
    [
        ("bfloat16", [], 0.5),
        ("float16", [], 0.0625),
        ("float16", ["--dtype=bfloat16"], 0.5),
        ("float32", [], 0.5),
        ("float32", ["--dtype=float32"], 0.02),
        ("bfloat16", ["--dtype=float32"], 0.5),
        ("bfloat16", ["--quantization=fp8"], 2.0),
        ("bfloat16", ["--kv-cache-dtype=fp8"], 2.0),
    ],
)
def test_the_coarser_of_both_dtypes_decides_what_is_tolerated(dtype: str, flags: list[str], tolerance: float) -> None:
    assert parity.tolerance(dtype, EngineArgs.parse(flags)) == tolerance
