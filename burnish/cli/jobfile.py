"""What `jobs create` sends: a TOML file, then `--set`, then flags, each over the one before, and where each value came from."""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burnish.cli.exits import USAGE, CliError

FLAGS = {
    "base_model": "--base-model",
    "dataset": "--dataset",
    "reward": "--reward",
    "output_name": "--name",
    "gpu": "--gpu",
    "method": "--method",
    "provider": "--provider",
    "max_cost_usd": "--max-cost",
    "resume_from": "--resume-from",
}
KEYS = (*FLAGS, "hyperparameters", "checkpoint_destination", "environments", "requires_heartbeat")
# The names of the API, which a file may use for what is there already.
IDS = {"dataset_id": "dataset", "reward_function_id": "reward"}
ID_FIELDS = {key: field for field, key in IDS.items()}
SHORT = {"hp": "hyperparameters", "lr": "learning_rate"}
GPU = re.compile(r"(?P<type>[^:]+?)(?::(?P<count>\d+))?")


@dataclass
class JobFile:
    """A job as the user wrote it. `dataset` and `reward` are ids, or files, which `folder` is the place of."""

    values: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    text: str = ""
    from_flags: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.path.parent if self.path else Path()

    def set(self, assignment: str) -> None:
        """Apply one `--set KEY=VALUE`. The value is TOML where it can be, else a text."""
        name, equals, text = assignment.partition("=")
        keys = [SHORT.get(key, key) for key in name.strip().split(".")]
        if not equals or not all(keys):
            raise CliError(f"--set takes KEY=VALUE, such as hyperparameters.learning_rate=1e-6, not '{assignment}'.", USAGE)
        if unknown := _unknown(keys[0], f"--set {name}"):
            raise unknown
        at: dict[str, Any] = self.values
        for key in keys[:-1]:
            at = at.setdefault(key, {})
            if not isinstance(at, dict):
                raise CliError(f"--set {name}: {key} holds a single value, nothing below it.", USAGE)
        at[keys[-1]] = _value(text.strip())
        self.from_flags[".".join(keys)] = f"--set {name}"

    def flag(self, key: str, value: str | None, folder: Path = Path()) -> None:
        """Apply a flag, where it was given."""
        if value is None:
            return
        self.values[key] = value
        self.from_flags[key] = FLAGS[key]
        if key in ("dataset", "reward") and not _is_id(key, value):
            self.values[key] = str((folder / value).absolute())

    def body(self) -> dict[str, Any]:
        """Return the request as the API takes it, less `dataset` and `reward`. CliError naming what is missing."""
        missing = [key for key in ("base_model", "dataset", "output_name", "gpu") if key not in self.values]
        if missing:
            named = ", ".join(f"{key} ({FLAGS[key]})" for key in missing)
            raise CliError(f"A job needs {named}{f' in {self.path}' if self.path else ''}.", USAGE)
        body = {key: value for key, value in self.values.items() if key not in ("dataset", "reward")}
        body["gpu"] = self.hardware()
        return body

    def hardware(self) -> dict[str, Any]:
        """Return the hardware as the API takes it; CliError where it says nothing."""
        return gpu(self.values["gpu"], self.where("gpu"))

    def reference(self, key: str) -> str | Path | None:
        """Return the id, or the file that is to be uploaded, of the `dataset` or the `reward`."""
        value = self.values.get(key)
        if value is None or _is_id(key, value):
            return value
        path = self.folder / str(value)
        if not path.is_file():
            raise CliError(f"{self.where(key)}: {value} is neither an id nor a file.", USAGE)
        return path

    def where(self, param: str) -> str:
        """Return what the user would correct: a flag, or a line of the file."""
        param = re.sub(r"^(dataset|reward_function)_id\b", lambda found: IDS[found[0]], param)
        candidates = [param, *(param.rsplit(".", depth)[0] for depth in range(1, param.count(".") + 1))]
        for candidate in candidates:
            if candidate in self.from_flags:
                return self.from_flags[candidate]
        line = next((line for name in candidates if (line := line_of(self.text, name))), None)
        return f"{self.path}:{line}" if self.path and line else str(self.path or FLAGS.get(param, param))


def read(path: Path) -> JobFile:
    """Read a job file; CliError (`USAGE`) naming the line of bad TOML or of a key that there is not."""
    try:
        text = path.read_text()
        values = tomllib.loads(text)
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}", USAGE) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CliError(f"{path}: {error}", USAGE) from None
    unknown = [wrong for key in values if (wrong := _unknown(key, f"{path}:{line_of(text, key) or 1}", extra=tuple(IDS)))]
    if unknown:
        first, *others = unknown
        raise CliError(first.message, USAGE, details=[error.message for error in others], hint=first.hint)
    for name, key in IDS.items():
        if name in values and key in values:
            raise CliError(f"{path}:{line_of(text, name)}: {name} and {key} are the same: keep one of them.", USAGE)
    return JobFile({IDS.get(key, key): value for key, value in values.items()}, path, text)


def line_of(text: str, dotted: str) -> int | None:
    """Return the line of a TOML text that gives `dotted` its value, or None. Reads what people write, not all of TOML."""
    table = ""
    names = {dotted, *(name + dotted.removeprefix(key) for name, key in IDS.items() if dotted.split(".")[0] == key)}
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.match(r"\s*\[\s*([\w.\"-]+)\s*\]", line):
            table = heading[1].replace('"', "") + "."
            if table[:-1] in names:
                return number
        elif (pair := re.match(r"\s*([\w.\"-]+)\s*=", line)) and table + pair[1].replace('"', "") in names:
            return number
    return None


def gpu(value: Any, where: str) -> dict[str, Any]:
    """Return `{type, count}` of `TYPE`, `TYPE:COUNT` or a table."""
    if isinstance(value, dict):
        return value
    found = GPU.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise CliError(f"{where}: hardware is TYPE or TYPE:COUNT, such as CPU or H100:2, not '{value}'.", USAGE)
    return {"type": found["type"], "count": int(found["count"] or 1)}


def located(file: JobFile, param: str | None, message: str) -> str:
    """Return an error of the API with the flag or line that it is about."""
    if not param:
        return message
    where = file.where(param)
    return message if where == param else f"{where}: {message if param in message else f'{param}: {message}'}"


def apply(file: JobFile, assignments: Sequence[str], flags: Mapping[str, str | None]) -> JobFile:
    for assignment in assignments:
        file.set(assignment)
    for key, value in flags.items():
        file.flag(key, value)
    return file


def _unknown(key: str, where: str, extra: Sequence[str] = ()) -> CliError | None:
    known = [*KEYS, *extra]
    if key in known:
        return None
    close = difflib.get_close_matches(key, known, 1)
    hint = f"Did you mean {close[0]}?" if close else f"There are {', '.join(KEYS)}."
    return CliError(f"{where}: unknown key '{key}'.", USAGE, hint=hint)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _is_id(key: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("ds_[a-z0-9]+" if key == "dataset" else "rf_[a-z0-9]+", value) is not None
