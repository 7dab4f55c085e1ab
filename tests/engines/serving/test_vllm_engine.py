"""One real vLLM with the tiny model: what the stand-in claims to be is what the engine is."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest

from engines import orphans
from engines.serving import engine_args, http1, stats, vllm
from engines.serving.engine import drain, free_port, metrics, ready
from engines.serving.engine_args import EngineArgs
from engines.serving.engine_metrics import SIGNALS
from engines.serving.metering import Served
from engines.serving.proxy import Reply, forward
from tests.engines.serving.conftest import Engine, guarded
from tests.engines.serving.upstream import sent

pytestmark = [pytest.mark.anyio, pytest.mark.engine]
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
SUM: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "1+2"}], "max_tokens": 3, "temperature": 0}
# What never ends by itself: the engine may not choose the token that ends an answer.
ENDLESS: dict[str, Any] = {"model": "tiny", "prompt": "1+2=", "max_tokens": 500, "ignore_eos": True, "stream": True}


async def ask(engine: Engine, wire: http1.Client, body: dict[str, Any], served: list[Served], path: str = CHAT) -> Reply:
    return await forward(wire, engine.url, sent(path, body), model=body["model"], on_done=served.append)


async def stream_of(reply: Reply) -> list[Any]:
    assert reply.stream is not None, reply.body
    content = b"".join([frames async for frames in reply.stream])
    datas = [frame.removeprefix(b"data: ") for frame in content[:-2].split(b"\n\n")]
    return [data.decode() if data == b"[DONE]" else json.loads(data) for data in datas]


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_it_is_ready_under_each_of_its_names_only(vllm_server: Engine, client: httpx2.AsyncClient) -> None:
    names = ("tiny", "alias", "other")
    assert [await ready(client, vllm_server.url, name) for name in names] == [True, True, False]


async def test_a_chat_is_answered_and_metered(vllm_server: Engine, wire: http1.Client, served: list[Served]) -> None:
    reply = await ask(vllm_server, wire, SUM, served)
    answer = json.loads(reply.body or b"")
    assert (reply.status, answer["model"], answer["choices"][0]["finish_reason"]) == (200, "tiny", "stop")
    [one] = served
    assert (one.prompt_tokens, one.completion_tokens, one.finish_reason) == (4, 2, "stop")
    assert answer["usage"]["completion_tokens"] == 2


async def test_a_stream_says_the_same_as_the_whole_answer(vllm_server: Engine, wire: http1.Client, served: list[Served]) -> None:
    whole = json.loads((await ask(vllm_server, wire, SUM, served)).body or b"")
    chunks = await stream_of(await ask(vllm_server, wire, {**SUM, "stream": True}, served))
    assert chunks.pop() == "[DONE]"
    assert (
        "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == whole["choices"][0]["message"]["content"]
    )
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    assert not any("usage" in chunk for chunk in chunks)
    assert (served[0].prompt_tokens, served[0].completion_tokens) == (served[1].prompt_tokens, served[1].completion_tokens)
    assert served[1].ttft_ms is not None


async def test_usage_is_streamed_where_it_was_asked_for(vllm_server: Engine, wire: http1.Client, served: list[Served]) -> None:
    body = {**SUM, "stream": True, "n": 2, "max_tokens": 1, "temperature": 1, "stream_options": {"include_usage": True}}
    chunks = await stream_of(await ask(vllm_server, wire, body, served))
    assert [chunk["usage"] for chunk in chunks[:-2]] == [None] * (len(chunks) - 2)
    assert (chunks[-2]["choices"], chunks[-2]["usage"]) == ([], {"prompt_tokens": 4, "total_tokens": 6, "completion_tokens": 2})
    assert [(one.prompt_tokens, one.completion_tokens) for one in served] == [(4, 2)]


async def test_the_documented_temperature_is_the_default(vllm_server: Engine, wire: http1.Client, served: list[Served]) -> None:
    """At 1.0 the half-trained model gives several answers; at 0 it gives one."""
    body = {"model": "tiny", "prompt": "1+2=", "max_tokens": 1, "n": 64}
    sampled = json.loads((await ask(vllm_server, wire, body, served, TEXT)).body or b"")
    assert len({choice["text"] for choice in sampled["choices"]}) > 1


@pytest.mark.parametrize(
    ("change", "status", "param", "code"),
    [
        ({"messages": [{"role": "user", "content": "1+2 " * 200}]}, 400, "messages", "context_length_exceeded"),
        ({"max_tokens": 5000}, 400, "max_tokens", "context_length_exceeded"),
        ({"messages": "hi"}, 400, "messages", None),
        ({"temperature": -1}, 400, "temperature", None),
        ({"n": 500}, 400, None, None),
        ({"model": "other"}, 404, "model", "model_not_found"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_its_refusals_are_openais(
    vllm_server: Engine,
    wire: http1.Client,
    served: list[Served],
    change: dict[str, Any],
    status: int,
    param: str | None,
    code: str | None,
    stream: bool,
) -> None:
    reply = await ask(vllm_server, wire, {**SUM, **change, "stream": stream}, served)
    error = json.loads(reply.body or b"")["error"]
    assert (reply.status, error["type"], error["param"], error["code"]) == (status, "invalid_request_error", param, code)
    assert "(parameter=" not in error["message"]
    assert [(one.status_code, one.completion_tokens) for one in served] == [(status, 0)]


async def test_a_client_that_leaves_a_stream_stops_the_generation(
    vllm_server: Engine, client: httpx2.AsyncClient, wire: http1.Client, served: list[Served]
) -> None:
    reply = await ask(vllm_server, wire, {**ENDLESS, "n": 8}, served, TEXT)
    assert reply.stream is not None
    async for _ in reply.stream:
        break
    assert (await metrics(client, vllm_server.url)).outstanding > 0
    await reply.aclose()

    async def stopped() -> bool:
        return (await metrics(client, vllm_server.url)).outstanding == 0

    await eventually(stopped)
    [one] = served
    assert (one.client_cancelled, one.prompt_tokens) == (True, 4)
    assert 0 < one.completion_tokens < 8 * 500


async def test_a_client_that_leaves_before_the_whole_answer_stops_the_generation(
    vllm_server: Engine, client: httpx2.AsyncClient, wire: http1.Client, served: list[Served]
) -> None:
    body = {**ENDLESS, "n": 64, "stream": False}
    call = asyncio.create_task(ask(vllm_server, wire, body, served, TEXT))

    async def running() -> bool:
        return (await metrics(client, vllm_server.url)).outstanding > 0

    async def stopped() -> bool:
        return (await metrics(client, vllm_server.url)).outstanding == 0

    before = await _generated(client, vllm_server)
    await eventually(running)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await eventually(stopped)
    assert await _generated(client, vllm_server) - before < 64 * 500
    assert [one.client_cancelled for one in served] == [True]


async def _generated(client: httpx2.AsyncClient, engine: Engine) -> float:
    text = (await client.get(f"{engine.url}/metrics")).text
    [tokens] = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith("vllm:generation_tokens_total{")]
    return float(tokens)


async def test_its_metrics_hold_the_signals(
    vllm_server: Engine, client: httpx2.AsyncClient, wire: http1.Client, served: list[Served]
) -> None:
    before = await metrics(client, vllm_server.url)
    await ask(vllm_server, wire, SUM, served)
    after = await metrics(client, vllm_server.url)
    assert after.latency.count == before.latency.count + 1
    assert after.latency.sum_s > before.latency.sum_s
    assert after.time_to_first_token.count == before.time_to_first_token.count + 1
    assert after.time_to_first_token.buckets[-1] == (float("inf"), after.time_to_first_token.count)


async def test_its_metrics_hold_the_load_under_the_names_that_samples_are_made_of(
    vllm_server: Engine, client: httpx2.AsyncClient
) -> None:
    text = (await client.get(f"{vllm_server.url}/metrics")).text
    assert [name for name in SIGNALS if f"\nvllm:{name}" not in text] == []
    idle = {"running": 0, "waiting": 0, "kv_cache_usage": 0.0}
    assert stats.load([await metrics(client, vllm_server.url)]) == idle


async def test_it_is_drained_when_nothing_runs(vllm_server: Engine, client: httpx2.AsyncClient) -> None:
    assert await drain(client, vllm_server.url, 30) is True


def test_it_listens_on_loopback_only_and_keeps_its_marker(vllm_server: Engine) -> None:
    """Setting its title must not write over the environment in which orphans are looked for."""
    port = int(vllm_server.url.rsplit(":", 1)[1])
    pids = _descendants(vllm_server.guard.pid)
    assert len(pids) >= 2
    assert all(_marked(pid) for pid in pids)
    sockets = {os.readlink(fd) for pid in pids for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    listening = {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}
    assert f"0100007F:{port:04X}" in listening
    assert {address.split(":")[0] for address in listening} == {"0100007F"}


def _descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [each for child in children for each in _descendants(child)]


def _marked(pid: int) -> bool:
    return f"{orphans.VARIABLE}=".encode() in Path(f"/proc/{pid}/environ").read_bytes()


def test_no_process_of_an_engine_outlives_its_server(tiny_model: Path, tmp_path: Path) -> None:
    """The server is killed as soon as it has started the process that holds the model."""
    argv, env = vllm.command(tiny_model, ["tiny"], free_port(), "cpu")
    guard = guarded(argv, env, tmp_path / "engine.log")
    deadline = time.monotonic() + 120
    pids: list[int] = []
    while len(pids) < 2:
        assert time.monotonic() < deadline
        assert guard.poll() is None
        time.sleep(0.02)
        pids = _descendants(guard.pid)
    os.kill(pids[0], signal.SIGKILL)
    assert guard.wait(30) == 137
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_the_engines_own_parser_takes_every_allowed_flag() -> None:
    """In a process of its own, as vLLM is never imported here."""
    values = {
        "dtype": "float32", "quantization": "fp8", "kv_cache_dtype": "fp8", "scheduling_policy": "priority", "block_size": 32,
        "max_lora_rank": 8, "tool_call_parser": "hermes", "reasoning_parser": "qwen3", "limit_mm_per_prompt": {"image": 1},
        "gpu_memory_utilization": 0.5,
    }  # fmt: skip
    switches = {name: True for name, field in EngineArgs.model_fields.items() if field.annotation == bool | None}
    numbers = {name: 2 for name in EngineArgs.model_fields if name not in {*values, *switches}}
    args = EngineArgs.model_validate({**values, **switches, **numbers})
    argv, env = vllm.command(Path("/model"), ["name"], 24_000, "cpu", args=args)
    script = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS
from vllm.reasoning import ReasoningParserManager
from vllm.tool_parsers import ToolParserManager
from vllm.utils.argparse_utils import FlexibleArgumentParser
parsed = vars(make_arg_parser(FlexibleArgumentParser()).parse_args(sys.argv[1:]))
print(json.dumps({
    "parsed": {key: value for key, value in parsed.items() if isinstance(value, (str, int, float, bool, dict, list))},
    "tools": ToolParserManager.list_registered(),
    "reasoning": ReasoningParserManager.list_registered(),
    "quantization": QUANTIZATION_METHODS,
}, default=str))
"""
    done = subprocess.run([sys.executable, "-c", script, *argv[4:]], env={**os.environ, **env}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(get_args(engine_args.ToolCallParser)) == set(found["tools"])
    assert set(get_args(engine_args.ReasoningParser)) == set(found["reasoning"])
    assert set(get_args(engine_args.Quantization)) <= set(found["quantization"])
    parsed = found["parsed"]
    assert {name: parsed[name] for name in args.model_dump()} == args.model_dump()
    assert (parsed["host"], parsed["port"], parsed["served_model_name"]) == ("127.0.0.1", 24_000, ["name"])
