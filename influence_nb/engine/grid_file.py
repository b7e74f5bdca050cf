"""A grid as a Parquet file, and back: a row for each cell, the axes and the prompt in the file's metadata.

It knows completions and receipts; it does not know models.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from influence_nb.arguments import expect_path
from influence_nb.engine import axes, jsons
from influence_nb.engine.completion import Completion, Timings, TokenEvent, Usage
from influence_nb.engine.grid import Cell, Grid
from influence_nb.engine.receipts import Receipt
from influence_nb.errors import InfluenceError, InvalidData, MissingExtra

_KEY = b"influence_nb grid"
_VERSION = 1
_HINT = "Use a file that grid.save() wrote."
_EVENT = ("id", "text", "logprob_raw", "logprob_sampled", "finish_reason")


def write(path: str | Path, grid: Grid) -> Path:
    """See `Grid.save`."""
    expect_path(path=path)
    pa = _pyarrow()
    from pyarrow import parquet

    about = {
        "version": _VERSION,
        "axes": [[name, [axes.to_json(name, one) for one in values]] for name, values in grid.axes.items()],
        "prompt": grid.prompt,
    }
    frame = grid.to_frame()
    columns: dict[str, Any] = {"place": [cell.place for cell in grid]}
    for name, values in grid.axes.items():
        columns[name] = _column(name, values, [cell.values[name] for cell in grid])
    for name in axes.TAKEN[1:]:
        columns[name] = pa.array(frame[name].tolist(), _types(pa)[name])
    completions = [cell.completion for cell in grid]
    columns["events"] = pa.array(
        [[{name: getattr(event, name) for name in _EVENT} for event in one.tokens] for one in completions],
        _types(pa)["events"],
    )
    for name, kind in (("usage", Usage), ("timings", Timings)):
        columns[name] = pa.array([vars(getattr(one, name)) for one in completions], _types(pa)[kind.__name__])
    receipts = [one.receipt.to_dict() for one in completions]
    columns["receipt"] = pa.array([json.dumps(one, ensure_ascii=False) for one in receipts], pa.string())
    try:
        data = io.BytesIO()
        table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(about).encode()})
        parquet.write_table(table, data, compression="zstd")
    except (UnicodeEncodeError, ValueError) as error:  # half a character
        raise InvalidData(f"The grid cannot be written: {error}.", "Look at its texts.") from error
    return jsons.put(path, data.getvalue())


def read(path: str | Path) -> Grid:
    """See `Grid.load`."""
    expect_path(path=path)
    if not Path(path).is_file():
        raise InvalidData(f"There is no file {path}.", _HINT)
    pa = _pyarrow()
    from pyarrow import parquet

    try:
        table = parquet.read_table(Path(path))
        about = json.loads((table.schema.metadata or {})[_KEY])
        if about["version"] != _VERSION:
            raise ValueError(f"its version is {about['version']!r}")
        found = {
            str(name): tuple(axes.from_json(name, _tuple(one)) for one in values)
            for name, values in about["axes"]
        }
        combined = list(axes.combinations(found))
        cells = tuple(_cell(row, combined) for row in table.to_pylist())
        return Grid(found, about["prompt"], cells)
    except (OSError, InfluenceError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
        said = error.message if isinstance(error, InfluenceError) else str(error) or type(error).__name__
        raise InvalidData(f"{path} does not hold a grid: {said}", _HINT) from error


def _cell(row: Mapping[str, Any], combined: Sequence[Mapping[str, Any]]) -> Cell:
    events = tuple(
        TokenEvent(place, *(event[name] for name in _EVENT)) for place, event in enumerate(row["events"])
    )
    receipt = Receipt.from_dict(json.loads(row["receipt"]))
    usage, timings = Usage(**row["usage"]), Timings(**row["timings"])
    completion = Completion(
        row["text"], events, row["finish_reason"], usage, timings, partial(_given, receipt)
    )
    return Cell(row["place"], combined[row["place"]], completion)


def _given(receipt: Receipt) -> Receipt:
    return receipt


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _column(name: str, values: Sequence[Any], chosen: Sequence[Any]) -> Any:
    """An axis as other readers like it: whole numbers, numbers, truths or texts where it is of one kind, else JSON."""
    pa = _pyarrow()
    kinds = {type(one) for one in values if one is not None}
    for kind, made in (
        ({bool}, pa.bool_()),
        ({int}, pa.int64()),
        ({int, float}, pa.float64()),
        ({str}, pa.string()),
    ):
        if kinds <= kind and all(not isinstance(one, float) or math.isfinite(one) for one in values):
            return pa.array(list(chosen), made)
    return pa.array([json.dumps(axes.to_json(name, one)) for one in chosen], pa.string())


def _types(pa: Any) -> dict[str, Any]:
    real, whole, text = pa.float64(), pa.int64(), pa.string()
    event = {"id": whole, "text": text, "logprob_raw": real, "logprob_sampled": real, "finish_reason": text}
    usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "cached_tokens"), whole)
    timings = dict.fromkeys(("load", "prefill", "first_token", "total", "tokens_per_second"), real)
    return {
        "text": text,
        "finish_reason": text,
        "tokens": whole,
        "logprob_raw_mean": real,
        "perplexity": real,
        "events": pa.list_(pa.struct(list(event.items()))),
        "Usage": pa.struct(list(usage.items())),
        "Timings": pa.struct(list(timings.items())),
    }


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra(
            "Grids are written as Parquet by the package pyarrow, which is not installed.",
            "Run: pip install pyarrow, or keep the table: grid.to_frame().to_csv(...).",
        ) from error
    return pyarrow
