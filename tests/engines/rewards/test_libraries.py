"""The operator's list of libraries: what it allows works, and what it does not cannot be had, however it is asked for."""

from pathlib import Path

import numpy
import pytest

from engines.protocol import ChildFailure
from engines.rewards import landlock, libraries
from tests.engines.rewards.conftest import MakeJail

ALLOWED = ("numpy", "sympy")


@pytest.fixture(params=["landlock", "shut"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "shut":
        monkeypatch.setattr(landlock, "version", lambda: 0)
    elif landlock.version() == 0:
        pytest.skip("this kernel has no Landlock")
    return str(request.param)


def test_allowed_libraries_load_with_what_they_need(make_jail: MakeJail, kernel: str) -> None:
    source = """
        import numpy.linalg
        from sympy.parsing.sympy_parser import parse_expr
        import json, wave
        def reward(completions, **columns):
            import sympy.abc
            return numpy.array([float(parse_expr(c)) for c in completions])
        """
    assert make_jail(source, libraries=ALLOWED).score(["p"], ["2*21"], {}).rewards == [42.0]


@pytest.mark.parametrize("statement", ["import pandas", "from pandas import DataFrame", "import pandas.core.frame as f"])
def test_an_import_that_is_not_allowed_names_the_setting(make_jail: MakeJail, kernel: str, statement: str) -> None:
    jail = make_jail(f"import re\n{statement}\ndef reward(**k): ...\n", libraries=ALLOWED)
    with pytest.raises(ChildFailure) as caught:
        jail.start()
    assert caught.value.user_code_line == 2
    wanted = "may not import 'pandas' here: BURNISH_REWARD_LIBRARIES of this installation allows numpy, sympy"
    assert wanted in caught.value.message


def test_an_import_that_is_guarded_by_the_file_goes_on(make_jail: MakeJail, kernel: str) -> None:
    source = """
        try:
            import pandas
        except ImportError:
            pandas = None
        def reward(completions, **columns):
            return [float(pandas is None) for _ in completions]
        """
    assert make_jail(source, libraries=ALLOWED).score(["p"], ["c"], {}).rewards == [1.0]


@pytest.mark.parametrize("way", ["importlib.import_module('pandas')", "builtins.__import__('pandas')", "__import__('pandas')"])
def test_there_is_no_way_around_the_list(make_jail: MakeJail, kernel: str, way: str) -> None:
    jail = make_jail(f"import builtins, importlib\ndef reward(completions, **k):\n    return [{way}]\n", libraries=ALLOWED)
    with pytest.raises(ChildFailure, match=r"pandas|Permission") as caught:
        jail.score(["p"], ["c"], {})
    assert caught.value.code == "reward_function_error"


def test_files_of_other_libraries_cannot_be_read(make_jail: MakeJail, kernel: str) -> None:
    folder = Path(numpy.__file__).parents[1]
    jail = make_jail(
        "def reward(completions, **k):\n    return [len(open(c).read()) for c in completions]\n", libraries=("numpy",)
    )
    with pytest.raises(ChildFailure, match="PermissionError"):
        jail.score(["p"], [str(folder / "pandas" / "__init__.py")], {})


def test_only_allowed_libraries_are_loaded_before_the_doors_shut() -> None:
    modules = [("numpy.linalg", []), ("os", []), ("pip", []), ("sympy", ["abc"])]
    assert libraries.wanted(modules, ALLOWED) == ["numpy", "sympy"]
    assert libraries.wanted(modules, None) == []
