"""Nothing is changed but through `creating.once`, which the audit log hears of, or with a note of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import resolvers

ROOM = Path(resolvers.__file__).parent
# Who opens a transaction and has nothing for the audit log.
SILENT = {
    "async_completions._end": "the answer to a question, which changes nothing",
    "async_completions.ask": "a question, as every completion is; those have a log of their own",
    "auth._touch": "when a key was used is no change of it",
    "request_log._transact": "requests have a log of their own",
    "jobs.heartbeat": "says every few seconds that somebody is there",
    "payments.receive": "what it calls says what it booked",
    "waking._wake": "says every few seconds that a request waits",
}


def writers() -> Iterator[tuple[str, bool]]:
    """Yield every function of the resolvers that opens a transaction, and whether it notes something in the audit log."""
    for file in sorted(ROOM.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                called = {_name(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
                if "transaction" in called:
                    yield f"{file.stem}.{node.name}", bool({"note", "_note"} & called)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def test_every_transaction_of_a_resolver_is_in_the_audit_log() -> None:
    assert [name for name, notes in writers() if not notes and name not in SILENT] == []


def test_the_one_way_to_change_things_is_found() -> None:
    assert {"creating.once", "accounts.create", "base_models.add", "secrets.rotate"} <= {
        name for name, notes in writers() if notes
    }
