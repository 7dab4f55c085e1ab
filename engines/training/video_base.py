"""The base of a video job as its configuration files describe it, looked at before torch is imported: only CogVideoX that makes
videos of text alone is trained, with positions that are sines (2B) or rotary (5B).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.bases import hub
from engines.protocol import ChildFailure, Reporter
from engines.training.spec import ModelSource
from engines.training.video_spec import FRAMES_AT_ONCE, PIXELS_AT_ONCE

PIPELINE = "CogVideoXPipeline"
INDEX = "model_index.json"
TRANSFORMER = "transformer"


@dataclass(frozen=True)
class Base:
    """A pipeline's folder and what training must know of its parts."""

    folder: Path
    text_tokens: int
    scheduler: str

    def part(self, name: str) -> Path:
        return self.folder / name


def locate(source: ModelSource, reporter: Reporter) -> tuple[Path, str | None]:
    """Return the base's folder, fetched where it is a repository, and the revision that was pinned and reported."""
    if source.repo is None or source.cache_dir is None:
        return Path(str(source.path)), None
    cache = Path(source.cache_dir)
    path, revision = hub.fetch(source.repo, source.revision, source.token, cache, reporter.log, layout=hub.PIPELINE)
    reporter.model(revision)
    return Path(path), revision


def describe(folder: Path) -> Base:
    """Return what the folder holds; `config_error` for a model of another kind, `model_unavailable` for one that is not whole."""
    index = _read(folder / INDEX)
    kind = index.get("_class_name")
    if kind != PIPELINE:
        message = f"The base model is a {kind}; sft_video_gen trains a {PIPELINE}, such as THUDM/CogVideoX-2b."
        raise ChildFailure("config_error", message)
    transformer, vae = _read(folder / TRANSFORMER / "config.json"), _read(folder / "vae" / "config.json")
    _check(transformer, vae, _read(folder / "scheduler" / "scheduler_config.json"))
    scheduler = index.get("scheduler")
    named = scheduler[1] if isinstance(scheduler, list) and len(scheduler) == 2 else None
    return Base(folder, int(transformer.get("max_text_seq_length", 226)), str(named))


def _check(transformer: dict[str, Any], vae: dict[str, Any], scheduler: dict[str, Any]) -> None:
    """Refuse what the pipeline's class alone does not tell from what can be trained; absent keys have diffusers' defaults."""
    if transformer.get("patch_size_t") is not None:
        raise _other("patches that span several frames, as CogVideoX 1.5 has them")
    if transformer.get("in_channels", 16) != vae.get("latent_channels", 16) or transformer.get("ofs_embed_dim"):
        raise _other("another input beside the text, as models from image to video have it")
    if transformer.get("use_learned_positional_embeddings"):
        raise _other("learned positions")
    if scheduler.get("prediction_type", "epsilon") != "v_prediction":
        raise _other(f"a scheduler whose prediction_type is {scheduler.get('prediction_type', 'epsilon')}, not v_prediction")
    pixels = 2 ** (len(vae.get("block_out_channels", range(4))) - 1) * transformer.get("patch_size", 2)
    if PIXELS_AT_ONCE % pixels or FRAMES_AT_ONCE % int(vae.get("temporal_compression_ratio", 4)):
        raise _other(f"patches of {pixels} pixels or {vae.get('temporal_compression_ratio', 4)} frames")


def _other(what: str) -> ChildFailure:
    return ChildFailure("config_error", f"The base model has {what}; this is not trained here.")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        name = f"{path.parent.name}/{path.name}" if path.name != INDEX else INDEX
        raise ChildFailure("model_unavailable", f"The base model has no readable {name}.") from error
    if not isinstance(found, dict):
        raise ChildFailure("model_unavailable", f"{path.name} of the base model is no JSON object.")
    return found
