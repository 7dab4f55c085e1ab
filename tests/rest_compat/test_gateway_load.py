"""The gateway under a load in which everything happens at once: what its callers saw, what the engines made and what was metered
and logged are one story, and nothing is left over.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from burnish.kit.core import opened
from burnish.kit.money import parse_usd
from burnish.kit.settings import Settings
from resolvers import accounts
from resolvers.context import Platform
from tests.conftest import Server, Tenant, serving
from tests.rest_compat.load import books, fleet
from tests.rest_compat.load.books import Books
from tests.rest_compat.load.callers import Ask, Caller, Seen
from tests.rest_compat.load.crowd import BEGUN, Crowd, kinds
from tests.rest_compat.load.fleet import Engine
from tests.rest_compat.load.installed import deployed, used_up

pytestmark = pytest.mark.anyio
ENDLESS = 1_000_000
PACE_S = 0.002


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[list[Engine]]:
    async with fleet.running(tmp_path, "one", "two") as made:
        yield made


@asynccontextmanager
async def gateway(settings: Settings) -> AsyncIterator[Server]:
    """Run an API process that has ended, with all that it had to write, before the test looks at what it wrote."""
    async with serving(settings) as app:
        platform: Platform = app.state.platform

        async def new_tenant(slug: str, credit_usd: str = "100") -> Tenant:
            return Tenant(*await accounts.create(platform.core, slug, credit_micros=parse_usd(credit_usd)))

        yield Server(f"http://127.0.0.1:{settings.port}", app, platform, await new_tenant("tenant"), new_tenant)


async def settled(server: Server, engines: list[Engine]) -> None:
    """Wait until nobody waits for an engine, and assert that the gateway knows it."""
    for engine in engines:
        await engine.idle()
    table = server.platform.gateway.table
    await fleet.until(lambda: not table.counts(), "no request is outstanding")


async def in_line(server: Server, model: str, count: int) -> None:
    await fleet.until(lambda: server.platform.gateway.table.waiting(model) == count, f"{count} in line")


async def agree(settings: Settings, crowd: Crowd, engines: list[Engine]) -> None:
    """Assert that every request ended as it may, and that all accounts of the load agree."""
    entries = [entry for engine in engines for entry in engine.entries()]
    async with opened(settings) as core:
        assert crowd.surprises == []
        assert books.disagreements(crowd.seen, entries, await Books.read(core, engines)) == []
        assert await books.one_story(core) == []


def sockets() -> int:
    """Return how many connections this process has, those aside that the kernel is about to forget."""
    return len([each for each in psutil.Process().net_connections("tcp") if each.status not in ("LISTEN", "TIME_WAIT", "NONE")])


async def steady(crowd: Crowd, caller: Caller, model: str, rounds: int) -> None:
    for _ in range(rounds):
        for ask, allowed in kinds(crowd, model, pace_s=PACE_S):
            await crowd.ask(caller, ask, allowed)


async def until_refused(crowd: Crowd, caller: Caller, model: str, status: str) -> None:
    """Ask until it is refused, and once more."""
    last = ""
    while last != status:
        for ask, allowed in kinds(crowd, model, pace_s=PACE_S):
            last = (await crowd.ask(caller, ask, {*allowed, status})).verdict
            if last == status:
                break
    await crowd.ask(caller, Ask(crowd.orders(), model, stream=True), {status})


async def leave_early(crowd: Crowd, caller: Caller, model: str) -> None:
    """Leave streams in the middle, and an answer of which nothing came yet."""
    for after in (1, 3, 10):
        ask = Ask(crowd.orders(pace_s=PACE_S), model, ENDLESS, stream=True, leaves_after=after)
        # Its engine may be the one that is killed.
        await crowd.ask(caller, ask, {"left", "cut"})


async def leave_unheard(crowd: Crowd, caller: Caller, model: str, engines: list[Engine], *, stream: bool) -> None:
    leaves = asyncio.Event()
    # Of a chat's stream the first word is the role: a text's is a token, for which one here waits in vain.
    ask = Ask(crowd.orders(hang_after=0), model, stream=stream, text=stream, leaves=leaves)
    asking = asyncio.create_task(crowd.ask(caller, ask, {"left"}))
    await fleet.until(lambda: any(engine.of(ask.number) for engine in engines), "taken by an engine")
    leaves.set()
    await asking


async def refused_by_engines(crowd: Crowd, caller: Caller, model: str) -> None:
    for status in (400, 429, 500, 503):
        for stream in (False, True):
            await crowd.ask(caller, Ask(crowd.orders(refuse=status), model, stream=stream), {str(status)})
    for end in ("fail_after", "die_after"):
        ask = Ask(crowd.orders(**{end: 3}), model, stream=True)
        await crowd.ask(caller, ask, {"cut"})


async def test_everything_at_once_is_answered_or_refused_metered_once_and_logged_once(
    settings: Settings, engines: list[Engine]
) -> None:
    tasks, connections = asyncio.all_tasks(), sockets()
    crowd = Crowd()
    async with gateway(settings) as server:
        port, rich, poor = settings.port, server.tenant, await server.new_tenant("poor")
        model = await deployed(await server.context(), engines)
        other = await deployed(await server.context(poor), engines)
        async with server.client() as owner:
            made = (await owner.post("/v1/api_keys", json={"name": "ci", "scopes": ["inference"]})).json()
            resumes = asyncio.Event()
            callers: list[Caller] = []

            def caller(key: str) -> Caller:
                callers.append(Caller(port, key))
                return callers[-1]

            def slow() -> Ask:
                return Ask(crowd.orders(width=1000), model, 1500, stream=True, stops_after=2, resumes=resumes)

            async with asyncio.TaskGroup() as load:
                reading = [load.create_task(crowd.ask(caller(rich.key), slow(), BEGUN)) for _ in range(2)]
                for _ in range(8):
                    load.create_task(steady(crowd, caller(rich.key), model, 2))
                for _ in range(3):
                    load.create_task(leave_early(crowd, caller(rich.key), model))
                    load.create_task(until_refused(crowd, caller(made["key"]), model, "401"))
                    load.create_task(until_refused(crowd, caller(poor.key), other, "402"))
                    endless = Ask(crowd.orders(pace_s=PACE_S), model, ENDLESS, stream=True)
                    load.create_task(crowd.ask(caller(made["key"]), endless, {"cut"}))
                for stream in (False, True):
                    load.create_task(leave_unheard(crowd, caller(rich.key), model, engines, stream=stream))
                load.create_task(refused_by_engines(crowd, caller(rich.key), model))
                await crowd.ended(15)
                await engines[0].kill()
                await crowd.ended(60)
                await engines[0].start()
                await crowd.ended(90)
                assert (await owner.delete(f"/v1/api_keys/{made['id']}")).status_code == 200
                late = Ask(crowd.orders(), model)
                await crowd.ask(caller(made["key"]), late, {"401"})
                await crowd.ended(120)
                await used_up(server.platform.core, other)
                await crowd.ended(140)
                assert not any(task.done() for task in reading) or "cut" in crowd.verdicts()
                resumes.set()
        await settled(server, engines)
        for each in callers:
            each.close()
    await agree(settings, crowd, engines)
    assert {"whole", "cut", "left", "400", "401", "402", "429", "500", "503"} <= crowd.verdicts()
    assert asyncio.all_tasks() == tasks
    assert sockets() == connections


async def test_a_reader_that_stops_stops_its_engine_and_nobody_else(settings: Settings, engines: list[Engine]) -> None:
    crowd, resumes = Crowd(), asyncio.Event()
    async with gateway(settings) as server:
        model = await deployed(await server.context(), engines)
        # Were all of it taken from the engine, it would be 256 MiB that somebody has to hold.
        endless = Ask(
            crowd.orders(width=2**16), model, 2**12, stream=True, stops_after=2, resumes=resumes, leaves=asyncio.Event()
        )
        stopped, others = Caller(settings.port, server.tenant.key), Caller(settings.port, server.tenant.key)
        reading = asyncio.create_task(crowd.ask(stopped, endless, {"left"}))
        entry = await fleet.until(
            lambda: [each for engine in engines for each in engine.of(endless.number) if each.paused], "paused"
        )
        assert entry[0].made < 2**11
        await steady(crowd, others, model, 2)
        assert entry[0].how is None and not reading.done()
        assert endless.leaves is not None
        endless.leaves.set()
        await reading
        others.close()
        await settled(server, engines)
    await agree(settings, crowd, engines)


async def test_a_stream_ends_with_its_key_even_while_its_engine_says_nothing(settings: Settings, engines: list[Engine]) -> None:
    crowd = Crowd()
    async with gateway(settings) as server, server.client() as owner:
        model = await deployed(await server.context(), engines)
        made = (await owner.post("/v1/api_keys", json={"name": "ci", "scopes": ["inference"]})).json()
        asks = [Ask(crowd.orders(**how), model, ENDLESS, stream=True) for how in ({"pace_s": PACE_S}, {"hang_after": 3})]
        callers = [Caller(settings.port, made["key"]) for _ in asks]
        streams = [asyncio.create_task(crowd.ask(*both, {"cut"})) for both in zip(callers, asks, strict=True)]
        for ask in asks:
            await fleet.until(lambda: [each for engine in engines for each in engine.of(ask.number) if each.made >= 3], "begun")  # noqa: B023
        assert (await owner.delete(f"/v1/api_keys/{made['id']}")).status_code == 200
        for seen in await asyncio.gather(*streams):
            assert seen.error is not None and seen.error["message"] == "Invalid API key"
        await settled(server, engines)
        for caller in callers:
            caller.close()
    await agree(settings, crowd, engines)


async def test_who_waits_in_line_is_answered_in_turn_and_who_finds_it_full_is_told_so(
    settings: Settings, engines: list[Engine]
) -> None:
    settings.replica_requests, settings.queued_requests = 2, 3
    crowd = Crowd()
    async with gateway(settings) as server, AsyncExitStack() as closing:
        model = await deployed(await server.context(), engines)

        def start(ask: Ask, allowed: str) -> "asyncio.Task[Seen]":
            caller = Caller(settings.port, server.tenant.key)
            closing.callback(caller.close)
            return asyncio.create_task(crowd.ask(caller, ask, {allowed}))

        leaving = [asyncio.Event() for _ in range(4)]
        long = [Ask(crowd.orders(pace_s=PACE_S), model, ENDLESS, stream=True, leaves=leaves) for leaves in leaving]
        working = [start(ask, "left") for ask in long]
        await fleet.until(lambda: [len(engine.entries()) for engine in engines] == [2, 2], "each has as many as it may")
        impatient = asyncio.Event()
        asks = [Ask(crowd.orders(), model, leaves=leaves) for leaves in (None, impatient, None)]
        waiting = []
        for count, (ask, allowed) in enumerate(zip(asks, ("whole", "left", "whole"), strict=True), 1):
            waiting.append(start(ask, allowed))
            await in_line(server, model, count)
        await start(Ask(crowd.orders(), model, stream=True), "429")
        impatient.set()
        await waiting[1]
        await in_line(server, model, 2)
        assert [len(engine.entries()) for engine in engines] == [2, 2]
        leaving[0].set()
        await asyncio.gather(*waiting)
        for leaves in leaving:
            leaves.set()
        await asyncio.gather(*working)
        answered = [seen.ask.number for seen in crowd.seen if seen.verdict == "whole"]
        assert answered == [asks[0].number, asks[2].number]
        await settled(server, engines)
    await agree(settings, crowd, engines)


async def test_without_engines_each_is_told_when_to_come_again_and_is_answered_once_they_are_back(
    settings: Settings, engines: list[Engine]
) -> None:
    settings.hold_s = 0.1
    crowd = Crowd()
    async with gateway(settings) as server:
        model, caller = await deployed(await server.context(), engines), Caller(settings.port, server.tenant.key)
        await steady(crowd, caller, model, 1)
        for engine in engines:
            await engine.kill()
        for ask, _ in kinds(crowd, model):
            await crowd.ask(caller, ask, {"503"})
        for engine in engines:
            await engine.start()
        while crowd.seen[-1].verdict != "whole":
            await crowd.ask(caller, Ask(crowd.orders(), model), {"503", "whole"})
        caller.close()
        await settled(server, engines)
    await agree(settings, crowd, engines)


async def test_a_key_is_answered_as_often_as_it_may_ask(settings: Settings, engines: list[Engine]) -> None:
    crowd = Crowd()
    async with gateway(settings) as server, server.client() as owner, AsyncExitStack() as closing:
        model = await deployed(await server.context(), engines)
        limited = {"name": "ci", "scopes": ["inference"], "inference_requests_per_minute": 4}
        made = (await owner.post("/v1/api_keys", json=limited)).json()
        callers = [Caller(settings.port, made["key"]) for _ in range(12)]
        for caller in callers:
            closing.callback(caller.close)
        asks = [Ask(crowd.orders(), model, stream=bool(index % 2)) for index in range(12)]
        await asyncio.gather(*(crowd.ask(*both, {"whole", "429"}) for both in zip(callers, asks, strict=True)))
        answered = [seen for seen in crowd.seen if seen.verdict == "whole"]
        assert sorted(seen.headers["x-ratelimit-remaining-requests"] for seen in answered) == ["0", "1", "2", "3"]
        await settled(server, engines)
    await agree(settings, crowd, engines)
