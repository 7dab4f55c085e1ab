"""Datasets of a Hugging Face hub: which files a configuration's split consists of, at a pinned commit.

What the card of the repository says is followed; where it says nothing, the names of folders and files tell, as the hub itself
does; where the files are no rows, the hub's own conversion to Parquet is taken.
"""

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Any

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from engines.data import formats
from engines.data.remote import HttpFile
from engines.data.source import Source, SourceError
from engines.data.tunnel import Tunnel

TIMEOUT_S = 10.0
CONVERTED = "refs/convert/parquet"
SPLITS = ("train", "validation", "valid", "val", "dev", "test", "eval")
SAME = {"valid": "validation", "val": "validation", "dev": "validation", "eval": "test"}


def files_of(tunnel: Tunnel, source: Source) -> list[HttpFile]:
    """Return the files of the source's split, in order; SourceError names the configurations or splits that there are."""
    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    token = source.secrets.get("token")
    info = _info(source, None, token, endpoint)
    revision = str(info.sha)
    names = sorted(file.rfilename for file in info.siblings or [])
    chosen = choose(names, _configs(info), source)
    if not chosen:
        converted = _info(source, CONVERTED, token, endpoint)
        revision = str(converted.sha)
        names = sorted(file.rfilename for file in converted.siblings or [])
        chosen = choose(names, [], source)
    if not chosen:
        raise SourceError("source_not_found", f"{source.location} has no JSON, CSV or Parquet files.")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return [HttpFile(tunnel, _url(source.location, name, revision, endpoint), headers, endpoint) for name in chosen]


def choose(names: Sequence[str], configs: Sequence[dict[str, Any]], source: Source) -> list[str]:
    """Return the names of the split's files; empty where the repository has no files of rows at all."""
    usable = [name for name in names if formats.kind_of(name) and not _is_hidden(name)]
    if not usable:
        return []
    if configs:
        splits = _splits_of_card(usable, _config(configs, source))
    else:
        splits = _splits_of_names(_in_folder(usable, source.config_name))
    if source.split not in splits:
        there = ", ".join(sorted(splits)) or "none"
        raise SourceError("source_not_found", f"{source.location} has no split '{source.split}'; there are: {there}.")
    return splits[source.split]


def _info(source: Source, revision: str | None, token: str | None, endpoint: str) -> Any:
    repo = source.location
    # `False` rather than None: None would send the token of whoever runs this machine.
    api = HfApi(endpoint=endpoint, token=token or False)
    try:
        return api.dataset_info(repo, revision=revision, timeout=TIMEOUT_S)
    except GatedRepoError:
        raise SourceError("source_denied", f"{repo} is gated: it needs a token whose owner has been granted access.") from None
    except RevisionNotFoundError:
        raise SourceError("source_not_found", f"{repo} has no JSON, CSV or Parquet files.") from None
    except RepositoryNotFoundError:
        message = f"{repo} does not exist on the hub, or is private and needs a token."
        raise SourceError("source_not_found", message) from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        code = "source_denied" if status in (401, 403) else "source_unreachable"
        raise SourceError(code, f"The hub answers HTTP {status} for {repo}.") from None
    except (HFValidationError, ValueError):
        raise SourceError("invalid_source", f"{repo} is not the name of a dataset, or the hub gives no valid answer.") from None
    except (httpx2.HTTPError, OfflineModeIsEnabled, OSError) as error:
        raise SourceError("source_unreachable", f"The hub cannot be reached: {type(error).__name__}.") from None


def _configs(info: Any) -> list[dict[str, Any]]:
    """Return the configurations that the repository's card declares with their files."""
    card = info.card_data.to_dict() if info.card_data is not None else {}
    found = card.get("configs")
    return [item for item in found if isinstance(item, dict) and item.get("data_files")] if isinstance(found, list) else []


def _config(configs: Sequence[dict[str, Any]], source: Source) -> dict[str, Any]:
    by_name = {str(item.get("config_name", "default")): item for item in configs}
    there = ", ".join(by_name)
    if source.config_name is not None:
        if source.config_name not in by_name:
            message = f"{source.location} has no configuration '{source.config_name}'; there are: {there}."
            raise SourceError("source_not_found", message)
        return by_name[source.config_name]
    default = next((item for item in configs if item.get("default")), by_name.get("default"))
    if default is None and len(by_name) > 1:
        raise SourceError("source_not_found", f"{source.location} has several configurations: name one of {there}.")
    return default or configs[0]


def _splits_of_card(names: Sequence[str], config: dict[str, Any]) -> dict[str, list[str]]:
    declared = config["data_files"]
    entries = declared if isinstance(declared, list) else [declared]
    splits: dict[str, list[str]] = {}
    for entry in entries:
        split, paths = (str(entry.get("split", "train")), entry.get("path")) if isinstance(entry, dict) else ("train", entry)
        patterns = [str(path) for path in (paths if isinstance(paths, list) else [paths])]
        found = [name for name in names if any(_matches(name, pattern) for pattern in patterns)]
        splits.setdefault(split, []).extend(name for name in found if name not in splits.get(split, []))
    return splits


def _matches(name: str, pattern: str) -> bool:
    pattern = pattern.removeprefix("./")
    # `**/` stands for no folder too.
    return fnmatch(name, pattern) or ("**/" in pattern and fnmatch(name, pattern.replace("**/", "")))


def _in_folder(names: Sequence[str], config_name: str | None) -> list[str]:
    if config_name in (None, "default"):
        return list(names)
    inside = [name for name in names if name.startswith(f"{config_name}/")]
    if not inside:
        there = ", ".join(sorted({name.partition("/")[0] for name in names if "/" in name})) or "none"
        raise SourceError("source_not_found", f"There is no configuration '{config_name}'; there are: {there}.")
    return inside


def _splits_of_names(names: Sequence[str]) -> dict[str, list[str]]:
    """Sort files by the split that a folder or their name tells; where none tells one, all are `train`."""
    splits: dict[str, list[str]] = {}
    for name in names:
        words = re.split(r"[^a-z]+", name.lower())
        word = next((word for word in words if word in SPLITS), None)
        if word is not None:
            splits.setdefault(SAME.get(word, word), []).append(name)
    return splits or {"train": list(names)}


def _is_hidden(name: str) -> bool:
    last = name.rpartition("/")[2]
    return any(part.startswith((".", "__")) for part in name.split("/")) or last in ("dataset_infos.json", "dataset_info.json")


def _url(repo: str, name: str, revision: str, endpoint: str) -> str:
    return hf_hub_url(repo, name, repo_type="dataset", revision=revision, endpoint=endpoint)
