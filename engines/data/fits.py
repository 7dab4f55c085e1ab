"""How many rows of a dataset serve each method of training, counted while it is read, and what is wrong with the others.

What is kept of it is small whatever the dataset: for each method a count and the first lines that do not serve.
"""

from dataclasses import dataclass, field
from typing import Any

from engines.data.rows import METHODS, Forms
from engines.data.rules import Problem

MAX_PROBLEMS = 20


@dataclass
class Fit:
    """How rows serve a method. `rows` do; the others' first problems are kept, each `{"line", "message"}`."""

    rows: int = 0
    form: str | None = None
    line: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)

    def take(self, form: str | Problem, line: int) -> None:
        """Count a row: one that serves has the form of the first that did."""
        if isinstance(form, Problem):
            self._note(str(form), line)
        elif self.form is None:
            self.rows, self.form, self.line = 1, form, line
        elif form == self.form:
            self.rows += 1
        else:
            self._note(f"has {form}, and line {self.line} has {self.form}: all rows of a job have one form", line)

    def _note(self, message: str, line: int) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append({"line": line, "message": message})

    @property
    def counted(self) -> dict[str, Any]:
        """Return what is kept. Where no row serves, the first says why as well as twenty would."""
        return {"rows": self.rows, "problems": self.problems if self.rows else self.problems[:1]}


class Fits:
    """Takes the forms of a dataset's rows one by one."""

    def __init__(self) -> None:
        self._fits = {name: Fit() for name in METHODS}

    def take(self, forms: Forms, line: int) -> None:
        for name, form in forms.items():
            self._fits[name].take(form, line)

    @property
    def counted(self) -> dict[str, dict[str, Any]]:
        return {name: fit.counted for name, fit in self._fits.items()}
