"""What a row has to hold for each method of training, and in which form it holds it.

| method | a row has |
| --- | --- |
| `grpo` | `prompt` |
| `sft` | `messages`, or `prompt` and `completion`, or `text`, whichever comes first in this order |
| `dpo` | `prompt`, `chosen` and `rejected` |
| `sft_video_gen` | `prompt` or `caption`, and a clip |

What is asked and answered is text everywhere in a row, or lists of messages everywhere. A conversation may have `tools` that it
calls: a list of objects, or the JSON of one. A row that names a task of an environment needs no prompt. A column that is null is
none. The rows that a job learns from all have one form: no trainer can put two of them into one batch.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from engines.data import rules
from engines.data.rules import Problem

TEXTS, MESSAGES = "texts", "messages"
HTTPS = "https://"
# What is in none of these columns is no row of any method.
NOTHING = "no 'prompt', 'messages' or 'text'"
NO_PROMPT = "no 'prompt'"
NO_ANSWER = "no 'messages', no 'completion' and no 'text' to learn from"
NO_CLIP = f"no clip: a row has one of {', '.join(rules.VIDEO_KEYS)}"

Row = Mapping[str, Any]
Forms = dict[str, str | Problem]


def grpo(row: Row) -> str:
    """Return the form of a row that is answered and scored; Problem where it asks nothing."""
    if row.get("prompt") is None:
        raise Problem(NO_PROMPT)
    return _form_of(rules.prompt_of(row))


def sft(row: Row) -> str:
    """Return the form of a row that shows an answer; Problem where it shows none."""
    if row.get("messages") is not None:
        rules.check_messages(row["messages"], "messages")
        if all(message["role"] != "assistant" for message in row["messages"]):
            raise Problem("'messages' has no message of the assistant to learn from")
        tools_of(row)
        return "'messages'"
    if row.get("completion") is not None:
        return f"'prompt' and 'completion' as {_answered(row, 'completion')}"
    if row.get("text") is None:
        raise Problem(NO_ANSWER)
    if not isinstance(row["text"], str):
        raise Problem("'text' is a text")
    if not row["text"].strip():
        raise Problem("'text' is empty")
    return "'text'"


def dpo(row: Row) -> str:
    """Return the form of a row that prefers one answer to another; Problem where it lacks one of the two."""
    missing = [name for name in ("chosen", "rejected") if row.get(name) is None]
    if missing:
        raise Problem(f"no '{missing[0]}'")
    _answered(row, "chosen")
    return f"'prompt', 'chosen' and 'rejected' as {_answered(row, 'rejected')}"


def video(row: Row, *, archived: bool = False) -> str:
    """Return the form of a row that captions a clip; Problem where it has no clip or no caption.

    `archived` says that the clip of an archive, which is looked for elsewhere, may be named by its path.
    """
    path = rules.video_of(row)
    if path is None:
        raise Problem(NO_CLIP)
    if not isinstance(rules.prompt_of(row), str):
        raise Problem("'prompt' of a clip is a text")
    if path.startswith(HTTPS):
        try:
            rules.check_url(path)
        except Problem as problem:
            # What is behind the question mark may be a signature.
            raise Problem(f"'{path.partition('?')[0][:200]}' {problem}") from None
    elif not archived:
        raise Problem(f"'{path[:200]}' is no https URL, and without an archive there is no file")
    return "a clip and its caption"


METHODS: Mapping[str, Callable[[Row], str]] = {"grpo": grpo, "sft": sft, "dpo": dpo, "sft_video_gen": video}
# Most rows have none of the columns of most methods: to raise that anew for each row would double what a row costs.
ABSENT: Mapping[str, tuple[frozenset[str], Problem]] = {
    "grpo": (frozenset(("prompt",)), Problem(NO_PROMPT)),
    "sft": (frozenset(("messages", "completion", "text")), Problem(NO_ANSWER)),
    "dpo": (frozenset(("chosen",)), Problem("no 'chosen'")),
    "sft_video_gen": (frozenset(rules.VIDEO_KEYS), Problem(NO_CLIP)),
}


def forms_of(row: Row, *, archived: bool = False) -> Forms:
    """Return for each method the form of a row, or why it is none of its rows."""
    found: Forms = {}
    for name, form in METHODS.items():
        columns, problem = ABSENT[name]
        if columns.isdisjoint(row):
            found[name] = problem
            continue
        try:
            found[name] = video(row, archived=archived) if name == "sft_video_gen" else form(row)
        except Problem as refused:
            found[name] = refused
    return found


def refusal(row: Row, forms: Forms) -> Problem | None:
    """Return why a row serves no method at all, in the words of the one that it is likeliest meant for; None where it serves."""
    if not all(isinstance(form, Problem) for form in forms.values()) or task_of(row) is not None:
        return None
    if rules.video_of(row) is not None:
        likeliest = "sft_video_gen"
    elif row.get("messages") is not None:
        likeliest = "sft"
    elif "prompt" in row:
        likeliest = "grpo"
    elif row.get("text") is not None:
        likeliest = "sft"
    else:
        return Problem(NOTHING)
    # A new one: what is raised holds on to the frames that it went through.
    return Problem(str(forms[likeliest]))


def subject_of(row: Row, forms: Forms) -> Any:
    """Return what a row is about, by which repetitions are found: its prompt, its conversation, its text, or its task."""
    if not isinstance(forms["grpo"], Problem) or not isinstance(forms["sft_video_gen"], Problem):
        return rules.prompt_of(row)
    if not isinstance(forms["sft"], Problem):
        return row["messages"] if row.get("messages") is not None else row["text"]
    return [task_of(row), row.get("environment"), row.get("split")]


def task_of(row: Row) -> Any:
    """Return what names a task of an environment, which asks itself, so that the row needs no prompt; None of any other row."""
    found = row.get("task_index", row.get("task"))
    return found if isinstance(found, dict) or (isinstance(found, int) and not isinstance(found, bool)) else None


def tools_of(row: Row) -> list[dict[str, Any]] | None:
    """Return the tools that a conversation may call, which the chat template is given; Problem where they are none."""
    tools = row.get("tools")
    if isinstance(tools, str) and tools.strip():
        try:
            tools = json.loads(tools)
        except ValueError:
            raise Problem("'tools' is not JSON") from None
    if not tools:
        return None
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise Problem("'tools' is a list of objects")
    return tools


def _answered(row: Row, key: str) -> str:
    """Return whether a prompt and its answer are texts or messages; Problem where one is neither, or each is another."""
    if row.get("prompt") is None:
        raise Problem(NO_PROMPT)
    kind = _form_of(rules.prompt_of(row))
    answer = row[key]
    if kind == TEXTS:
        if not isinstance(answer, str):
            raise Problem(f"'{key}' is a text where 'prompt' is one")
        if not answer.strip():
            raise Problem(f"'{key}' is empty")
        return kind
    if not isinstance(answer, list):
        raise Problem(f"'{key}' is a list of messages where 'prompt' is one")
    rules.check_messages(answer, key)
    if answer[-1]["role"] != "assistant":
        raise Problem(f"'{key}' does not end with a message of the assistant")
    tools_of(row)
    return kind


def _form_of(prompt: Any) -> str:
    return TEXTS if isinstance(prompt, str) else MESSAGES
