"""Runs on this machine: each a folder of plain files that says what was run, on what, and what came of it.

    run.json      what determined it, what it ran on, how it ended, its metrics
    task.json     the task, items included        items.jsonl    a line for each item that is done
    notebook.ipynb, receipts.jsonl                of notebook runs

The folder is the truth; a table in the SQLite file lists the folders, and is filled from them again where it is lost.
It does not know how a run comes about.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from influence_nb.arguments import expect_path, quoted
from influence_nb.engine import jsons
from influence_nb.engine.receipts import Receipt
from influence_nb.errors import InvalidData, NotEnoughDisk, is_full
from influence_nb.evaluation.intervals import Metric
from influence_nb.evaluation.tasks import Task, digest
from influence_nb.settings import settings
from influence_nb.store.database import attempt

if TYPE_CHECKING:
    import pandas

    from influence_nb.embeddings.text_encoder import TextEncoder
    from influence_nb.engine.model import Model
    from influence_nb.evaluation.audit import Repeat

Status = Literal["running", "done", "failed"]

NOTEBOOK, RECEIPTS = "notebook.ipynb", "receipts.jsonl"
_RUN, _TASK, _ITEMS = "run.json", "task.json", "items.jsonl"
_HINT = "Give the folder, the id or its beginning of a run on this machine: inb.runs() lists them."
_ID = 16
COLUMNS = ("id", "kind", "name", "model", "status", "started", "seconds", "data")
"""What the table says of every run, beside its metrics and parameters."""
_COLUMNS = (*COLUMNS, "metrics", "parameters")


@dataclass(frozen=True)
class Run:
    """One run, as its folder says.

    Attributes:
        id: the first 16 digits of the SHA-256 of `determined_by`.
        kind: "task" or "notebook".
        name: of the task or the notebook.
        model: the name of the model that was asked; "" where that is not known.
        status: "done"; "failed", with the error in `error`; "running", also of one that was cut off.
        started: the time it began last, ISO 8601 in UTC.
        seconds: how long it took, the last time that it was taken up; NaN before the end.
        determined_by: everything that decides what comes: hashes of the data, the template, the model's files;
            sampling, seed, dtype, device, versions.
        facts: what it ran on, and does not decide it as far as is known: processor, threads, batch shapes.
        parameters: what was asked for by whoever ran it.
        metrics: {name: Metric}.
        error: what went wrong, "" for nothing.
    """

    id: str
    kind: str
    name: str
    model: str
    status: Status
    started: str
    seconds: float
    determined_by: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    error: str = ""

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return home() / self.id

    @property
    def data(self) -> str:
        """The SHA-256 of what it ran over: runs of the same data can be compared."""
        return str(self.determined_by.get("data", ""))

    @property
    def notebook(self) -> Path:
        """Where the executed notebook is, of a notebook's run."""
        return self.folder / NOTEBOOK

    def task(self) -> Task:
        """The task with its items.

        Raises:
            InvalidData: a notebook's run, or the file is lost.
        """
        return Task.from_dict(jsons.read(self.folder / _TASK, "a task", _HINT))

    def items(self) -> list[dict[str, Any]]:
        """What became of each item that is done: id, values, output, detail, receipt, error."""
        return list(lines(self.folder / _ITEMS))

    def receipts(self) -> list[Receipt]:
        """Of each generation that was part of it, in their order; `model.replay` takes one."""
        if self.kind == "notebook":
            kept: Iterable[dict[str, Any]] = lines(self.folder / RECEIPTS)
        else:
            kept = (item["receipt"] for item in self.items() if item["receipt"] is not None)
        return [Receipt.from_dict(one) for one in kept]

    def to_frame(self) -> pandas.DataFrame:
        """A row for each item that is done: its columns, `output`, its values and `error`; the index is its id."""
        import pandas as pd

        known = {row["id"]: dict(row) for row in self.task().rows}
        rows = [
            {**known.get(item["id"], {}), "output": item["output"], **item["values"], "error": item["error"]}
            for item in self.items()
        ]
        return pd.DataFrame(rows).set_index("id") if rows else pd.DataFrame()

    def export(self, path: str | Path) -> Path:
        """Write the whole run as one zip file; `inb.import_run` takes it in elsewhere.

        Raises:
            InvalidData: there is no writing there.
        """
        expect_path(path=path)
        path = Path(path)
        try:
            with tempfile.TemporaryDirectory(dir=path.parent) as inside:
                packed = Path(inside) / "run.zip"
                with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
                    for file in sorted(self.folder.iterdir()):
                        if file.is_file() and not file.name.startswith("."):
                            bundle.write(file, f"{self.id}/{file.name}")
                os.replace(packed, path)
        except OSError as error:
            raise InvalidData(f"{path} cannot be written: {error}.", "Choose another place.") from error
        return path

    def repeat(self, model: Model | TextEncoder | None = None, tolerance: float = 0.0) -> Repeat:
        """Run it again and say where it differs; see `inb.repeat`."""
        from influence_nb.evaluation.audit import repeat

        return repeat(self, model, tolerance)

    def save(self) -> Run:
        """Write run.json in one piece, and the row that lists it."""
        values = asdict(self)
        values["metrics"] = {name: asdict(one) for name, one in self.metrics.items()}
        put(self.folder / _RUN, values)
        attempt(lambda db: _list(db, self))
        return self

    def __repr__(self) -> str:
        told = ", ".join(map(str, self.metrics.values())) or self.status
        return f"Run({self.id}: {self.name} by {self.model or 'no model'}; {told})"


def home() -> Path:
    """Where runs are kept."""
    return settings().home / "runs"


def identity(determined_by: Mapping[str, Any]) -> str:
    """The id of what is determined so."""
    return digest(dict(determined_by))[:_ID]


def find(run: str | Path | Run) -> Run:
    """The run of that id, its beginning, or in that folder.

    Raises:
        InvalidData: there is none, or more than one id begins so.
    """
    if isinstance(run, Run):
        return run
    if isinstance(run, Path) or os.sep in str(run):
        return _read(Path(run))
    found = [one for one in _folders() if one.name.startswith(str(run))] if str(run) else []
    if len(found) != 1:
        several = ", ".join(one.name for one in found[:5])
        raise InvalidData(
            f"There is no run {quoted(run)}." if not found else f"{run!r} may be {several}.", _HINT
        )
    return _read(found[0])


def known(identifier: str) -> Run | None:
    """The run of exactly that id; None where there is none."""
    return _read(home() / identifier) if (home() / identifier / _RUN).is_file() else None


def runs() -> pandas.DataFrame:
    """The runs on this machine, the newest first.

    Returns:
        A row each: id (the index), kind, name, model, status, started, seconds, data (runs over the same can
        be compared), a column for each metric, and one for each parameter as `p.name`.
    """
    import pandas as pd

    rows = []
    for row in listed():
        values = {name: row[name] for name in COLUMNS}
        values |= {name: one.get("value") for name, one in json.loads(row["metrics"]).items()}
        values |= {f"p.{name}": one for name, one in json.loads(row["parameters"]).items()}
        rows.append(values)
    frame = pd.DataFrame(rows, columns=None if rows else list(COLUMNS))
    frame["started"] = pd.to_datetime(frame["started"], utc=True, format="ISO8601")
    return frame.set_index("id")


def listed() -> list[Mapping[str, Any]]:
    """The table's rows, the newest first; of folders that it lacks or that are gone it is told before."""

    def read(db: sqlite3.Connection) -> list[Mapping[str, Any]]:
        here = {folder.name for folder in _folders()}
        told = {row["id"] for row in db.execute("select id from runs")}
        db.executemany("delete from runs where id = ?", [(one,) for one in told - here])
        for one in here - told:
            try:
                _list(db, _read(home() / one))
            except InvalidData:
                continue  # a folder that is no run
        return [dict(row) for row in db.execute("select * from runs order by started desc, id")]

    found = attempt(read)
    if found is not None:
        return found
    return sorted(
        (dict(zip(_COLUMNS, _row(_read(folder)), strict=True)) for folder in _folders()),
        key=lambda row: row["started"],
        reverse=True,
    )


def import_run(path: str | Path, again: bool = False) -> Run:
    """Take in a run that `Run.export` wrote; one that is here and done stays as it is.

    Args:
        path: of the file.
        again: put it in the place of one that is here.

    Raises:
        InvalidData: the file is no such run.
        NotEnoughDisk: there is no room.
    """
    expect_path(path=path)
    try:
        with zipfile.ZipFile(path) as bundle:
            names = [PurePosixPath(name) for name in bundle.namelist() if not name.endswith("/")]
            tops = {name.parts[0] for name in names if len(name.parts) == 2 and ".." not in name.parts}
            if len(tops) != 1 or any(len(name.parts) != 2 or name.is_absolute() for name in names):
                raise InvalidData(f"{path} holds no run.", "Give a file that run.export() wrote.")
            identifier = tops.pop()
            if not identifier.isalnum():
                raise InvalidData(f"{path} holds no run.", "Give a file that run.export() wrote.")
            here = known(identifier)
            if here is not None and here.status == "done" and not again:
                return here
            home().mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=home(), prefix=".import-") as inside:
                bundle.extractall(inside)
                run = _read(Path(inside) / identifier)
                if identity(run.determined_by) != identifier or run.id != identifier:
                    raise InvalidData(
                        f"The run in {path} was changed: its id is not that of what determined it.",
                        "Ask for it once more.",
                    )
                if here is not None and run.status != "done" and not again:
                    return here
                shutil.rmtree(home() / identifier, ignore_errors=True)  # of one that did not end
                shutil.move(str(Path(inside) / identifier), home() / identifier)
    except (OSError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and is_full(error):
            raise NotEnoughDisk(f"There is no room for the run: {error}.", "Free some space.") from error
        raise InvalidData(
            f"{path} cannot be read: {error}.", "Give a file that run.export() wrote."
        ) from error
    return replace(run).save()


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects in a file, a line each; a last line that was not written whole is passed over.

    Raises:
        InvalidData: another line cannot be read.
    """
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.endswith("\n"):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise InvalidData(
                        f"Line {number} of {path} is damaged: {error}.", "Run it anew, with again=True."
                    ) from error


def append(path: Path, values: Iterable[Mapping[str, Any]]) -> None:
    """Add lines and see them on the disk; one that was cut off before is taken away first.

    Raises:
        NotEnoughDisk: they cannot be written; those before stay.
    """
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in values).encode("utf-8", "replace")
    try:
        with path.open("ab+") as file:
            size = _whole(file)
            file.truncate(size)
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
    except OSError as error:
        raise NotEnoughDisk(
            f"What was done cannot be kept in {path}: {error}.",
            "Free some space and run it again: it goes on.",
        ) from error


def put(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON in one piece.

    Raises:
        NotEnoughDisk: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        jsons.write(path, values)
    except (OSError, InvalidData) as error:
        raise NotEnoughDisk(
            f"{path} cannot be written: {error}.", "Free some space and run it again."
        ) from error


def _whole(file: Any) -> int:
    """The size of a file up to the end of its last whole line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - 2**16)
        file.seek(begin)
        at = file.read(end - begin).rfind(b"\n")
        if at >= 0:
            return int(begin + at + 1)
        end = begin
    return 0


def _folders() -> list[Path]:
    try:
        with os.scandir(home()) as found:  # which tells folders without asking for each
            return [Path(one.path) for one in found if not one.name.startswith(".") and one.is_dir()]
    except OSError:
        return []


def _read(folder: Path) -> Run:
    values = jsons.read(folder / _RUN, "a run", _HINT)
    try:
        metrics = {name: Metric(**one) for name, one in values.pop("metrics").items()}
        return Run(**values, metrics=metrics)
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidData(f"{folder / _RUN} does not hold a run: {error}.", _HINT) from error


def _list(db: sqlite3.Connection, run: Run) -> None:
    marks = ", ".join("?" * len(_COLUMNS))
    db.execute(f"insert or replace into runs ({', '.join(_COLUMNS)}) values ({marks})", _row(run))


def _row(run: Run) -> tuple[Any, ...]:
    metrics = {name: asdict(one) for name, one in run.metrics.items()}
    return (
        run.id, run.kind, run.name, run.model, run.status, run.started, run.seconds, run.data,
        json.dumps(metrics), json.dumps(dict(run.parameters), default=str),
    )  # fmt: skip
