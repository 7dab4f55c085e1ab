"""What kind of network a folder's model is."""

import json
from pathlib import Path


def architectures_of(model: Path) -> list[str]:
    """Return what a model's config.json says it is; nothing where it does not say."""
    try:
        config = json.loads((model / "config.json").read_text())
    except (OSError, ValueError):
        return []
    named = config.get("architectures") if isinstance(config, dict) else None
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
