"""The child task `data.intake`: takes an uploaded file apart where what it holds can do no harm."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from engines.data import clips, intake
from engines.data.confined import confine
from engines.data.unpack import TooLarge, Unusable
from engines.protocol import ChildFailure, Reporter


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Take `spec` `{path, folder, max_bytes, max_line_bytes}`; return `{report, rows, media}`.

    ChildFailure `invalid_dataset` or `payload_too_large` for a file that cannot be used as a whole.
    """
    confine()
    limits = (spec["max_bytes"], spec["max_line_bytes"])
    try:
        taken = intake.take(Path(spec["path"]), Path(spec["folder"]), *limits, clips.probe)
    except Unusable as error:
        code = "payload_too_large" if isinstance(error, TooLarge) else "invalid_dataset"
        raise ChildFailure(code, f"The file cannot be used: {error}.") from None
    return {
        "report": asdict(taken.report),
        "rows": str(taken.rows),
        "media": None if taken.media is None else str(taken.media),
    }
