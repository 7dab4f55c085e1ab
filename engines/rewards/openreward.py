"""The client of OpenReward's environments: tasks, sessions, calls of tools. Child processes only: it imports `openreward`.

The invariant: a session that was opened is deleted, whichever way its step ends, before `Arena` is left. Only where the process
is killed none is there to do it; its pings end with it then, and the server drops a session that nobody pings.

An environment is somebody else's program. What the model did wrong (no such tool, arguments that do not fit) is told to the model
and the rollout goes on; what the environment did wrong ends the rollout, which is left without a reward and with the reason.
"""

import asyncio
import concurrent.futures
import json
import math
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

# It would ask a package index for a newer release of itself, at each start.
os.environ["OPENREWARD_DISABLE_UPDATE_CHECK"] = "1"

import aiohttp
from openreward.api._session.http import AuthenticationError, SessionResponseError
from openreward.api.environments.client import AsyncEnvironment, AsyncEnvironmentsAPI, AsyncSession
from openreward.api.environments.types import Task as NamedTask
from openreward.api.errors import HeartbeatTimeoutError, MaxRetriesError, SessionTerminatedError, ToolCallError

from engines.protocol import ChildFailure, Reporter
from engines.rewards.episode import Episode, Reply, Task, cut
from engines.training.grpo_spec import EnvironmentSource, OpenRewardHosts
from engines.training.interrupt import Stopped

T = TypeVar("T")

POLL_S = 0.2
# The client tries a deletion three times itself.
DELETE_S = 30.0
OPENED_AT_ONCE = 32
# What the prompt and the tools of a session may be, in characters, and the tasks of a split.
MOST_OPENING = 2**19
MOST_TASKS = 1_000_000
# How soon a server says something where a tool has said nothing for too long.
PROBE_S = 20.0
# The pauses after which an outage is looked at again.
PAUSES_S = (5.0, 20.0, 60.0)
# What stands before OpenReward says with these that nothing behind it answers.
GATEWAY_STATUSES = (502, 503, 504)
LEFT_OUT = "[an image is left out: the model reads text]"


class Unreachable(ChildFailure):
    """Nobody answers: an outage, which is not the user's, and which another attempt at the job may outlast."""

    def __init__(self, message: str) -> None:
        super().__init__("worker_lost", message, "platform")


class Session(AsyncSession):  # type: ignore[misc]
    """A session that remembers whether the server took its deletion; the client's own keeps silent about that."""

    undeleted: str | None = None

    async def _pre_delete(self) -> None:
        try:
            await super()._pre_delete()
        except Exception as error:
            self.undeleted = _said(error)
            raise


class Arena:
    """All environments of a job, from a thread of its own. Enter it once; one caller at a time.

    A stop of the job raises `Stopped` within `POLL_S`, whatever is being waited for.
    """

    def __init__(self, sources: Sequence[EnvironmentSource], hosts: OpenRewardHosts, reporter: Reporter) -> None:
        self._sources = {source.id: source for source in sources}
        self._hosts = hosts
        self._reporter = reporter
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openreward", daemon=True)
        self._environments: dict[str, AsyncEnvironment] = {}
        self._clients: list[AsyncEnvironmentsAPI] = []
        self._opening: set[asyncio.Task[Episode]] = set()
        self._open: dict[Session, None] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._connect())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._settle(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def names(self) -> list[str]:
        return list(self._sources)

    def splits(self, environment: str) -> list[str]:
        return self._sources[environment].splits

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many tasks each split of each environment has; `config_error` naming what is not there or not allowed,
        `Unreachable` where after all pauses still nobody answers.
        """
        return self.persist(lambda: self._run(self._counts()))

    def persist(self, work: Callable[[], T]) -> T:
        """Return `work()`, which is begun again where nobody answers; `Unreachable` where after all pauses still nobody does."""
        for pause_s in PAUSES_S:
            try:
                return work()
            except Unreachable as outage:
                self._reporter.log(f"{outage.message} Tried again in {pause_s:g} s", level="warning")
                if self._reporter.stop_requested.wait(pause_s):
                    raise Stopped from None
        return work()

    def open(self, tasks: Sequence[Task]) -> list[Episode]:
        """Open a session for each task, at once. One that cannot be opened gives an episode with an `error`."""
        return self._run(self._open_all(tasks))

    def call(self, calls: Sequence[tuple[Episode, Sequence[Mapping[str, Any]]]]) -> list[list[Reply]]:
        """Call tools of many episodes at once, those of one in their order, until it is over."""
        return self._run(_gather([self._call_each(episode, wanted) for episode, wanted in calls]))

    def submit(self, answers: Sequence[tuple[Episode, str]]) -> list[Reply]:
        """Hand what the model said last to environments that take it without a call."""
        return self._run(_gather([self._submit(episode, text) for episode, text in answers]))

    def close(self) -> None:
        """Delete every session that is open."""
        self._settle(self._delete_all())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        while True:
            try:
                return future.result(timeout=POLL_S)
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise
                if self._reporter.stop_requested.is_set():
                    future.cancel()
                    raise Stopped from None

    def _settle(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what a stop must not break off."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _connect(self) -> None:
        for source in self._sources.values():
            # One connection pool a key would do; there is one key.
            client = AsyncEnvironmentsAPI(self._hosts.session_url, source.api_key or "", api_base_url=self._hosts.api_url)
            self._clients.append(client)
            self._environments[source.id] = client.get(source.id, variant=source.variant)

    async def _leave(self) -> None:
        await self._delete_all()
        await _gather([client.aclose() for client in self._clients])
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _counts(self) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for name, source in self._sources.items():
            environment = self._environments[name]
            known = await self._asked(name, environment.list_splits())
            if missing := [split for split in source.splits if split not in known]:
                raise _refused(name, f"no split {missing[0]!r}; there are {', '.join(known)}", "splits")
            for split in source.splits:
                count = await self._asked(name, environment.num_tasks(split))
                if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST_TASKS:
                    said = f"it says that {split} has {cut(repr(count), 100)} tasks, which is no number from 0 to {MOST_TASKS}"
                    raise _refused(name, said, "splits")
                found[name, split] = count
        return found

    async def _asked(self, name: str, question: Coroutine[Any, Any, T]) -> T:
        try:
            return await asyncio.wait_for(question, self._hosts.timeout_s)
        except AuthenticationError:
            raise _refused(name, "OpenReward does not take the key of the account's integration") from None
        except Exception as error:
            if _is_outage(error):
                raise Unreachable(f"environments.{name}: it cannot be reached: {_said(error)}.") from error
            if isinstance(error, SessionResponseError):
                raise _refused(name, f"OpenReward refuses it with {error.status}: {_said(error)}") from error
            raise _refused(name, f"it cannot be used: {_said(error)}") from error

    async def _open_all(self, tasks: Sequence[Task]) -> list[Episode]:
        gate = asyncio.Semaphore(OPENED_AT_ONCE)

        async def one(task: Task) -> Episode:
            async with gate:
                try:
                    if self._reporter.stop_requested.is_set():
                        return Episode(task, error="the job was stopped")
                    return await asyncio.wait_for(self._opened(task), self._hosts.timeout_s)
                except Exception as error:
                    reason = f"the session could not be opened: {_said(error)}"
                    return Episode(task, error=reason, unreachable=_is_outage(error))

        opening = [asyncio.create_task(one(task)) for task in tasks]
        self._opening = set(opening)
        # A session whose creation is broken off may come to be all the same, after its deletion: `_delete_all` waits for it.
        return list(await asyncio.shield(asyncio.gather(*opening)))

    async def _opened(self, task: Task) -> Episode:
        environment = self._environments[task.environment]
        session = Session(environment, api_key=environment.api_key, **_which(task, environment))
        # From here on its end is `_delete`'s, also where this is broken off before the server has answered.
        self._open[session] = None
        await session.__aenter__()
        messages = await session.get_messages(format="openai")
        tools = [_tool(spec) for spec in await session.list_tools()]
        terminal = await session.terminal_tool()
        prompt = [{**message, "content": _plain(message.get("content"))} for message in messages]
        if (size := len(json.dumps([prompt, tools]))) > MOST_OPENING:
            reason = f"the prompt and the tools have {size} characters, and {MOST_OPENING} are the most"
            return Episode(task, session, error=reason, left_out=True)
        return Episode(task, session, prompt, tools, answer_tool=None if terminal is None else terminal.name)

    async def _call_each(self, episode: Episode, wanted: Sequence[Mapping[str, Any]]) -> list[Reply]:
        replies: list[Reply] = []
        for call in wanted:
            if episode.is_over:
                break
            replies.append(await self._reply(episode, episode.session.call_tool(str(call["name"]), _arguments(call))))
        return replies

    async def _submit(self, episode: Episode, text: str) -> Reply:
        return await self._reply(episode, episode.session.call_terminal_tool(text))

    async def _reply(self, episode: Episode, call: Coroutine[Any, Any, Any]) -> Reply:
        try:
            output = await asyncio.wait_for(call, self._hosts.timeout_s)
        except ToolCallError as error:
            return episode.refuse(cut(f"Error: {error.detail}"), finished=error.reason == "episode_finished")
        except (TimeoutError, SessionTerminatedError) as error:
            # Where the server answers otherwise it is the tool that takes too long, or the session that it has ended.
            return episode.fail(_said(error), unreachable=not await self._answers(episode.task))
        except Exception as error:
            return episode.fail(_said(error), unreachable=_is_outage(error))
        reward = output.reward
        if reward is not None and (isinstance(reward, bool) or not isinstance(reward, int | float) or not math.isfinite(reward)):
            return episode.fail(f"the environment gave the reward {cut(repr(reward), 100)}, which is no number")
        text = "\n".join(_block(block) for block in output.blocks or [])
        return episode.take(cut(text) or "(no output)", None if reward is None else float(reward), bool(output.finished))

    async def _answers(self, task: Task) -> bool:
        try:
            await asyncio.wait_for(self._environments[task.environment].list_splits(), PROBE_S)
        except Exception as error:
            return not _is_outage(error)
        return True

    async def _delete_all(self) -> None:
        if self._opening:
            _, late = await asyncio.wait(self._opening, timeout=DELETE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            self._opening = set()
        await _gather([self._delete(session) for session in list(self._open)])

    async def _delete(self, session: Session) -> None:
        try:
            await asyncio.wait_for(session.__aexit__(None, None, None), DELETE_S)
        except TimeoutError:
            session.undeleted = f"no answer within {DELETE_S:g} s"
        finally:
            self._open.pop(session, None)
        if session.undeleted is not None:
            message = f"the session {session.sid} could not be deleted and ends when it has been idle: {session.undeleted}"
            self._reporter.log(message, level="warning")


def _which(task: Task, environment: AsyncEnvironment) -> dict[str, Any]:
    if task.spec is None:
        return {"split": task.split, "index": task.index}
    # Without a variant the server takes the environment that it serves by default.
    return {"task": NamedTask(environment.name, environment.variant, dict(task.spec), environment.namespace)}


def _arguments(call: Mapping[str, Any]) -> Any:
    """Return the arguments as the model meant them: some templates leave JSON as a text."""
    found = call.get("arguments")
    if isinstance(found, str):
        try:
            return json.loads(found)
        except ValueError:
            return found
    return {} if found is None else found


def _tool(spec: Any) -> dict[str, Any]:
    """Return a tool as chat templates take it, with the environment's own JSON Schema."""
    schema = spec.input_schema or {"type": "object", "properties": {}}
    return {"type": "function", "function": {"name": spec.name, "description": spec.description or "", "parameters": schema}}


def _plain(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part["text"] if part.get("type") == "text" else LEFT_OUT for part in content)
    return content or ""


def _block(block: Any) -> str:
    return block.text if block.type == "text" else LEFT_OUT


def _refused(name: str, reason: str, field: str = "") -> ChildFailure:
    where = f"environments.{name}" + (f".{field}" if field else "")
    return ChildFailure("config_error", f"{where}: {cut(reason)}.")


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return cut(str(error.message if isinstance(error, SessionResponseError) else error)) or type(error).__name__


def _is_outage(error: BaseException) -> bool:
    """Whether nobody answered: no connection, a broken one, or none in time. What the fence refuses is none."""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status in GATEWAY_STATUSES
    if isinstance(getattr(error, "os_error", error), PermissionError):
        return False
    if isinstance(error, MaxRetriesError):
        return all(_is_outage(each) for each in error.errors)
    broken = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, HeartbeatTimeoutError, OSError)
    return isinstance(error, broken)


async def _gather(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    return list(await asyncio.gather(*work))
