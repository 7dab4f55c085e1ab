"""What of SQL is run on a connected database: one statement that reads."""

import re

# What a text, a quoted name or a comment holds is not part of the statement. Dollar quotes and nested comments are Postgres's.
QUOTED = re.compile(r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|`[^`]*`|(\$\w*\$).*?\1|--[^\n]*|/\*.*?\*/|\#[^\n]*""", re.DOTALL)
FIRST = ("SELECT", "WITH", "TABLE", "VALUES")


def refusal_of(query: str) -> str | None:
    """Return why a text is not one SELECT; None where it is."""
    if "/*!" in query or "/*M!" in query:
        return "comments that are run are not taken"
    bare = QUOTED.sub(" '' ", query).strip()
    words = re.findall(r"[A-Za-z_]+", bare.upper())
    if bare.rstrip("; \n\t\r").count(";"):
        return "only one statement is run"
    if not words or words[0] not in FIRST:
        return "only a SELECT is run"
    if "INTO" in words:
        return "SELECT … INTO writes, and only reading is done"
    return None
