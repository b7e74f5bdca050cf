"""Notebooks as runs: executed without a person, and kept whole with what they recorded and generated.

    run = inb.run_notebook("study.ipynb", {"model": "starter/chat", "seed": 7})
    run.metrics["acc"]

papermill puts the parameters in and executes. It does not know what a notebook measures, nor where runs are listed.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from influence_nb.arguments import expect_bool, expect_call, expect_path, quoted
from influence_nb.engine.machine import machine
from influence_nb.engine.receipts import Receipt, package_versions
from influence_nb.errors import InvalidData, NotebookFailed, NotEnoughDisk, is_full
from influence_nb.evaluation import runs
from influence_nb.evaluation.record import recorded
from influence_nb.evaluation.run import alone, now
from influence_nb.evaluation.runs import NOTEBOOK, RECEIPTS, Run
from influence_nb.evaluation.tasks import digest

OnCells = Callable[[int, int], object]
"""Called with how many cells of code are done, and how many there are."""

PARAMETERS = "parameters"
"""The tag of the cell with the defaults of a notebook's parameters."""

_OF_A_MODEL = ("model", "revision", "files", "template_sha256", "dtype", "quantization", "device", "runtime")


def run_notebook(
    path: str | Path,
    parameters: Mapping[str, Any] | None = None,
    again: bool = False,
    on_progress: OnCells | None = None,
) -> Run:
    """Execute a notebook in a kernel of its own, in the notebook's folder, and keep everything together.

    The run's folder holds the executed notebook (`run.notebook`) and the receipt of every generation
    (`run.receipts()`); the run itself the parameters, the metrics that the notebook recorded by `inb.record`, the
    hashes of its models' files, the versions of all packages, the commit that its folder is at, what it ran on and how
    long it took. It is found again by its cells of code, parameters and versions: what was done is not done again.
    Files that a notebook reads do not count, so say `again` when they changed.

    Args:
        path: of the notebook, an .ipynb file in Python.
        parameters: {name: value} in place of those in its cell tagged "parameters"; values that JSON has.
        again: run it although it was done before. One that failed, or was interrupted, runs again without being told.
        on_progress: called with the cells done and in all, in the calling thread.

    Raises:
        InvalidData: no such notebook, no notebook, no parameters cell, a parameter that is not in it, a metric that
            cannot be read.
        NotebookFailed: a cell failed (names it) or the kernel died; what there is is kept, as `error.run`.
        NotEnoughDisk: there is no room for what it shows; the run is not done.
    """
    expect_bool(again=again)
    expect_call(on_progress=on_progress)
    notebook, path = read(path)
    determined = determined_by(notebook, path, parameters)
    given = determined["parameters"]
    identifier = runs.identity(determined)
    with alone(identifier):
        before = runs.known(identifier)
        if before is not None and before.status == "done" and not again:
            return before
        facts = {"path": str(path), "commit": commit(path.parent), "packages": packages()}
        run = Run(identifier, "notebook", path.stem, "", "running", now(), math.nan, determined, facts, given)
        for name in (NOTEBOOK, RECEIPTS):
            (run.folder / name).unlink(missing_ok=True)
        return _finish(run.save(), path, on_progress)


def determined_by(notebook: Any, path: Path, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Everything that is known to decide what a notebook gives, read from there; its digest is the id of the run.

    Raises:
        InvalidData: a parameter is not in it, or cannot be kept.
    """
    given = _checked(notebook, path, {} if parameters is None else parameters)
    determined = {"kind": "notebook", "data": sources(notebook), "parameters": given}
    return determined | {"versions": dict(package_versions())}


def read(path: str | Path) -> tuple[Any, Path]:
    """A notebook of Python, and its whole path.

    Raises:
        InvalidData: there is none.
    """
    import nbformat

    expect_path(path=path)
    file = Path(path).expanduser().absolute()
    if not file.is_file():
        raise InvalidData(f"There is no notebook {file}.", "Give the path of an .ipynb file.")
    try:
        load: Callable[..., Any] = nbformat.read
        notebook = load(file, as_version=4)
        nbformat.validate(notebook)
    except (OSError, ValueError, AttributeError, TypeError, nbformat.ValidationError) as error:
        raise InvalidData(
            f"{file} is no notebook: {runs.short(error)}.", "Give an .ipynb file that Jupyter can open."
        ) from error
    about = notebook.metadata
    language = about.get("language_info", {}).get("name") or about.get("kernelspec", {}).get("language")
    if language not in (None, "python"):
        raise InvalidData(f"{file} is in {language}.", "Give a notebook in Python.")
    return notebook, file


def sources(notebook: Any) -> str:
    """The SHA-256 of what a notebook runs: its cells of code; words and outputs do not count."""
    cells = [(cell.source, PARAMETERS in cell.metadata.get("tags", [])) for cell in code(notebook)]
    return digest({"kernel": _kernel(notebook), "cells": cells})


def code(notebook: Any) -> list[Any]:
    """Its cells of code that are not empty."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def execute(
    path: Path,
    out: Path,
    parameters: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    on_progress: OnCells | None = None,
) -> Any:
    """Execute a notebook in its folder, and write it to `out` after every cell.

    Args:
        path: of the notebook.
        out: where to write it as it goes.
        parameters: for papermill; of names that it has.
        environment: variables of the kernel beside those of this process.
        on_progress: called with the cells done and in all.

    Returns:
        The executed notebook.

    Raises:
        InvalidData: it is no notebook, or its kernel is not installed.
        NotebookFailed: a cell failed, or the kernel died.
        NotEnoughDisk: `out` cannot be written.
    """
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from papermill.exceptions import PapermillExecutionError

    notebook, path = read(path)
    total, done = len(code(notebook)) + bool(parameters), 0

    def step(**_: Any) -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, total)

    try:
        return papermill.execute_notebook(
            _braced(path),
            _braced(out),
            dict(parameters or {}),
            kernel_name=_kernel(notebook),
            language="python",
            progress_bar=False,
            kernel_manager_class=_kernels(environment or {}),
            resources={"metadata": {"path": str(path.parent)}},
            extra_arguments=["--log-level=50"],  # its log would stand among ours
            on_cell_executed=step,
        )
    except PapermillExecutionError as error:
        first = error.source.strip().splitlines()[0] if error.source.strip() else ""
        raise NotebookFailed(
            f"{path.name} failed in cell [{error.exec_count}], which begins {quoted(first)}: "
            f"{error.ename}: {runs.short(error.evalue)}.",
            f"Look at {out}.",
        ) from error
    except NoSuchKernel as error:
        raise InvalidData(
            f"{path.name} asks for the kernel {error.name!r}, which is not installed.",
            "Choose another kernel in JupyterLab, and save the notebook.",
        ) from error
    except OSError as error:
        if not is_full(error) and error.errno not in (errno.EACCES, errno.EROFS):
            raise
        raise NotEnoughDisk(
            f"{out} cannot be written: {error}.", "Free some space and run it again."
        ) from error
    except RuntimeError as error:  # nbclient's DeadKernelError among them
        raise NotebookFailed(
            f"The kernel of {path.name} died: {runs.short(error)}.",
            "Most often its memory ran out: take a smaller model, or unload what is not used.",
        ) from error


def packages() -> dict[str, str]:
    """The version of every package that is installed."""
    found = {one.metadata["Name"]: one.version for one in distributions()}
    return {name: found[name] for name in sorted(found, key=str.casefold) if name}


def commit(folder: Path) -> str | None:
    """The commit of git that a folder is at, "-dirty" behind it where files were changed; None where there is none."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _finish(run: Run, path: Path, on_progress: OnCells | None) -> Run:
    begun = time.perf_counter()

    def ended(**changed: Any) -> Run:
        made = run.receipts()
        on = next((one.device for one in made if one.endpoint is None), "cpu")
        facts = {**run.facts, **machine(on), "models": models(made)}
        asked = dict.fromkeys(one.model for one in made)
        seconds = time.perf_counter() - begun
        return replace(run, model=", ".join(asked), seconds=seconds, facts=facts, **changed).save()

    try:
        environment = {"INFLUENCE_RECEIPTS": str(run.folder / RECEIPTS)}
        notebook = execute(path, run.folder / NOTEBOOK, run.parameters, environment, on_progress)
        metrics = {one.metric.name: one.metric for one in recorded(notebook)}
    except BaseException as error:
        with suppress(NotEnoughDisk):
            if isinstance(error, Exception):
                failed = ended(status="failed", error=runs.words(error))
            else:
                failed = ended(status="stopped")
            if isinstance(error, NotebookFailed):
                error.run = failed
        raise
    return ended(status="done", metrics=metrics)


def models(receipts: Sequence[Receipt]) -> list[dict[str, Any]]:
    """Each model that was asked, and how it was loaded, once."""
    found: list[dict[str, Any]] = []
    for one in receipts:
        facts = {name: getattr(one, name) for name in _OF_A_MODEL}
        if facts not in found:
            found.append(facts)
    return found


def _checked(notebook: Any, path: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    from papermill.translators import PythonTranslator

    if not isinstance(parameters, Mapping):
        raise InvalidData(f"parameters={quoted(parameters)} are none.", 'Give a dict, such as {"seed": 7}.')
    if not parameters:
        return {}
    tagged = [cell for cell in code(notebook) if PARAMETERS in cell.metadata.get("tags", [])]
    if not tagged:
        raise InvalidData(
            f"{path.name} has no cell for parameters.",
            f'Tag the cell with their defaults "{PARAMETERS}" (in JupyterLab: the gear at the top right).',
        )
    known = [one.name for one in PythonTranslator.inspect(tagged[0])]
    for name, value in parameters.items():
        if name not in known:
            raise InvalidData(f"{path.name} has no parameter {quoted(name)}.", f"It has: {', '.join(known)}.")
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise InvalidData(
                f"The parameter {name}={quoted(value)} cannot be kept: {error}.",
                "Give texts, numbers, True, False, None, lists or dicts of them.",
            ) from error
    given: dict[str, Any] = json.loads(json.dumps(dict(parameters)))
    return given


def _kernel(notebook: Any) -> str:
    return str(notebook.metadata.get("kernelspec", {}).get("name") or "python3")


def _kernels(environment: Mapping[str, str]) -> Any:
    """A class of kernel managers that adds to the environment; that of this process stays as it is."""
    from jupyter_client.manager import AsyncKernelManager

    class Kernels(AsyncKernelManager):
        async def _async_pre_start_kernel(self, **more: Any) -> Any:
            more["env"] = {**os.environ, **more.get("env", {}), **environment}
            return await super()._async_pre_start_kernel(**more)

        pre_start_kernel = _async_pre_start_kernel

    return Kernels


def _braced(path: Path) -> str:
    """A path as papermill takes it: it fills in what stands between braces."""
    return str(path).replace("{", "{{").replace("}", "}}")
