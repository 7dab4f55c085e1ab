"""Runs children's tasks one after another in one process, which loads torch and TRL once: `python -P runner.py`.

Each line of stdin is `{task, spec, keep, told, stop}`: checkpoints are copied to `keep`, as an upload would be; everything that
the task says is written to `told`, its exit code last; `stop` is a message at which the parent asks it to end, and how.
"""

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from engines import child, protocol
from engines.protocol import Reporter


class Recorder(Reporter):
    """The parent's part: keeps what is said, takes checkpoints over at once, and asks for an end when it is told to."""

    def __init__(self, keep: Path, stop: dict[str, Any] | None) -> None:
        super().__init__(io.BytesIO(), io.BytesIO())
        self.told: list[dict[str, Any]] = []
        self._keep = keep
        self._stop = stop

    def send(self, kind: str, **fields: Any) -> None:
        self.told.append(protocol.decode(protocol.encode({"type": kind, **fields})))
        if kind == "checkpoint":
            shutil.copytree(fields["path"], self._keep / f"{'final' if fields['final'] else 'step'}-{fields['step']}")
            with self._changed:
                self._uploaded.add(fields["step"])
                self._changed.notify_all()
        if self._stop is not None and kind == self._stop["type"] and fields.get("step") == self._stop["step"]:
            (self.save_requested if self._stop["save"] else self.stop_requested).set()


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        recorder = Recorder(Path(order["keep"]), order["stop"])
        code = child.run(order["task"], order["spec"], recorder)
        Path(order["told"]).write_text(json.dumps({"messages": recorder.told, "exit_code": code}))
        print("\0ran", flush=True)


if __name__ == "__main__":
    main()
