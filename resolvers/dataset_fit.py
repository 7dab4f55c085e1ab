"""Whether a dataset's rows serve the method of a job, told before the job is made and with the lines that do not.

Everything was counted while the rows were read, so nothing is read again here. A source that was not read yet is checked by its
first job, and so are clips that rows name by URL.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from burnish.kit.errors import Invalid
from engines.data import clip_counts
from engines.training.video_shapes import frames_at, least_frames
from engines.training.video_spec import VideoHyperparameters
from models.dataset import Dataset

CODE = "invalid_dataset"
MAX_LINES = 20
HINTS = {
    "grpo": "A row of a grpo job has a 'prompt'.",
    "sft": "A row of an sft job has 'messages', or a 'prompt' with a 'completion', or a 'text'.",
    "dpo": "A row of a dpo job has a 'prompt', a 'chosen' and a 'rejected' answer.",
    "sft_video_gen": "A row of an sft_video_gen job has a 'prompt' or a 'caption', and names its clip as 'video'.",
}
# Of a dataset that was read before rows were counted by method: each of these is a way to have the columns that are needed.
COLUMNS = {
    "grpo": ({"prompt"},),
    "sft": ({"messages"}, {"prompt", "completion"}, {"text"}),
    "dpo": ({"prompt", "chosen", "rejected"},),
    "sft_video_gen": ({"video"}, {"video_path"}, {"file_name"}),
}


def problem(row: Dataset, method: str, hyperparameters: BaseModel | None) -> Invalid | None:
    """Return why a job of `method` cannot learn from a dataset, with lines in `details`; None where nothing speaks against it."""
    if row.statistics is None or row.num_rows is None:
        return None
    counted = row.statistics.get("methods")
    if counted is None:
        return _of_columns(row, method)
    fit = counted[method]
    if fit["rows"] < row.num_rows:
        return _refusal(method, row.num_rows - fit["rows"], row.num_rows, fit["problems"], HINTS[method])
    clips = row.statistics["clips"]
    if clips is not None and isinstance(hyperparameters, VideoHyperparameters):
        return _of_clips(clips, hyperparameters, row.num_rows)
    return None


def method_for(row: Dataset, asked: str | None, possible: Sequence[str] = tuple(HINTS)) -> str:
    """Return the method whose view of the rows is asked for, or else the first of the possible that all of them serve.

    Invalid where one is asked for that there is not, or that the rows do not serve.
    """
    if asked is not None:
        if asked not in HINTS:
            raise Invalid(f"Unknown method '{asked}'; there are {', '.join(HINTS)}.", param="method")
        unfit = problem(row, asked, None)
        if unfit is not None:
            raise unfit
        return asked
    return next((name for name in possible if problem(row, name, None) is None), possible[0])


def _refusal(method: str, count: int, total: int, problems: Sequence[Mapping[str, Any]], hint: str) -> Invalid:
    some = f"{count:,} of the {total:,} rows {'does' if count == 1 else 'do'} not serve"
    first = problems[0]
    message = f"{'None of the rows serves' if count == total else some} {method}. Line {first['line']}: {first['message']}."
    return Invalid(message, code=CODE, param="dataset_id", hint=hint, details=problems)


def _of_columns(row: Dataset, method: str) -> Invalid | None:
    if any(needed <= set(row.columns) for needed in COLUMNS[method]):
        return None
    message = f"None of the rows serves {method}: there are the columns {', '.join(row.columns)[:500]}."
    return Invalid(message, code=CODE, param="dataset_id", hint=HINTS[method])


def _of_clips(counted: Mapping[str, Any], wanted: VideoHyperparameters, total: int) -> Invalid | None:
    least = least_frames(wanted)
    lengths = [(frames_at(one.frames, one.rate, wanted.fps), one) for one in clip_counts.lengths_of(counted)]
    short = [(taken, one) for taken, one in lengths if taken < least]
    if not short:
        return None
    lines = sorted((line, taken, one.frames) for taken, one in short for line in one.lines)[:MAX_LINES]
    problems = [{"line": line, "message": _too_short(taken, frames, wanted, least)} for line, taken, frames in lines]
    longest = max(taken for taken, _ in lengths)
    hint = f"The longest clip has {longest} frames at {wanted.fps} a second: lower num_frames, set buckets, or raise fps."
    return _refusal("sft_video_gen", sum(one.rows for _, one in short), total, problems, hint)


def _too_short(taken: int, frames: int, wanted: VideoHyperparameters, least: int) -> str:
    has = f"{taken} frames" if taken == frames else f"{taken} frames at {wanted.fps} a second ({frames} in all)"
    needed = f"num_frames is {least}" if least == wanted.num_frames else f"{least} are needed"
    return f"its clip is too short: it has {has}, and {needed}"
