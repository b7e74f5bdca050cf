"""Texts in files: CSV, TSV, JSONL, JSON, Parquet, and text files of one a line; read whole, or a piece at a time.

It does not know what the texts are for. What is broken is named by line; nothing is left out unless that is asked for.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from influence_nb.arguments import expect_path, expect_text, quoted
from influence_nb.embeddings.csv_lines import Fault, read_csv
from influence_nb.embeddings.texts import named
from influence_nb.errors import InvalidData, MissingExtra

if TYPE_CHECKING:
    import pandas

KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt")
"""What files end in that hold texts."""
_SOME = 8192


def is_file_name(data: object) -> TypeGuard[str | Path]:
    """Whether that names a file of texts, by how it ends."""
    return isinstance(data, Path) or (
        isinstance(data, str) and data.lower().endswith(KINDS) and "\n" not in data
    )


def read_texts(
    path: str | Path, text: str = "text", broken: str = "raise", encoding: str = "utf-8"
) -> pandas.DataFrame:
    """A file of texts as a DataFrame, which `EmbeddingMap` takes; it takes the path, too, where nothing is broken.

    Args:
        path: a file that ends in .csv, .tsv, .jsonl, .json (a list), .parquet, or .txt (a text a line).
        text: the column that holds the texts; that of a .txt file gets this name.
        broken: "raise" refuses a file with broken lines, "skip" leaves them out, with a warning that says which. Broken
            are records with another number of fields, quotes that do not close, what is no JSON, bytes that are no
            text, and rows whose text is missing.
        encoding: of CSV and text files.

    Returns:
        A row a text, with all columns; those that hold numbers alone are numbers. `attrs["left_out"]` has the numbers
        of lines that were left out, those of Parquet files rows from 0.

    Raises:
        InvalidData: no such file, column or encoding, a kind of file that is not read here, or broken lines.
        MissingExtra: pyarrow is not installed, which reads Parquet.
    """
    expect_text(text=text)
    return _whole(path, text, broken, encoding)


def read_rows(path: str | Path) -> pandas.DataFrame:
    """A file as a DataFrame, whatever its columns hold; lines of a .txt file get the column `text`.

    Values stay what they are: the cells of a CSV file text, a number of JSON itself whatever its neighbours are.

    Raises:
        InvalidData, MissingExtra: as `read_texts`, but for what concerns the column of the texts.
    """
    return _whole(path, None, "raise", "utf-8")


def iter_texts(
    path: str | Path, text: str = "text", broken: str = "raise", encoding: str = "utf-8"
) -> Iterator[str]:
    """The texts of a file, one after the other, a piece of the file in memory at a time: for `Encoder.encode_to`.

    Args:
        path: as in `read_texts`, which has the arguments and errors in full.
        text: the column.
        broken: "raise" reads up to the first that is broken; "skip" leaves them out, and says which at the end.
        encoding: of CSV and text files.
    """
    faults: list[Fault] = []
    for texts, _ in _frames(_path(path), text, encoding, faults):
        if faults and broken != "skip":
            break
        yield from texts
    _judged(Path(path), faults, broken)


def count_texts(path: str | Path, text: str = "text") -> int:
    """How many texts a file holds, once it is sure that none is broken.

    Raises:
        InvalidData, MissingExtra: as `read_texts`.
    """
    faults: list[Fault] = []
    count = sum(len(texts) for texts, _ in _frames(_path(path), text, "utf-8", faults))
    _judged(Path(path), faults, "raise")
    return count


def _path(path: str | Path) -> Path:
    expect_path(path=path)
    found = Path(path).expanduser()
    if found.suffix.lower() not in KINDS:
        raise InvalidData(
            f"{str(path)!r} is no file of a kind that is read here.", f"There are: {', '.join(KINDS)}."
        )
    if not found.is_file():
        raise InvalidData(
            f"There is no file {str(path)!r}.", "Check the path; it is relative to the working folder."
        )
    return found


def _whole(path: str | Path, text: str | None, broken: str, encoding: str) -> pandas.DataFrame:
    import pandas as pd

    faults: list[Fault] = []
    found = [frame for _, frame in _frames(_path(path), text, encoding, faults)]
    lines = _judged(Path(path), faults, broken, 4)
    frame = pd.concat(found, ignore_index=True) if found else pd.DataFrame({text or "text": []})
    if text is not None and Path(path).suffix.lower() in (".csv", ".tsv"):
        frame = frame.apply(_numbers)
    frame.attrs["left_out"] = lines
    return frame


def _judged(path: Path, faults: list[Fault], broken: str, depth: int = 3) -> tuple[int, ...]:
    """The places of what is broken, once that was said the way that was asked for, `depth` calls above."""
    if broken not in ("raise", "skip"):
        raise InvalidData(f"broken={quoted(broken)} cannot be.", "Give 'raise' or 'skip'.")
    if not faults:
        return ()
    faults = sorted(faults)
    places = tuple(fault.place for fault in faults)
    one = "row" if path.suffix.lower() in (".parquet", ".json") else "line"
    count = f"{len(faults):,} broken {one}{'s' if len(faults) > 1 else ''}"
    what = f"{path.name} has {count}: {named(places)}. The first: {faults[0].why}"
    if broken == "raise":
        raise InvalidData(
            f"{what}.",
            f"Mend them, or go on without them: inb.read_texts({path.name!r}, text=..., broken='skip').",
        )
    warnings.warn(f"{what}. They were left out.", stacklevel=depth)
    return places


def _frames(
    path: Path, text: str | None, encoding: str, faults: list[Fault]
) -> Iterator[tuple[list[str], pandas.DataFrame]]:
    """Some rows at a time: their texts, all of them whole, and all columns; of `text` None no texts, and every row."""
    expect_text(text=text, encoding=encoding)
    kind = path.suffix.lower()
    try:
        match kind:
            case ".csv" | ".tsv":
                yield from _csv(path, text, encoding, faults)
            case ".parquet":
                yield from _parquet(path, text, faults)
            case ".txt":
                yield from _lines(path, text or "text", encoding)
            case _:
                yield from _json(path, text, faults)
    except OSError as error:
        raise InvalidData(f"{path} cannot be read: {error}.", "Look at the file.") from error
    except LookupError as error:
        raise InvalidData(
            f"There is no encoding {quoted(encoding)}.", "Give one such as 'utf-8' or 'latin-1'."
        ) from error


def _csv(
    path: Path, text: str | None, encoding: str, faults: list[Fault]
) -> Iterator[tuple[list[str], pandas.DataFrame]]:
    import pandas as pd

    for columns, some in read_csv(path, encoding, faults):
        whole, texts = [record for _, record in some], []
        if text is not None:
            place = _column(columns, text, path)
            whole = [record for line, record in some if _has_text(record[place], line, text, faults)]
            texts = [record[place] for record in whole]
        frame = pd.DataFrame(whole, columns=columns, dtype=object)
        yield texts, frame.where(frame != "", None)


def _json(path: Path, text: str | None, faults: list[Fault]) -> Iterator[tuple[list[str], pandas.DataFrame]]:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    found, kind = False, object if text is None else None
    for place, value in _values(path, faults):
        row = {text: value} if isinstance(value, str) and text is not None else value
        if not isinstance(row, Mapping):
            faults.append(Fault(place, f"a {type(value).__name__}, not an object"))
        elif text is None or _has_text(row.get(text), place, text, faults):
            rows.append(dict(row))
            found = True
        if len(rows) == _SOME:
            yield _texts(rows, text), pd.DataFrame(rows, dtype=kind)
            rows = []
    if text is not None and not found and faults and all(fault.why.startswith("no ") for fault in faults):
        raise InvalidData(
            f"{path.name} has no {text!r} in any of its rows.",
            "Name the field that holds the texts: text=...",
        )
    yield _texts(rows, text), pd.DataFrame(rows, dtype=kind)


def _texts(rows: list[dict[str, Any]], text: str | None) -> list[str]:
    return [] if text is None else [row[text] for row in rows]


def _values(path: Path, faults: list[Fault]) -> Iterator[tuple[int, Any]]:
    """(line, value) of each line of a JSONL file; (row, value) of a JSON list."""
    if path.suffix.lower() == ".json":
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InvalidData(f"{path.name} is not JSON: {error}.", "One object a line is .jsonl.") from error
        if not isinstance(rows, list):
            raise InvalidData(f"{path.name} holds no list.", "Give a list of texts or of objects, or .jsonl.")
        yield from enumerate(rows)
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield number, json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                except (ValueError, RecursionError) as error:
                    faults.append(Fault(number, f"not JSON: {error}"))


def _parquet(
    path: Path, text: str | None, faults: list[Fault]
) -> Iterator[tuple[list[str], pandas.DataFrame]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra(
            "Parquet files are read by the package pyarrow, which is not installed.",
            "Run: pip install pyarrow.",
        ) from error
    first = 0
    try:
        file = parquet.ParquetFile(path)
        if text is None:
            yield [], file.read().to_pandas()
            return
        _column(file.schema_arrow.names, text, path)
        for batch in file.iter_batches(_SOME):
            values = batch.column(text).to_pylist()
            whole = [_has_text(value, first + row, text, faults) for row, value in enumerate(values)]
            first += len(values)
            frame = batch.to_pandas()[whole]
            yield [value for value, fine in zip(values, whole, strict=True) if fine], frame
    except pyarrow.ArrowException as error:
        raise InvalidData(f"{path.name} cannot be read as Parquet: {error}.", "Look at the file.") from error


def _lines(path: Path, text: str, encoding: str) -> Iterator[tuple[list[str], pandas.DataFrame]]:
    import pandas as pd

    with path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding) as file:
        try:
            lines = [line.rstrip("\n") for line in file if line.strip()]
        except UnicodeDecodeError as error:
            raise InvalidData(
                f"{path.name} is not text in {encoding}: {error}.",
                "Say which it is: read_texts(path, encoding=...).",
            ) from error
    yield lines, pd.DataFrame({text: lines}, dtype=object)


def _column(columns: Sequence[str], text: str, path: Path) -> int:
    if text not in columns:
        raise InvalidData(
            f"{path.name} has no column {text!r}.",
            f"Name the one that holds the texts: text=... There are: {', '.join(map(str, columns)) or 'none'}.",
        )
    return list(columns).index(text)


def _has_text(value: object, place: int, text: str, faults: list[Fault]) -> bool:
    if isinstance(value, str) and value:
        return True
    faults.append(
        Fault(place, f"no {text!r}" if value in (None, "") else f"its {text!r} is a {type(value).__name__}")
    )
    return False


def _numbers(column: pandas.Series[Any]) -> pandas.Series[Any]:
    """The column as numbers where it holds nothing else."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if numbers.notna().any() and (numbers.notna() == column.notna()).all() else column
