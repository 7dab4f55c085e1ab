"""Whether three accounts of one load agree: what the callers saw, what the engines wrote down, and what was metered and logged.

A request is its number, which is how many tokens its prompt had and part of what an engine refuses it with; its row has the id of
its answer. Of a request whose caller left before anything came, the log does not know which one it was: there counts must agree.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlmodel import col, select

from burnish.kit import stream
from burnish.kit.core import Core
from models.deployment import Deployment, InferenceRequest
from models.replica import Replica
from tests.logged import row_of
from tests.rest_compat.load.callers import Seen
from tests.rest_compat.load.fleet import Engine, Entry

PASSED_OVER = (None, "died", "sick")
# What may have become of a request whose caller left: of a short one the engine may have been at its end.
UNAUTHENTICATED = 401
STOPPED = ("left", "finished", None)
TOO_LATE = "504"
# How the gateway refuses what it has found a deployment for.
LOGGED = ("429", "503", TOO_LATE)
_NUMBER = re.compile(r"#(\d+)\.$")


@dataclass
class Books:
    """The log of an installation, and which engine each replica is."""

    rows: list[InferenceRequest]
    engines: Mapping[str, str]

    @classmethod
    async def read(cls, core: Core, engines: Iterable[Engine]) -> "Books":
        names = {engine.url: engine.name for engine in engines}
        async with core.db.read() as session:
            rows = list((await session.exec(select(InferenceRequest).order_by(col(InferenceRequest.id)))).all())
            replicas = (await session.exec(select(Replica))).all()
        return cls(rows, {row.id: names[row.url] for row in replicas if row.url in names})

    def number(self, row: InferenceRequest) -> int | None:
        """Return which request a row is of, null where it cannot say."""
        if row.prompt_tokens:
            return row.prompt_tokens
        found = _NUMBER.search(row.error_message or "")
        return int(found[1]) if found else None


@dataclass
class Nameless:
    """Requests of which the log knows but how they ended: the status of those that the gateway refused after it had found the
    deployment, by the id of the answer, those whose caller left before the first word of an engine, by its name, and how many of
    those that left may have been waiting for an engine, or still on their way.
    """

    refused: dict[str, int] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)
    perhaps: int = 0

    def leaves(self, answered: Sequence[Entry]) -> None:
        if answered and answered[0].how not in PASSED_OVER:
            self.left[answered[0].engine] += 1
        else:
            self.perhaps += 1

    def wrong(self, rows: Sequence[InferenceRequest], engines: Mapping[str, str]) -> list[str]:
        """Return what the rows without a number say otherwise."""
        found = [f"nobody's: {row_of(row)}" for row in rows if row.completion_tokens or row.status_code == 200]
        known = {row.id: row.status_code for row in rows}
        found += [
            f"{status} {key} is logged as {known.get(key)}" for key, status in self.refused.items() if known.get(key) != status
        ]
        others = [row for row in rows if row.id not in self.refused]
        left = Counter(engines.get(row.replica_id or "", "") for row in others if row.client_cancelled)
        # Who left may also just have been refused.
        more = len(others) - self.left.total()
        if not (self.left <= left and 0 <= more <= self.perhaps):
            found.append(f"left before the first word: {self.left}, and {self.perhaps} perhaps; logged: {left} of {len(others)}")
        return found


def disagreements(load: Sequence[Seen], entries: Sequence[Entry], books: Books) -> list[str]:
    """Return whatever does not agree, each with its request; nothing where all of it does."""
    numbers = [seen.ask.number for seen in load]
    assert len(set(numbers)) == len(numbers)
    taken: defaultdict[int, list[Entry]] = defaultdict(list)
    logged: defaultdict[int, list[InferenceRequest]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.began_at):
        taken[entry.number].append(entry)
    rest: list[InferenceRequest] = []
    for row in books.rows:
        number = books.number(row)
        (rest if number is None else logged[number]).append(row)
    found = [f"#{number} is logged and was never asked" for number in set(logged) - set(numbers)]
    nameless = Nameless()
    for seen in load:
        number = seen.ask.number
        wrong = _wrong(seen, taken[number], logged[number], books, nameless)
        if wrong is not None:
            found.append(f"#{number} {seen.verdict}: {wrong}; {taken[number]}; {[row_of(row) for row in logged[number]]}")
    return found + nameless.wrong(rest, books.engines)


def _wrong(seen: Seen, taken: list[Entry], logged: list[InferenceRequest], books: Books, nameless: Nameless) -> str | None:
    """Return what is wrong with the accounts of one request; those of which the log knows no number are counted."""
    answered = [entry for entry in taken if entry.how not in PASSED_OVER]
    # One that refuses and is found to be dead then is passed over too.
    answered = [entry for entry in answered[:-1] if entry.how != "refused"] + answered[-1:] or taken[-1:]
    verdict = seen.verdict
    if len(answered) > 1:
        return "answered more than once"
    if verdict == "left" and not logged:
        nameless.leaves(answered)
        return None if not seen.tokens else "not logged"
    by_an_engine = bool(answered) and (verdict in ("whole", "cut", "left") or (answered[0].how == "refused" and bool(logged)))
    if not by_an_engine:
        # Whose own time is over leaves the engine that has it.
        ends = (*PASSED_OVER, "left") if verdict == TOO_LATE else (*PASSED_OVER, "refused")
        if logged or any(entry.how not in ends for entry in taken):
            return "refused, and yet answered by an engine"
        if verdict in LOGGED and not seen.over_limit:
            nameless.refused[seen.headers["x-request-id"]] = int(verdict)
        return None if verdict not in ("whole", "cut") else "answered by nobody"
    if len(logged) != 1:
        return f"logged {len(logged)} times"
    [row], [entry] = logged, answered
    if seen.headers and seen.headers.get("x-request-id") != row.id:
        return "logged under another id than that of its answer"
    if entry.engine != books.engines.get(row.replica_id or ""):
        return "logged for another replica"
    if row.streamed is not seen.ask.stream:
        return "logged as the other kind"
    return _wrong_counts(seen, entry, row)


def _wrong_counts(seen: Seen, entry: Entry, row: InferenceRequest) -> str | None:
    verdict = seen.verdict
    ended = row.status_code == UNAUTHENTICATED and not row.client_cancelled
    if verdict == "left" and (ended or (row.status_code >= 500 and entry.how in ("died", "failed", None))):
        # Who had stopped reading does not know that its engine was gone before it, or its key.
        verdict = "cut"
    if verdict == "whole" or (verdict == "left" and not row.client_cancelled):
        # Who leaves in the moment of the last token may have been answered.
        exact = row.completion_tokens == entry.made == seen.ask.all_tokens
        good = row.status_code == 200 and not row.client_cancelled and row.error_message is None and row.finish_reason == "length"
        timed = (row.ttft_ms is not None) is seen.ask.stream
        return None if exact and good and timed else "metered otherwise than it was made"
    if verdict in ("left", "cut"):
        if not seen.tokens <= row.completion_tokens <= entry.made:
            return f"metered {row.completion_tokens}, seen {seen.tokens}, made {entry.made}"
        if verdict == "left" or ended:
            # The stream of a key that has ended is cut, and the engine's client is gone.
            return None if (ended or row.client_cancelled) and entry.how in STOPPED else "its engine did not stop"
        return None if row.status_code >= 500 and row.error_message else "cut without a reason in the log"
    exact = str(row.status_code) == verdict and row.completion_tokens == 0
    return None if exact and not row.client_cancelled and row.error_message else "logged otherwise than it was refused"


async def one_story(core: Core) -> list[str]:
    """Return where a deployment's totals, the stream of its requests and their rows do not say the same."""
    found = []
    async with core.db.read() as session:
        for row in (await session.exec(select(Deployment))).all():
            its = (await session.exec(select(InferenceRequest).where(InferenceRequest.deployment_id == row.id))).all()
            told = [item async for page in stream.read_all(session, row.id, "requests") for item in page]
            totals = (row.total_requests, row.total_prompt_tokens, row.total_completion_tokens)
            sums = (len(its), sum(each.prompt_tokens for each in its), sum(each.completion_tokens for each in its))
            if totals != sums:
                found.append(f"{row.name}: totals {totals}, rows {sums}")
            if [item.seq for item in told] != list(range(1, len(its) + 1)):
                found.append(f"{row.name}: {len(told)} told, {len(its)} rows")
            if {item.data["id"]: item.data for item in told} != {each.id: row_of(each) for each in its}:
                found.append(f"{row.name}: told otherwise than logged")
    return found
