"""Clips looked into by a process of its own: it is bounded, and one that a clip ends is not the end of the others."""

import resource
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from engines.data import probing
from engines.data.clip_counts import Clip
from engines.data.confined import MAX_DATA_BYTES
from engines.data.probing import Prober
from engines.data.rules import Problem
from tests.engines.data.videos import clip

# Ends at a clip that is called so, as FFmpeg does at one that breaks it.
DYING = """
import sys
from engines.data import clips, probing
probe = clips.probe
clips.probe = lambda path: sys.exit(9) if path.name == "deadly" else probe(path)
probing.main()
"""


def test_clips_are_looked_into_by_one_process_of_bounded_memory(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(clip(13, rate=24))
    (tmp_path / "bad").write_bytes(b"cat")
    with Prober() as prober:
        assert prober.probe(tmp_path / "good") == Clip(13, Fraction(24), 64, 48)
        assert prober._process is not None
        process = prober._process
        assert resource.prlimit(process.pid, resource.RLIMIT_DATA)[0] <= MAX_DATA_BYTES
        with pytest.raises(Problem, match=r"^cannot be read: Invalid data found when processing input$"):
            prober.probe(tmp_path / "bad")
        assert prober.probe(tmp_path / "good").frames == 13
        assert prober._process is process
    assert process.returncode is not None


def test_a_clip_that_ends_the_process_is_a_bad_clip_and_the_next_is_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "COMMAND", (sys.executable, "-P", "-c", DYING))
    for name in ("deadly", "good"):
        (tmp_path / name).write_bytes(clip(5))
    with Prober() as prober:
        with pytest.raises(Problem, match=r"^cannot be read: it ended the process that looked into it$"):
            prober.probe(tmp_path / "deadly")
        assert prober.probe(tmp_path / "good") == Clip(5, Fraction(8), 64, 48)
