"""Two API processes of one installation under a random load, for `BURNISH_GATEWAY_S` seconds on each kind of database, while
engines die and come back, the broker is killed, keys are revoked, credit is exhausted and readers stop reading.

What is asserted: whoever can be answered is answered, each refusal has its reason, a revoked key is refused at once where it was
revoked and within two seconds everywhere, on streams too, what the callers saw, the engines made and the log holds is one story,
and no API process grows by more than `MOST_GROWN_BYTES`.

`BURNISH_GATEWAY_SEED` repeats what the callers ask and when which engine dies, though not how it all falls together.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import psutil
import pytest

from burnish.kit.core import Core, opened
from burnish.kit.settings import Settings
from resolvers import accounts
from resolvers.context import Platform
from resolvers.inference import Gateway
from tests.faults.processes import DEADLINE_S, Process, api, broker
from tests.resolvers.conftest import as_caller
from tests.rest_compat.load import books, fleet
from tests.rest_compat.load.books import Books
from tests.rest_compat.load.callers import Ask, Caller, Seen
from tests.rest_compat.load.crowd import BEGUN, WHOLE, Crowd, kinds
from tests.rest_compat.load.fleet import Engine
from tests.rest_compat.load.installed import deployed, used_up

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(0)]
DURATION_S = float(os.environ.get("BURNISH_GATEWAY_S", "60"))
SEED = int(os.environ.get("BURNISH_GATEWAY_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
WITHIN_S = 2.0
# The machine is busy: what has ended is noticed a little later.
NOTICED_S = 1.0
HOLD_S = 3.0
# How long a breaker may stay open after a replica has come back.
BACK_S = 12.0
ENDLESS = 1_000_000
SLOW_READERS = 6
LIMIT = 60
# Of what a stopped reader is owed, an API process holds the 64 KiB that wait on the engine's side, the 64 KiB that uvicorn lets
# wait on the client's, and an event of the engine's: less than a MiB each. The rest is what Python's allocator keeps of a load.
MOST_GROWN_BYTES = 96 * 2**20


@dataclass
class Load:
    """The state of one run. `revoked` says when each key was revoked, and by which process."""

    crowd: Crowd
    dice: random.Random
    processes: list[Process]
    engines: list[Engine]
    model: str
    until: float
    violations: list[str] = field(default_factory=list)
    blackout: tuple[float, float] = (0.0, 0.0)

    @property
    def over(self) -> bool:
        return monotonic() >= self.until

    async def rest(self, least_s: float, most_s: float) -> None:
        """Let the load go on for a while."""
        await asyncio.sleep(min(self.dice.uniform(least_s, most_s), max(0.0, self.until - monotonic())))

    async def ask(self, caller: Caller, ask: Ask, allowed: frozenset[str]) -> Seen:
        """Ask; with no engine left, a 503 is allowed too."""
        return await self.crowd.ask(caller, ask, allowed | {"503"})

    def unavailable(self) -> list[str]:
        """Return what was refused by the gateway while an engine was there."""
        dark, light = self.blackout
        return [
            f"#{seen.ask.number} 503 with an engine there: {seen.error}"
            for seen in self.crowd.seen
            if seen.verdict == "503"
            and seen.ask.orders.refuse != 503
            and (seen.ended_at < dark or seen.began_at > light + BACK_S)
        ]


async def wander(load: Load, caller: Caller) -> None:
    """Ask one thing after the other, and leave some of them."""
    dice = load.dice
    while not load.over:
        pace_s = dice.choice([0.0, 0.001, 0.005])
        what = dice.random()
        if what < 0.7:
            ask, allowed = dice.choice(kinds(load.crowd, load.model, pace_s=pace_s))
            await load.ask(caller, ask, allowed)
        elif what < 0.8:
            orders = load.crowd.orders(pace_s=0.002)
            ask = Ask(orders, load.model, ENDLESS, stream=True, leaves_after=dice.randrange(1, 40))
            await load.ask(caller, ask, frozenset({"left", "cut"}))
        elif what < 0.88:
            await _leave_at_any_time(load, caller)
        elif what < 0.95:
            status = dice.choice([400, 429, 500, 503])
            ask = Ask(load.crowd.orders(refuse=status), load.model, stream=dice.random() < 0.5)
            await load.ask(caller, ask, frozenset({str(status)}))
        elif what < 0.951:
            ask = Ask(load.crowd.orders(hang_after=0), load.model, headers={"x-timeout-s": "10"})
            await load.ask(caller, ask, frozenset({"504"}))
        else:
            orders = load.crowd.orders(**{dice.choice(["fail_after", "die_after"]): 3})
            await load.ask(caller, Ask(orders, load.model, stream=True), frozenset({"cut"}))
    caller.close()


async def _leave_at_any_time(load: Load, caller: Caller) -> None:
    leaves, stream = asyncio.Event(), load.dice.random() < 0.5
    ask = Ask(load.crowd.orders(pace_s=0.002), load.model, 20, stream=stream, leaves=leaves)
    asyncio.get_running_loop().call_later(load.dice.uniform(0.0, 0.05), leaves.set)
    await load.ask(caller, ask, frozenset({"left"}) | (BEGUN if stream else WHOLE))


async def disturb_engines(load: Load) -> None:
    """Kill, deafen or sicken one engine at a time, never the last one, and once all of them."""
    dark_at = load.until - DURATION_S / 2
    while not load.over:
        await load.rest(0.5, 2.0)
        if not load.blackout[0] and monotonic() > dark_at:
            await _blackout(load)
            continue
        engine = load.dice.choice(load.engines[:-1])
        what = load.dice.choice(["kill", "kill", "deaf", "close", "sick"])
        if what != "kill":
            await engine.tell(what)
            await load.rest(0.2, 1.0)
        if what in ("kill", "sick"):
            await engine.kill()
            await load.rest(0.2, 1.0)
            await engine.start()
        else:
            await engine.tell("open")


async def _blackout(load: Load) -> None:
    load.blackout = (monotonic(), float("inf"))
    for engine in load.engines:
        await engine.kill()
    await load.rest(HOLD_S, HOLD_S + 1)
    for engine in load.engines:
        await engine.start()
    load.blackout = (load.blackout[0], monotonic())


async def revoke_keys(load: Load, owner_key: str) -> None:
    """Make a key, have it used in both processes, revoke it in one of them; again and again."""
    turn = 0
    while not load.over:
        here, there = load.processes[turn % 2], load.processes[(turn + 1) % 2]
        turn += 1
        headers = {"Authorization": f"Bearer {owner_key}"}
        async with httpx2.AsyncClient(base_url=here.url, headers=headers, timeout=DEADLINE_S, verify=False) as owner:
            made = (await owner.post("/v1/api_keys", json={"name": f"ci {turn}", "scopes": ["inference"]})).json()
            asking = [
                asyncio.create_task(use(load, Caller(process.port, made["key"]), stream=stream))
                for process in (here, there)
                for stream in (False, True)
            ]
            await load.rest(1.0, 2.0)
            assert (await owner.delete(f"/v1/api_keys/{made['id']}")).status_code == 200
        revoked_at = monotonic()
        caller = Caller(here.port, made["key"])
        late = await load.ask(caller, Ask(load.crowd.orders(), load.model), frozenset({"401"}))
        caller.close()
        if late.verdict != "401":
            load.violations.append(f"{late.verdict} where the key had been revoked")
        for seen in [seen for each in await asyncio.gather(*asking) for seen in each]:
            _judge_end(load, seen, revoked_at)


def _judge_end(load: Load, seen: Seen, revoked_at: float) -> None:
    if seen.verdict == "401":
        return
    since = (
        f"from {seen.began_at - revoked_at:+.2f} s to {seen.ended_at - revoked_at:+.2f} s of its key's end: {seen.tokens} tokens"
    )
    if seen.began_at > revoked_at + WITHIN_S:
        load.violations.append(f"#{seen.ask.number} was begun {since}")
    if seen.status == 200 and seen.ask.tokens == ENDLESS and seen.ended_at > revoked_at + WITHIN_S + NOTICED_S:
        load.violations.append(f"#{seen.ask.number} went on {since}")


async def use(load: Load, caller: Caller, *, stream: bool) -> list[Seen]:
    """Ask with a key until it is refused; streams that only the key, or the death of an engine, ends."""
    found: list[Seen] = []
    while not found or found[-1].verdict != "401":
        tokens = ENDLESS if stream else 3
        ask = Ask(load.crowd.orders(pace_s=0.002), load.model, tokens, stream=stream)
        found.append(await load.ask(caller, ask, frozenset({"401", "cut" if stream else "whole"})))
    caller.close()
    return found


async def ask_too_often(load: Load, owner_key: str) -> None:
    """Use a key that may ask `LIMIT` times a minute in both processes at once.

    They count together while they have the broker: without it each alone lets as many through.
    """
    began_at, headers = monotonic(), {"Authorization": f"Bearer {owner_key}"}
    async with httpx2.AsyncClient(base_url=load.processes[0].url, headers=headers, timeout=DEADLINE_S, verify=False) as owner:
        limited = {"name": "limited", "scopes": ["inference"], "inference_requests_per_minute": LIMIT}
        made = (await owner.post("/v1/api_keys", json=limited)).json()

    async def insist(process: Process) -> list[str]:
        caller, verdicts = Caller(process.port, made["key"]), []
        while not load.over:
            seen = await load.ask(caller, Ask(load.crowd.orders(), load.model), WHOLE | {"429"})
            verdicts.append(seen.verdict)
            # A refusal costs nothing, and there is no end of them.
            await load.rest(0.01, 0.02)
        caller.close()
        return verdicts

    verdicts = [verdict for each in await asyncio.gather(*map(insist, load.processes)) for verdict in each]
    answered = len(verdicts) - verdicts.count("429")
    most = LIMIT * (1 + (monotonic() - began_at) / 60)
    if not min(LIMIT, len(verdicts)) <= answered <= 2 * most:
        load.violations.append(f"{answered} requests were let through of the {most:.0f} that were allowed")


async def exhaust_credit(load: Load, core: Core, key: str, model: str) -> None:
    """Use a deployment in both processes until its credit is exhausted; it refuses within two seconds."""
    stopped_at = float("inf")

    async def use_up(process: Process) -> None:
        caller, seen = Caller(process.port, key), None
        while seen is None or seen.verdict != "402":
            ask = Ask(load.crowd.orders(pace_s=0.001), model, stream=load.dice.random() < 0.5)
            seen = await load.ask(caller, ask, BEGUN | {"402"})
            if seen.verdict != "402" and seen.began_at > stopped_at + WITHIN_S:
                load.violations.append(f"#{ask.number} was answered {seen.began_at - stopped_at:.2f} s after the credit ended")
        caller.close()

    using = [asyncio.create_task(use_up(process)) for process in load.processes]
    await asyncio.sleep(DURATION_S / 3)
    await used_up(core, model)
    stopped_at = monotonic()
    await asyncio.gather(*using)


async def stop_reading(load: Load, caller: Caller) -> None:
    """Read no more of 256 MiB, until the load is over or the gateway has had enough."""
    while not load.over:
        leaves = asyncio.Event()
        ask = Ask(
            load.crowd.orders(width=2**16), load.model, 2**12, stream=True, stops_after=2, resumes=asyncio.Event(), leaves=leaves
        )
        asyncio.get_running_loop().call_later(load.dice.uniform(2.0, DURATION_S), leaves.set)
        asyncio.get_running_loop().call_later(max(0.0, load.until - monotonic()), leaves.set)
        await load.ask(caller, ask, frozenset({"left", "cut"}))
    caller.close()


async def watch_memory(load: Load) -> None:
    await load.rest(5.0, 5.0)
    while not load.over:
        for process in load.processes:
            process.measure()
        await load.rest(0.5, 0.5)


async def break_broker(load: Load, again: Callable[[], Awaitable[None]]) -> None:
    for _ in range(2):
        await asyncio.sleep(DURATION_S / 4)
        await again()


async def let_go(processes: list[Process], engines: list[Engine]) -> None:
    """Wait until no engine works, and no API process holds a connection of a caller or half of one to an engine."""
    for engine in engines:
        await engine.idle()
    for process in processes:

        def left(process: Process = process) -> list[Any]:
            found = psutil.Process(process.child.pid).net_connections("tcp")
            return [each for each in found if each.status == "CLOSE_WAIT" or (each.raddr and each.laddr.port == process.port)]

        await fleet.until(lambda: not left(), "no connection is left open")


async def test_two_processes_in_trouble_tell_one_story(tmp_path: Path, database_url: str) -> None:
    print(f"BURNISH_GATEWAY_SEED={SEED} BURNISH_GATEWAY_S={DURATION_S}")
    settings = Settings(home=tmp_path / "home", database_url=database_url, cpu_fallback=True, hold_s=HOLD_S, log_level="warning")
    settings.prepare_home()
    async with AsyncExitStack() as stack:
        core = await stack.enter_async_context(opened(settings))
        engines = await stack.enter_async_context(fleet.running(tmp_path, "one", "two", "three"))
        again = await stack.enter_async_context(broker(settings))
        keys, models = [], []
        for slug in ("rich", "poor"):
            _, key = await accounts.create(core, slug, credit_micros=100_000_000)
            keys.append(key)
            models.append(await deployed(await as_caller(Platform(core, Gateway(core)), key), engines, slug))
        async with AsyncExitStack() as serving:
            processes = [await serving.enter_async_context(api(settings)) for _ in range(2)]
            dice = random.Random(SEED)
            load = Load(Crowd(), dice, processes, engines, models[0], monotonic() + DURATION_S)
            stopped = [Caller(processes[index % 2].port, keys[0]) for index in range(SLOW_READERS)]
            async with asyncio.TaskGroup() as group:
                for index in range(24):
                    group.create_task(wander(load, Caller(processes[index % 2].port, keys[0])))
                for caller in stopped:
                    group.create_task(stop_reading(load, caller))
                group.create_task(disturb_engines(load))
                group.create_task(revoke_keys(load, keys[0]))
                group.create_task(exhaust_credit(load, core, keys[1], models[1]))
                group.create_task(ask_too_often(load, keys[0]))
                group.create_task(break_broker(load, again))
                group.create_task(watch_memory(load))
            await let_go(processes, engines)
        grown = [process.most_bytes - process.at_first_bytes for process in processes]
        entries = [entry for engine in engines for entry in engine.entries()]
        print(f"{len(load.crowd.seen)} requests, {len(entries)} taken by engines; grown by {[each >> 20 for each in grown]} MiB")
        found = {
            "surprises": load.crowd.surprises,
            "violations": load.violations,
            "unavailable": load.unavailable(),
            "disagreements": books.disagreements(load.crowd.seen, entries, await Books.read(core, engines)),
            "stories": await books.one_story(core),
        }
        for what, each in found.items():
            print(what, len(each), *each[:20], sep="\n  ")
        assert not any(found.values()), {what: len(each) for what, each in found.items()}
        assert max(grown) < MOST_GROWN_BYTES
