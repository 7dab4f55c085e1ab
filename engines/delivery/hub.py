"""The child that sends a folder to a repository of a Hugging Face hub: `main(spec, reporter)` returns `{url}`.

A process of its own, so that an upload ends at once with its job, and the token is in no environment.
"""

import os
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils.tqdm import disable_progress_bars

from engines.protocol import ChildFailure, Reporter

# What no second try puts right: a token that is refused, a repository that is not the account's to make or write.
REFUSED = (400, 401, 403, 404, 409, 413, 422)


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Make the repository where there is none, and put all files of `folder` there in one commit.

    `ChildFailure` with code `refused` for what no second try puts right, `unreachable` for all else.
    """
    disable_progress_bars()
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=spec["token"])
    repo = spec["repo"]
    try:
        api.create_repo(repo, private=spec["private"], exist_ok=True)
        message = f"{spec['output_name']}, trained by {spec['job_id']}"
        api.upload_folder(repo_id=repo, folder_path=Path(spec["folder"]), commit_message=message)
    except HfHubHTTPError as error:
        status = error.response.status_code
        code = "refused" if status in REFUSED else "unreachable"
        raise ChildFailure(code, f"the hub answered {status} for {repo}: {_first_line(error)}") from error
    except HFValidationError as error:
        raise ChildFailure("refused", _first_line(error)) from error
    except (httpx2.HTTPError, OSError, ValueError) as error:
        raise ChildFailure("unreachable", f"{type(error).__name__}: {_first_line(error)}") from error
    return {"url": f"{api.endpoint}/{repo}"}


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
