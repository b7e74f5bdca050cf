"""A run as one zip file, and taken in from one: its files, and a manifest of what they must be.

The manifest finds what was cut off or altered on the way. It is no signature: who rewrites a run and its manifest
together is found out only where items and metrics no longer agree.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from influence_nb.arguments import expect_path
from influence_nb.engine import jsons
from influence_nb.errors import IntegrityError, InvalidData, NotEnoughDisk, is_full
from influence_nb.evaluation import runs
from influence_nb.evaluation.run import metrics_of
from influence_nb.evaluation.runs import ITEMS, NOTEBOOK, TASK, Run
from influence_nb.evaluation.tasks import SCORERS, Task, digest

_MANIFEST = "manifest.json"
_HINT = "Give a file that run.export() wrote."
_ONCE_MORE = "Export the run once more, and carry that file here."


def export(run: Run, path: str | Path) -> Path:
    """Write the whole run as one zip file, with the size and SHA-256 of every file in it.

    Raises:
        InvalidData: there is no writing there.
        NotEnoughDisk: there is no room.
    """
    expect_path(path=path)
    packed, manifest = io.BytesIO(), {}
    try:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
            for file in sorted(filter(_is_kept, run.folder.iterdir())):
                data = file.read_bytes()  # once, so that the sum is of what is packed
                manifest[file.name] = _sum(data)
                bundle.writestr(f"{run.id}/{file.name}", data)
            bundle.writestr(f"{run.id}/{_MANIFEST}", json.dumps({"files": manifest}, indent=1))
    except OSError as error:
        raise InvalidData(f"The run's files cannot be read: {error}.", "Look into its folder.") from error
    return jsons.put(path, packed.getvalue())


def import_run(path: str | Path, again: bool = False) -> Run:
    """Take in a run that `Run.export` wrote; one that is here and done stays as it is.

    Every file must be what the file's manifest says, and a task that is done must have an item for each of its rows
    and the metrics that follow from them. A file without a manifest, as they were written once, is held to the latter
    alone.

    Args:
        path: of the file.
        again: put it in the place of one that is here.

    Raises:
        InvalidData: the file is no such run.
        IntegrityError: it is one that was cut off or altered (which files).
        NotEnoughDisk: there is no room; what was here stays.
    """
    expect_path(path=path)
    try:
        with zipfile.ZipFile(path) as bundle:
            identifier = _identifier(path, bundle)
            here = runs.known(identifier)
            if here is not None and here.status == "done" and not again:
                return here
            runs.home().mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=runs.home(), prefix=".import-") as inside:
                bundle.extractall(inside)
                folder = Path(inside) / identifier
                run = _checked(path, folder)
                if here is not None and run.status != "done" and not again:
                    return here
                if run.folder.exists():
                    os.replace(run.folder, Path(inside) / "before")
                os.replace(folder, run.folder)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        if isinstance(error, OSError) and is_full(error):
            raise NotEnoughDisk(f"There is no room for the run: {error}.", "Free some space.") from error
        raise InvalidData(f"{path} cannot be read: {error}.", _HINT) from error
    return runs.enlist(run)


def _is_kept(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and file.name != _MANIFEST


def _sum(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _identifier(path: str | Path, bundle: zipfile.ZipFile) -> str:
    """The one folder that is in the file, with files directly in it."""
    names = [PurePosixPath(name) for name in bundle.namelist() if not name.endswith("/")]
    tops = {name.parts[0] for name in names if len(name.parts) == 2 and ".." not in name.parts}
    if len(tops) != 1 or any(len(name.parts) != 2 or name.is_absolute() for name in names):
        raise InvalidData(f"{path} holds no run.", _HINT)
    identifier = tops.pop()
    if not identifier.isalnum():
        raise InvalidData(f"{path} holds no run.", _HINT)
    return identifier


def _checked(path: str | Path, folder: Path) -> Run:
    """The run in a folder, which is what was exported."""
    manifest = folder / _MANIFEST
    if manifest.exists():
        expected = jsons.read(manifest, "a manifest", _HINT).get("files")
        if not isinstance(expected, dict):
            raise InvalidData(f"{path} holds no manifest that can be read.", _HINT)
        manifest.unlink()
        _refuse(path, _other_files(folder, expected))
    run = runs.find(folder)
    if not runs.identity(run.determined_by) == run.id == folder.name:
        _refuse(path, ["its id is not that of what determined it"])
    if run.status == "done":
        try:
            _refuse(path, _disagreeing(run, folder))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            _refuse(path, [runs.words(error).rstrip(".")])
    return run


def _refuse(path: str | Path, found: Any) -> None:
    if problems := list(found):
        raise IntegrityError(f"The run in {path} was cut off or altered: {'; '.join(problems)}.", _ONCE_MORE)


def _other_files(folder: Path, expected: Mapping[str, Any]) -> Iterator[str]:
    there = {one.name for one in folder.iterdir()}
    changed = [name for name in there & set(expected) if _sum((folder / name).read_bytes()) != expected[name]]
    named = {
        "missing": set(expected) - there,
        "changed": changed,
        "not in its manifest": there - set(expected),
    }
    for what, names in named.items():
        if names:
            yield f"{', '.join(sorted(names))} {'is' if len(names) == 1 else 'are'} {what}"


def _disagreeing(run: Run, folder: Path) -> Iterator[str]:
    """Where the files of a run that is done do not belong together."""
    if run.kind != "task":
        if not (folder / NOTEBOOK).is_file():
            yield f"{NOTEBOOK} is missing"
        return
    told = jsons.read(folder / TASK, "a task", _HINT)
    asked = {name: value for name, value in told.items() if name != "name"}
    if (digest(asked), digest(told.get("rows"))) != (run.determined_by.get("task"), run.data):
        yield f"{TASK} is not what determined it"
        return
    rows = [row["id"] for row in told["rows"]]
    items = {item["id"]: item for item in runs.lines(folder / ITEMS)}
    if set(items) != set(rows):
        yield f"{ITEMS} has {len(set(items) & set(rows)):,} of {len(rows):,} items"
        return
    if told["scorer"].get("kind") not in {one.kind for one in SCORERS}:
        return  # of somebody's own: what follows from its values is not known here
    found = metrics_of(Task.from_dict(told).scorer, [items[name] for name in rows])
    # Intervals are left out: how they are made may change from version to version.
    for name, one in run.metrics.items():
        now = found.get(name)
        if (
            now is None
            or (now.count, now.missing) != (one.count, one.missing)
            or not _same(now.value, one.value)
        ):
            yield f"its metric {name} does not follow from {ITEMS}"


def _same(one: float, other: float) -> bool:
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
