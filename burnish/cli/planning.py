"""`jobs create --dry-run`: all that is wrong with a job and its files, its price, credit and memory; nothing is made."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from burnish.cli import memory
from burnish.cli.client import Json
from burnish.cli.command import Cli
from burnish.cli.exits import CREDIT, NOT_FOUND, USAGE, CliError
from burnish.cli.jobfile import ID_FIELDS, JobFile, located
from burnish.cli.output import cell

PLAN = "/v1/training_jobs/plan"
# Stands for the id of a file that is not uploaded yet.
UPLOAD = "upload"
BY_CODE = {"insufficient_credit": CREDIT, "resource_not_found": NOT_FOUND}


def try_out(cli: Cli, spec: JobFile) -> None:
    """Print the request that would be sent. CliError with every problem, each with its flag or the line of its file."""
    problems, body, files = _read(spec)
    found = cli.api.post(PLAN, body)
    # What is uploaded at the start is not there yet, and is checked here.
    waiting = {field for field, value in body.items() if value == UPLOAD}
    unknown = [error for error in found["errors"] if error["param"] in waiting and error["code"] == "resource_not_found"]
    told = [error for error in found["errors"] if error["param"] == "gpu"] if "gpu" in spec.values and "gpu" not in body else []
    wrong = [error for error in found["errors"] if error not in [*unknown, *told]]
    found |= {"errors": wrong, "valid": not wrong}
    for error in wrong:
        if error["code"] != "insufficient_credit":
            problems.append(located(spec, error["param"], error["message"]))
            problems += [f"  line {item['line']}: {item['message']}" for item in (error.get("details") or [])[1:]]
    # In environments no row needs a prompt: what a row may name there only the environments know.
    method = None if body.get("environments") is not None else str(body.get("method", "grpo"))
    for key, path in files.items():
        problems += _of_file(key, path, method)
    _tell(cli, found)
    credit = [error["message"] for error in wrong if error["code"] == "insufficient_credit"]
    if problems or credit:
        first, *others = problems + credit
        codes = {BY_CODE.get(str(error["code"]), USAGE) for error in wrong}
        raise CliError(first, codes.pop() if len(codes) == 1 and len(wrong) == len(problems + credit) else USAGE, details=others)
    request = body | {ID_FIELDS[key]: f"(upload of {path})" for key, path in files.items()}
    if cli.out.as_json:
        cli.out.json(request | {"plan": found})
    else:
        cli.out.show(request, tuple(request))
        cli.out.say("Nothing was uploaded or created.")


def _read(spec: JobFile) -> tuple[list[str], Json, dict[str, Path]]:
    """Return what is wrong with the file, the request as far as it can be made, and the files that would be uploaded."""
    problems: list[str] = []
    body: Json = {key: value for key, value in spec.values.items() if key not in ID_FIELDS}
    files: dict[str, Path] = {}
    if "gpu" in body:
        try:
            body["gpu"] = spec.hardware()
        except CliError as error:
            problems.append(error.message)
            del body["gpu"]
    for key, field in ID_FIELDS.items():
        try:
            reference = spec.reference(key)
        except CliError as error:
            problems.append(error.message)
            body[field] = UPLOAD
            continue
        if isinstance(reference, Path):
            files[key], body[field] = reference, UPLOAD
        elif reference is not None:
            body[field] = reference
    return problems, body, files


def _of_file(key: str, path: Path, method: str | None) -> list[str]:
    # Loaded here only: it costs half a second, which no other command should pay.
    from burnish.cli import checking

    try:
        checking.check_file(key, path, method)
    except CliError as error:
        return [error.message, *(f"{path}: {detail}" for detail in error.details)]
    return []


def _tell(cli: Cli, found: Mapping[str, Any]) -> None:
    balance, free = (Decimal(str(found[name])) for name in ("balance_usd", "free_usd"))
    credit = f"{free:z.2f} USD are free" + (f" of a balance of {balance:z.2f} USD" if balance != free else "")
    if found["gpu"] is None:
        cli.out.say(f"{credit}.")
        return
    hour, needed = (Decimal(str(found[name])) for name in ("cost_per_hour_usd", "needed_usd"))
    covers = "which covers the start" if found["covered"] else "which does not cover the start"
    if found["covered"] and free < needed:
        covers = "and the account is metered: it owes what it uses"
    cli.out.say(f"The job runs on {cell(found['gpu'])} at {hour:.2f} USD an hour; {needed:.2f} USD is set aside at the start.")
    cli.out.say(f"{credit}, {covers}.")
    for line in memory.lines(found):
        cli.out.say(line)
