"""Whether all accounts of one batch agree: its input, its two files, its row, the engines' journals and the request log."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from models import batch
from tests.faults.batch_kills import Line, Story
from tests.rest_compat.load.fleet import Entry

Json = dict[str, Any]
ANSWERED = "cmpl-"


@dataclass
class Verdict:
    """What does not agree, each with its line; nothing where all of it does. `asked_again` counts the answered lines that more
    than one engine was asked for, `once` those that are in exactly one of the files.
    """

    wrong: list[str] = field(default_factory=list)
    once: int = 0
    asked_again: int = 0

    def differs(self, what: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            self.wrong.append(f"{what}: {found}, not {wanted}")


def verdict(story: Story) -> Verdict:
    """Compare everything that is known of a batch."""
    found = Verdict(list(story.wrong))
    outputs, errors = _read(story.output), _read(story.errors)
    known = {line.custom_id: line for line in story.lines}
    _row(found, story, outputs, errors)
    _once(found, known, outputs, errors)
    journal = {f"{ANSWERED}{entry.serial}": entry for entry in story.entries}
    log = Counter(row["id"] for row in story.log)
    logged = {row["id"]: row for row in story.log}
    found.wrong += [f"{key} is logged {count} times" for key, count in log.items() if count != 1]
    for each in outputs:
        if (line := known.get(each["custom_id"])) is not None:
            _answered(found, line, each, journal, logged)
    for each in errors:
        if (line := known.get(each["custom_id"])) is not None:
            _refused(found, line, each, logged)
    found.differs("answers in the log", sum(row["status_code"] == 200 for row in story.log), len(outputs))
    asked: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in story.entries:
        asked[entry.number].append(entry)
    found.asked_again = sum(line.refuse is None and len(asked[line.number]) > 1 for line in story.lines)
    return found


def _read(content: bytes) -> list[Json]:
    return [json.loads(line) for line in content.splitlines()]


def _once(found: Verdict, known: Mapping[str, Line], outputs: list[Json], errors: list[Json]) -> None:
    seen = Counter(each["custom_id"] for each in (*outputs, *errors))
    found.wrong += [f"{key} was never asked for" for key in seen.keys() - known.keys()]
    for key in known:
        if seen[key] == 1:
            found.once += 1
        else:
            found.wrong.append(f"{key} is {seen[key]} times in the files")
    ids = [each["id"] for each in (*outputs, *errors)]
    found.differs("ids of lines that differ", len(set(ids)), len(ids))
    for name, rows in (("output", outputs), ("errors", errors)):
        numbers = [known[each["custom_id"]].number for each in rows if each["custom_id"] in known]
        if numbers != sorted(numbers):
            found.wrong.append(f"the {name} are not in the order of the input")


def _answered(found: Verdict, line: Line, each: Json, journal: Mapping[str, Entry], logged: Mapping[str, Json]) -> None:
    key, response = line.custom_id, each["response"]
    found.differs(f"{key}, how it ended", (line.refuse, response["status_code"], each["error"]), (None, 200, None))
    body = response["body"]
    entry = journal.get(body["id"])
    if entry is None or entry.number != line.number:
        return found.wrong.append(f"{key}: its answer is {entry}")
    # The engine may have been killed between its last word and what it wrote of that.
    found.differs(f"{key}, the engine's end", entry.how in ("finished", None), True)
    found.differs(f"{key}, tokens made", entry.made, line.ask.all_tokens)
    wanted = {
        "prompt_tokens": line.number,
        "completion_tokens": entry.made,
        "total_tokens": line.number + entry.made,
    }
    found.differs(f"{key}, usage", body["usage"], wanted)
    row = logged.get(response["request_id"])
    metered = None if row is None else (row["status_code"], row["prompt_tokens"], row["completion_tokens"])
    found.differs(f"{key}, in the log", metered, (200, line.number, entry.made))


def _refused(found: Verdict, line: Line, each: Json, logged: Mapping[str, Json]) -> None:
    key, response = line.custom_id, each["response"]
    status = None if response is None else response["status_code"]
    found.differs(f"{key}, how it ended", (status, each["error"]), (line.refuse, None))
    row = None if response is None else logged.get(response["request_id"])
    found.differs(f"{key}, in the log", None if row is None else row["status_code"], line.refuse)


def _row(found: Verdict, story: Story, outputs: list[Json], errors: list[Json]) -> None:
    row = story.row
    found.differs("status", (row["status"], row["errors"]), (batch.COMPLETED, None))
    counts = {"total": len(story.lines), "completed": len(outputs), "failed": len(errors)}
    found.differs("counts", row["request_counts"], counts)
    found.differs("outcomes", story.outcomes, len(story.lines))
    prompt = _sum(outputs, "prompt_tokens")
    completion = _sum(outputs, "completion_tokens")
    usage = {name: row["usage"][name] for name in ("input_tokens", "output_tokens", "total_tokens")}
    wanted = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    found.differs("usage", usage, wanted)


def _sum(outputs: Iterable[Json], what: str) -> int:
    return sum(int(each["response"]["body"]["usage"][what]) for each in outputs)
