"""Which engine a replica gets: vLLM wherever it runs, transformers where it does not, or the one that the operator insists on.

Looked at for each replica when it starts, in a child, and remembered for as long as the host process lives. Where vLLM turns out
at its start not to load here, or not to serve the model, the replica gets the other engine. What a failed start says may come of
what one tenant asked for, so that no more is remembered of it than which files it refused: nobody else is to lose vLLM by it.
"""

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from burnish.kit.settings import Settings
from engines import task
from engines.protocol import ChildFailure
from engines.serving.architectures import architectures_of
from engines.serving.batching.engine import Transformers
from engines.serving.engine import Engine
from engines.serving.engine_args import EngineArgs
from engines.serving.vllm import Vllm

AUTO = "auto"
ENGINES: Mapping[str, Engine] = {engine.name: engine for engine in (Vllm(), Transformers())}
PROBE_DEADLINE_S = 120.0
# What a vLLM says that will say the same again: of the model, and of the machine.
_MODEL_REFUSED = re.compile(
    r"are not supported for now|is not supported anymore|is not supported in-tree|failed to be inspected|"
    r"has no vLLM implementation|is not compatible with vLLM|does not support the transformers backend"
)
_MACHINE_REFUSED = re.compile(
    r"ModuleNotFoundError: |ImportError: |undefined symbol|Failed to infer device type|no kernel image is available|"
    r"driver version is insufficient|GLIBC_\S+' not found"
)
ILLEGAL_INSTRUCTION = 132


@dataclass(frozen=True)
class Choice:
    """An engine, and why it is this one, in words for people."""

    engine: Engine
    reason: str

    def told(self, args: EngineArgs, device: str) -> list[str]:
        """Return the lines for the log: the engine with the reason, and each flag that it does not heed."""
        unheeded = self.engine.unheeded(args, device).items()
        return [
            f"Engine: {self.engine.name}, {self.reason}",
            *(f"{flag} has no effect with the engine {self.engine.name}: {why}" for flag, why in unheeded),
        ]


# What a start of vLLM has shown, by device and the model's folder; by device alone where it holds for all models.
_learned: dict[tuple[str, str], str] = {}
_probed: dict[tuple[str, str], Choice] = {}
_ALL = ""
UNNAMED = "?"


async def choose(settings: Settings, model: Path, device: str) -> Choice:
    """Return the engine for a model's folder on a device, `cpu` or `cuda`."""
    if settings.engine_choice != AUTO:
        return Choice(ENGINES[settings.engine_choice], "as BURNISH_ENGINE_CHOICE says")
    refusal = _learned.get((device, _ALL)) or _learned.get((device, str(model)))
    if refusal is not None:
        return Choice(ENGINES["transformers"], refusal)
    key = (device, _kind(model))
    if key not in _probed:
        try:
            _probed[key] = await _probe(settings, model, device)
        except ChildFailure as failure:
            # Nothing is known: the start will show it.
            return Choice(ENGINES["vllm"], f"untried, for the probe failed: {failure.message}")
    return _probed[key]


def instead(
    settings: Settings, choice: Choice, model: Path, device: str, code: int | None, lines: Iterable[str]
) -> Choice | None:
    """Return the other engine where a start that failed has shown that this one cannot serve the model here; else None.

    `code` is the exit code, None where the engine still runs; `lines` are the last ones of its log.
    """
    if settings.engine_choice != AUTO or choice.engine.name != Vllm.name:
        return None
    text = "\n".join(lines)
    if found := _MODEL_REFUSED.search(text):
        refusal = _learned[device, str(model)] = f"vLLM refused the model: {_sentence(text, found)}"
        return Choice(ENGINES["transformers"], refusal)
    if code == ILLEGAL_INSTRUCTION:
        refusal = _learned[device, _ALL] = "vLLM does not run here: this CPU lacks an instruction that it needs"
        return Choice(ENGINES["transformers"], refusal)
    if found := _MACHINE_REFUSED.search(text):
        # Perhaps only of a library that this deployment's flags or files need.
        return Choice(ENGINES["transformers"], f"vLLM does not run here: {_sentence(text, found)}")
    return None


async def _probe(settings: Settings, model: Path, device: str) -> Choice:
    with tempfile.TemporaryDirectory(dir=settings.work, prefix="probe-") as folder:
        spec = {"model": str(model), "device": device}
        found = await task.run("serving.probe", spec, folder=Path(folder), deadline_s=PROBE_DEADLINE_S)
    if found["refusal"] is None:
        return Choice(ENGINES["vllm"], f"which serves this model here (vLLM {found['version']})")
    return Choice(ENGINES["transformers"], found["refusal"])


def _kind(model: Path) -> str:
    """Return what the answer hangs on of a model: its architecture."""
    return ",".join(architectures_of(model)) or UNNAMED


def _sentence(text: str, found: "re.Match[str]") -> str:
    """Return the line that a match is in, cut to what a person reads."""
    start, end = text.rfind("\n", 0, found.start()) + 1, text.find("\n", found.end())
    return text[start : end if end >= 0 else None].strip()[:200]
