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
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from influence_nb.arguments import quoted
from influence_nb.engine import jsons
from influence_nb.engine.receipts import Receipt
from influence_nb.errors import InfluenceError, InvalidData, NotEnoughDisk
from influence_nb.evaluation.intervals import Metric
from influence_nb.evaluation.tasks import Task, digest
from influence_nb.settings import settings
from influence_nb.store.database import attempt

if TYPE_CHECKING:
    import pandas

    from influence_nb.embeddings.text_encoder import TextEncoder
    from influence_nb.engine.model import Model
    from influence_nb.evaluation.audit import Repeat

Status = Literal["running", "done", "failed", "stopped"]

NOTEBOOK, RECEIPTS = "notebook.ipynb", "receipts.jsonl"
TASK, ITEMS = "task.json", "items.jsonl"
_RUN, LOCK = "run.json", ".lock"
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
        status: "running"; "done"; "failed", with the error in `error`; "stopped" where it was cancelled, interrupted or
            its process ended. The same call runs those that are not done again: a task goes on from the items it has.
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
        return Task.from_dict(jsons.read(self.folder / TASK, "a task", _HINT))

    def items(self) -> list[dict[str, Any]]:
        """What became of each item that is done: id, values, output, detail, receipt, error."""
        return list(lines(self.folder / ITEMS))

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
        """Write the whole run as one zip file, checksums included; `inb.import_run` takes it in elsewhere.

        Raises:
            InvalidData: there is no writing there.
            NotEnoughDisk: there is no room.
        """
        from influence_nb.evaluation.exports import export

        return export(self, path)

    def repeat(self, model: Model | TextEncoder | None = None, tolerance: float = 0.0) -> Repeat:
        """Run it again and say where it differs; see `inb.repeat`."""
        from influence_nb.evaluation.audit import repeat

        return repeat(self, model, tolerance)

    def save(self) -> Run:
        """Write run.json in one piece, and the row that lists it."""
        values = asdict(self)
        values["metrics"] = {name: asdict(one) for name, one in self.metrics.items()}
        put(self.folder / _RUN, values)
        return enlist(self)

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
        return [{**row, "status": _status(row["status"], home() / row["id"])} for row in found]
    return sorted(
        (dict(zip(_COLUMNS, _row(_read(folder)), strict=True)) for folder in _folders()),
        key=lambda row: row["started"],
        reverse=True,
    )


def enlist(run: Run) -> Run:
    """Write the row that lists it."""
    attempt(lambda db: _list(db, run))
    return run


def words(error: BaseException) -> str:
    """What went wrong, as a run keeps it: a line."""
    if isinstance(error, InfluenceError):
        return error.message
    return ": ".join(filter(None, (type(error).__name__, short(error))))


def short(what: object) -> str:
    """The first line of words, without a full stop."""
    line = str(what).strip().partition("\n")[0]
    return (line if len(line) <= 200 else line[:199] + "…").rstrip(".")


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
    except (OSError, InvalidData, NotEnoughDisk) as error:
        why = error.__cause__ or error  # `jsons` has named the file already
        raise NotEnoughDisk(
            f"{path} cannot be written: {why}.", "Free some space and run it again."
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
        values["status"] = _status(values["status"], folder)
        metrics = {name: Metric(**one) for name, one in values.pop("metrics").items()}
        return Run(**values, metrics=metrics)
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidData(f"{folder / _RUN} does not hold a run: {error}.", _HINT) from error


def _status(told: str, folder: Path) -> str:
    """Of one that says it is running and is worked on by nobody, that it was stopped: a process that was killed could
    not write that.
    """
    return "stopped" if told == "running" and not _is_worked_on(folder) else told


def _is_worked_on(folder: Path) -> bool:
    from filelock import FileLock, Timeout

    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a place where one may only read: what was told stands
        return True


def _list(db: sqlite3.Connection, run: Run) -> None:
    marks = ", ".join("?" * len(_COLUMNS))
    db.execute(f"insert or replace into runs ({', '.join(_COLUMNS)}) values ({marks})", _row(run))


def _row(run: Run) -> tuple[Any, ...]:
    metrics = {name: asdict(one) for name, one in run.metrics.items()}
    return (
        run.id, run.kind, run.name, run.model, run.status, run.started, run.seconds, run.data,
        json.dumps(metrics), json.dumps(dict(run.parameters), default=str),
    )  # fmt: skip
