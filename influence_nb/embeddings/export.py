"""A map as a file: its vectors, its data, its picture, or a page to look around in.

It knows maps; it does not know who asks. A file is written beside its place and then moved there, so that a failure
leaves no half of it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import expect_bool, expect_path, quoted
from influence_nb.embeddings import picture
from influence_nb.embeddings.map_page import page
from influence_nb.errors import InvalidData, NotEnoughDisk, is_full

if TYPE_CHECKING:
    import pandas

    from influence_nb.embeddings.map import EmbeddingMap

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be written.

    Attributes:
        map: the map.
        frame: its data with x and y of the projection, only the rows that are wanted.
        rows: their numbers.
        color: the column that colours them; None for none.
        projection: "umap", "tsne" or "pca"; None is the one in use.
    """

    map: EmbeddingMap
    frame: pandas.DataFrame
    rows: Rows
    color: str | None
    projection: str | None

    @property
    def columns(self) -> list[str]:
        """The columns beside the text and the places."""
        return [name for name in self.frame.columns if name not in (self.map.text, "x", "y")]

    @property
    def points(self) -> NDArray[np.float32]:
        """The places, (rows, 2)."""
        return self.frame[["x", "y"]].to_numpy(np.float32)

    @property
    def title(self) -> str:
        """The map's, and how many of its rows these are where they are not all."""
        title = self.map.title(self.projection)
        return title if len(self.rows) == len(self.map) else f"{len(self.rows):,} rows of the {title}"


def save(
    map: EmbeddingMap,
    path: str | Path,
    rows: Sequence[int] | None = None,
    color: str | pandas.Series[Any] | None = None,
    projection: str | None = None,
    overwrite: bool = False,
) -> Path:
    """See `EmbeddingMap.save`."""
    expect_path(path=path)
    expect_bool(overwrite=overwrite)
    target = Path(path).expanduser()
    write = KINDS.get(target.suffix.lower())
    if write is None:
        raise InvalidData(
            f"A map is not saved as {quoted(target.suffix or str(target))}.",
            f"End the name in {', '.join(KINDS)}.",
        )
    if target.exists() and (target.is_dir() or not overwrite):
        raise InvalidData(
            f"{target} is there already.", "Choose another name, or say overwrite=True to replace a file."
        )
    chosen = np.arange(len(map)) if rows is None else _numbers(map, rows)
    points = map.project(projection).points
    frame = map.frame.assign(x=points[:, 0], y=points[:, 1])
    if isinstance(color, str) or color is None:
        name = map.colour_column if color is None else color
    else:
        name = str(color.name)
        frame[name] = color.to_numpy()
    job = Job(map, frame.iloc[chosen].reset_index(drop=True), chosen, name, projection)
    if name is not None and name not in job.columns:
        raise InvalidData(
            f"There is no column {quoted(name)} to colour by.",
            f"There are: {', '.join(map.columns) or 'none beside the text'}.",
        )
    if not target.parent.is_dir():
        raise InvalidData(f"There is no folder {target.parent}.", "Make it, or choose another place.")
    beside = target.with_name(f".{target.stem}-{secrets.token_hex(4)}{target.suffix}")
    try:
        write(job, beside)
        os.replace(beside, target)
    except OSError as error:
        words = error.strerror or str(error)
        if is_full(error):
            raise NotEnoughDisk(
                f"There is no room for {target}: {words}.", "Make room, or choose another place."
            ) from error
        raise InvalidData(f"{target} cannot be written: {words}.", "Choose another file.") from error
    finally:
        beside.unlink(missing_ok=True)
    return target


def _numbers(map: EmbeddingMap, rows: Sequence[int]) -> Rows:
    chosen = np.asarray(rows)
    if chosen.size == 0:
        raise InvalidData("There are no rows to save.", "Choose some, or leave `rows` out to save all.")
    if chosen.dtype.kind not in "iu" or chosen.ndim != 1:
        raise InvalidData(f"rows={quoted(rows)} are no row numbers.", "Give a list of whole numbers.")
    wrong = chosen[(chosen < 0) | (chosen >= len(map))]
    if wrong.size:
        raise InvalidData(f"There is no row {wrong[0]}.", f"Rows go from 0 to {len(map) - 1}.")
    return chosen.astype(np.intp)


def _vectors(job: Job, path: Path) -> None:
    vectors = np.ascontiguousarray(job.map.vectors[job.rows])
    with path.open(
        "wb"
    ) as file:  # not np.save: on a full disk that loses the end of a short array without a word
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(vectors))
        file.write(vectors.data)


def _parquet(job: Job, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    if "vector" in job.frame.columns:
        raise InvalidData(
            "The file has a column of its own called 'vector'.",
            "Rename yours: frame.rename(columns={'vector': 'my_vector'}).",
        )
    try:
        table = pa.Table.from_pandas(job.frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InvalidData(
            f"A column cannot be written as Parquet: {error.args[0]}.",
            "Give each column values of one kind, or leave it out of the map.",
        ) from error
    vectors = np.ascontiguousarray(job.map.vectors[job.rows])
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    parquet.write_table(table.append_column("vector", column), path)


def _picture(job: Job, path: Path) -> None:
    values = None if job.color is None else job.frame[job.color]
    axes = job.map.project(job.projection).axes
    picture.draw(job.points, axes, job.title, values).savefig(path, dpi=200, transparent=True)


def _page(job: Job, path: Path) -> None:
    path.write_text(page(job), encoding="utf-8")


KINDS: dict[str, Callable[[Job, Path], None]] = {
    ".npy": _vectors,
    ".parquet": _parquet,
    ".png": _picture,
    ".svg": _picture,
    ".html": _page,
}
"""What a map is saved as, by the end of the file's name."""
