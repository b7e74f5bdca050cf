"""The pytest plugin: a notebook as it was saved passes, others fail and say which cell; it goes beside nbval."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest

from influence_nb.evaluation.notebooks import execute
from tests.evaluation.notebook import notebook

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
RECORDS = "import influence_nb as inb\ninb.record('score', {value}, {more})"


@pytest.fixture(autouse=True)
def _alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the plugins that a test names, and kernels that find the package that is tested."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, sys.path)]))


def save(pytester: pytest.Pytester, *cells: str) -> Any:
    """A notebook that was executed and saved; what comes back may be changed and saved again."""
    path = pytester.path / "a.ipynb"
    nbformat.write(notebook(*cells), path)
    ran = execute(path, pytester.path / "ran.ipynb")
    (pytester.path / "ran.ipynb").unlink()
    nbformat.write(ran, path)
    return ran


def check(pytester: pytest.Pytester, *args: str, plugins: tuple[str, ...] = ()) -> pytest.RunResult:
    named = [word for one in ("influence_nb.evaluation.checks", *plugins) for word in ("-p", one)]
    return pytester.runpytest_subprocess(*named, "-v", *(args or ("--notebook-metrics",)))


def change(pytester: pytest.Pytester, saved: Any, place: int, source: str) -> None:
    """Another source, the saved outputs as they were."""
    saved.cells[place].source = source
    nbformat.write(saved, pytester.path / "a.ipynb")


def test_a_notebook_as_it_was_saved(pytester: pytest.Pytester) -> None:
    more = "within=(0, 1), tolerance=0.1"
    save(
        pytester,
        "# words",
        "print('hi')",
        RECORDS.format(value=0.5, more=more),
        "inb.record('none', float('nan'))",
    )
    done = check(pytester)
    done.assert_outcomes(passed=4)
    names = ["*::order PASSED*", "*::outputs PASSED*", "*::metric?score? PASSED*", "*::metric?none? PASSED*"]
    done.stdout.fnmatch_lines(names)


@pytest.mark.parametrize(
    ("value", "more", "now", "words"),
    [
        (0.5, "tolerance=0.1", 0.6, None),
        (
            0.5,
            "tolerance=0.1",
            0.61,
            "*Cell 2*recorded 'score': it is 0.61, more than 0.1 away from the saved 0.5.*",
        ),
        (0.5, "within=(0, 1)", 0.9, None),
        (0.5, "within=(0, 1)", 1.1, "*it is 1.1, which is not within 0 to 1.*"),
        (0.5, "within=(0, 1)", "float('nan')", "*it is NaN, which is not within 0 to 1.*"),
        (0.5, "within=(0, 1), tolerance=0.1", 0.8, "*more than 0.1 away*"),
        (0.5, "", 0.5, None),
        (0.5, "", 0.5000001, "*no tolerance is stated*"),
        (0.5, "tolerance=1", "float('nan')", "*it is NaN, more than 1 away*"),
    ],
)
def test_a_metric_that_is_another(
    pytester: pytest.Pytester, value: float, more: str, now: Any, words: str | None
) -> None:
    saved = save(pytester, "# words", RECORDS.format(value=value, more=more))
    change(pytester, saved, 1, RECORDS.format(value=now, more=more))
    done = check(pytester)
    done.assert_outcomes(passed=2 + (words is None), failed=int(words is not None))
    if words:
        done.stdout.fnmatch_lines([words, "*run all cells and save*"])


def test_what_is_stale_is_named(pytester: pytest.Pytester) -> None:
    saved = save(pytester, RECORDS.format(value=1, more=""), "print('hi')", "x = 1")
    change(pytester, saved, 0, RECORDS.format(value=1, more="tolerance=2"))
    change(pytester, saved, 1, "y = 1")
    change(pytester, saved, 2, "x = 1\nx")
    done = check(pytester)
    done.assert_outcomes(passed=1, failed=2)
    lines = [
        "Cell 2, which begins 'y = 1', shows nothing any more*",
        "Cell 3, which begins 'x = 1', shows something*missing*",
        "Cell 1,*'score': it was saved with other bounds*",
    ]
    for line in lines:
        done.stdout.fnmatch_lines([line])


def test_a_metric_that_came_or_went(pytester: pytest.Pytester) -> None:
    saved = save(pytester, RECORDS.format(value=1, more=""))
    change(pytester, saved, 0, RECORDS.format(value=1, more="").replace("score", "other"))
    done = check(pytester)
    done.assert_outcomes(passed=1, failed=2)
    done.stdout.fnmatch_lines(["Cell 1,*records 'other', which the saved notebook does not have."])
    done.stdout.fnmatch_lines(["Cell 1,*recorded 'score' when it was saved, and no cell does now."])


def test_outputs_that_are_missing_or_out_of_order(pytester: pytest.Pytester) -> None:
    saved = save(pytester, "a = 1", "b = 2", "c = 3", "d = 4")
    for place, count in enumerate((1, 3, 2, None)):
        saved.cells[place].execution_count = count
    nbformat.write(saved, pytester.path / "a.ipynb")
    done = check(pytester, "--notebook-metrics", "-k", "order")
    done.assert_outcomes(failed=1, deselected=1)
    lines = [
        "Cell 2, which begins 'b = 2', was run as ?3?, out of order*",
        "Cell 3, which begins 'c = 3', was run as ?2?, out of order*",
        "Cell 4, which begins 'd = 4', was not run*",
    ]
    done.stdout.fnmatch_lines(lines)


def test_cells_that_were_swapped_are_counted_from_the_top(pytester: pytest.Pytester) -> None:
    saved = save(pytester, "a = 1", "b = 2", "c = 3", "d = 4")
    for cell, count in zip(saved.cells, (1, 2, 4, 3), strict=True):
        cell.execution_count = count
    nbformat.write(saved, pytester.path / "a.ipynb")
    done = check(pytester, "--notebook-metrics", "-k", "order")
    lines = [
        "Cell 3, which begins 'c = 3', was run as ?4?, out of order: from the top it is ?3?.",
        "Cell 4, which begins 'd = 4', was run as ?3?, out of order: from the top it is ?4?.",
    ]
    done.stdout.fnmatch_lines(lines)
    for cell, count in zip(saved.cells, (1, 3, 4, 5), strict=True):
        cell.execution_count = count
    nbformat.write(saved, pytester.path / "a.ipynb")
    done = check(pytester, "--notebook-metrics", "-k", "order")
    done.stdout.fnmatch_lines(["Cell 2, which begins 'b = 2', was run as ?3?*from the top it is ?2?."])
    done.stdout.no_fnmatch_line("Cell [!2]*")


def test_text_is_compared_where_a_cell_asks_for_it(pytester: pytest.Pytester) -> None:
    mark = "#NBVAL_CHECK_OUTPUT\n"
    saved = save(
        pytester, f"{mark}print('a')\nprint(1 + 2)", "print(3)", "5", f"{mark}[7]", f"{mark}print('a')"
    )
    saved.cells[2].metadata["tags"] = ["nbval-check-output"]
    nbformat.write(saved, pytester.path / "a.ipynb")
    check(pytester).assert_outcomes(passed=2)
    for place in range(4):
        saved.cells[place].source = saved.cells[place].source.translate(
            {ord("3"): "4", ord("5"): "6", ord("7"): "8"}
        )
    saved.cells[0].source = saved.cells[0].source.replace("2", "3")
    change(pytester, saved, 4, f"{mark}print('a')\n'b'")
    done = check(pytester)
    done.assert_outcomes(passed=1, failed=1)
    lines = [
        "Cell 1, which begins '#NBVAL_CHECK_OUTPUT', shows '4' in line 2, and '3' is saved: what is saved is stale.",
        "Cell 3, which begins '6', shows '6' in line 1, and '5' is saved*",
        "Cell 4,*shows '?8?' in line 1, and '?7?' is saved*",
        "Cell 5,*shows \"'b'\" in line 2, and nothing is saved*",
    ]
    done.stdout.fnmatch_lines(lines)
    assert "Cell 2" not in done.stdout.str(), "which does not ask for it"


def test_a_notebook_that_fails_now(pytester: pytest.Pytester) -> None:
    saved = save(pytester, RECORDS.format(value=1, more=""), "x = 1")
    change(pytester, saved, 1, "x = 1 / 0")
    done = check(pytester)
    done.assert_outcomes(passed=1, failed=2)
    done.stdout.fnmatch_lines(["a.ipynb failed in cell ?2?, which begins 'x = 1 / 0': ZeroDivisionError*"])


def test_what_is_no_notebook(pytester: pytest.Pytester) -> None:
    (pytester.path / "a.ipynb").write_text("{}")
    done = check(pytester)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*a.ipynb is no notebook*"])


def test_beside_nbval_and_idle_without_the_option(pytester: pytest.Pytester) -> None:
    save(pytester, "x = 1\n# NBVAL_CHECK_OUTPUT\nprint('hi')", RECORDS.format(value=1, more=""))
    cells, checks = 2, 3
    lax = ("--nbval-lax", "--nbval-current-env")
    done = check(pytester, *lax, "--notebook-metrics", plugins=("nbval.plugin",))
    done.assert_outcomes(passed=cells + checks)
    check(pytester, *lax, plugins=("nbval.plugin",)).assert_outcomes(passed=cells)
    assert check(pytester, "-q").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_pytest_finds_it_and_it_imports_little() -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert points["pytest11"] == {"influence_nb": "influence_nb.evaluation.checks"}
    code = "import sys, influence_nb.evaluation.checks; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {"torch", "numpy", "pandas", "pydantic", "nbformat", "papermill", "jupyter_client", "IPython"}
    assert not heavy & set(done.stdout.split())
