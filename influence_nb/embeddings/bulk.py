"""Vectors for a data set by many machines: one encoder a GPU, through Ray Data, a Parquet file at a time.

Each file of the data becomes a file of the output, written beside and then renamed, so that a file is whole or not
there: what is there is not made again. Who works where, and what becomes of a machine that is lost, is Ray's affair.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb import errors
from influence_nb.arguments import expect_call, expect_path, expect_text, whole
from influence_nb.cluster import joined, ray_for, room, translated
from influence_nb.embeddings.table import table
from influence_nb.errors import InfluenceError, InvalidData

if TYPE_CHECKING:
    import pandas

ROWS = 10_000
"""Rows of a file, where the data is no Parquet yet and has to be cut into files."""
_AT_ONCE = 2048
_HOW = "how.json"
_FROM = b"influence_nb.from"


def encode_bulk(
    data: str | Path | pandas.DataFrame,
    output: str | Path,
    text: str = "text",
    model: str | Path | None = None,
    *,
    address: str | None = None,
    workers: int | None = None,
    device: str = "auto",
    dtype: str = "auto",
    layer: int | None = None,
    pooling: str | None = None,
    prompt: str | None = None,
    batch_size: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Embed a data set with Ray Data, on this machine or on a cluster; a stopped run is gone on with.

    Every machine needs influence_nb, the model under that name or path, and the folders of data and output at the same
    path, such as a network disk. Called again, it makes the files that are not there yet.

    Args:
        data: a folder of Parquet files; or a file or DataFrame that `EmbeddingMap` takes, which is cut into files of
            10,000 rows first.
        output: a folder, made where it is not there. Each file in it is one of the data with a column `embedding` more,
            lists of float32.
        text: the column that holds the texts.
        model: the encoder, by a name in every machine's library or by a folder; None is "starter/embedding".
        address: of a Ray cluster, such as "auto" or "ray://head:10001"; None starts Ray on this machine alone, and ends
            it afterwards, unless it is running already.
        workers: how many encoders; None is one for each GPU, or one a machine where there are none.
        device: as in `load_encoder`.
        dtype: as in `load_encoder`.
        layer: as in `load_encoder`.
        pooling: as in `load_encoder`.
        prompt: as in `Encoder.encode`.
        batch_size: as in `Encoder.encode`.
        on_progress: called with (files done, files in all).

    Returns:
        The files of the output, in the order of the data's.

    Raises:
        MissingExtra: Ray is not installed.
        InvalidData: no data, no such column, a text that is none, or the output holds vectors made another way.
        InfluenceError: the cluster cannot be reached, or a worker failed; what was done stays.
    """
    ray = ray_for("Bulk encoding")
    importlib.import_module("ray.data")
    expect_path(output=output)
    expect_text(text=text, address=address, prompt=prompt)
    expect_call(on_progress=on_progress)
    if workers is not None:
        workers = whole("workers", workers, 1)
    folder = Path(output).expanduser().absolute()
    how = {"model": None if model is None else str(model), "device": device, "dtype": dtype, "layer": layer,
           "pooling": pooling}  # fmt: skip
    files = _files(data, folder, text)
    _claim(folder, {**how, "prompt": prompt, "text": text})
    pairs = [(source, folder / f"{place:06}-{source.stem}.parquet") for place, source in enumerate(files)]
    left = [(source, target) for source, target in pairs if not _is_done(source, target)]
    done = len(pairs) - len(left)
    if on_progress is not None and done:
        on_progress(done, len(pairs))
    if left:
        with joined(ray, address), translated(ray, "Bulk encoding"):
            there = room(ray)
            count = min(workers or there.gpus or len(there.cores), len(left))
            rows = ray.data.from_items(
                [{"source": str(source), "target": str(target)} for source, target in left],
                override_num_blocks=len(left),
            )
            made = rows.map_batches(
                _Worker,
                fn_constructor_kwargs={"how": how, "text": text, "prompt": prompt, "batch_size": batch_size},
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=count),
                num_gpus=1 if there.gpus else None,
                num_cpus=None if there.gpus else there.share(count, aside=1),
            )
            for row in made.iter_rows():
                if row["refused"]:
                    kind, *words = json.loads(row["refused"])
                    raise getattr(errors, kind, InfluenceError)(*words)
                done += 1
                if on_progress is not None:
                    on_progress(done, len(pairs))
    return [target for _, target in pairs]


class _Worker:
    """An encoder in a process of Ray's, which turns files into files."""

    def __init__(self, how: dict[str, Any], text: str, prompt: str | None, batch_size: int | None) -> None:
        from influence_nb.embeddings.encode import open_encoder

        self._encoder = open_encoder(**how)
        self._text = text
        self._prompt = prompt
        self._batch_size = batch_size

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {
            "target": batch["target"],
            "refused": [self._tried(*pair) for pair in zip(batch["source"], batch["target"], strict=True)],
        }

    def _tried(self, source: Any, target: Any) -> str:
        """What was refused, as a row carries it; "" where the file was written."""
        try:
            self._write(Path(str(source)), Path(str(target)))
        except InfluenceError as error:  # Ray would hand on its words, not its kind
            return json.dumps([type(error).__name__, error.message, error.hint])
        return ""

    def _write(self, source: Path, target: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        beside = target.with_name(f".{target.name}.{os.getpid()}.part")
        file = parquet.ParquetFile(source)
        column = pa.field("embedding", pa.list_(pa.float32(), self._encoder.dimension))
        known = {**(file.schema_arrow.metadata or {}), _FROM: _mark(source)}
        schema = file.schema_arrow.append(column).with_metadata(known)
        try:
            with parquet.ParquetWriter(beside, schema) as writer:
                for rows in file.iter_batches(_AT_ONCE):
                    vectors = self._encoder.encode(
                        self._texts(rows, source), self._batch_size, prompt=self._prompt
                    )
                    flat = pa.FixedSizeListArray.from_arrays(vectors.ravel(), self._encoder.dimension)
                    writer.write_batch(pa.RecordBatch.from_arrays([*rows.columns, flat], schema=schema))
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)

    def _texts(self, rows: Any, source: Path) -> list[str]:
        texts: list[str] = rows.column(self._text).to_pylist()
        if any(not isinstance(text, str) for text in texts):
            raise InvalidData(
                f"{source.name} has rows whose {self._text!r} is no text.",
                "Leave them out, then go on: what is done stays.",
            )
        return texts


def _files(data: Any, output: Path, text: str) -> list[Path]:
    """The Parquet files of the data; what is none yet is cut into some, once."""
    from pyarrow import parquet

    if isinstance(data, str | Path) and Path(data).expanduser().is_dir():
        files = sorted(Path(data).expanduser().absolute().glob("*.parquet"))
        if not files:
            raise InvalidData(
                f"{data} holds no Parquet files.", "Give a folder of files that end in .parquet."
            )
        for file in files:
            if text not in (names := parquet.read_schema(file).names):
                raise InvalidData(f"{file.name} has no column {text!r}.", f"There are: {', '.join(names)}.")
        return files
    cut = output / ".data"
    if not cut.is_dir():
        frame = table(data, text)
        beside = output / ".data.part"
        try:
            beside.mkdir(parents=True, exist_ok=True)
            for place, first in enumerate(range(0, len(frame), ROWS)):
                frame.iloc[first : first + ROWS].to_parquet(beside / f"{place:06}.parquet", index=False)
            beside.replace(cut)
        except OSError as error:
            raise InvalidData(
                f"{output} cannot be written: {error.strerror or error}.", "Choose another place."
            ) from error
    return sorted(cut.glob("*.parquet"))


def _claim(folder: Path, how: dict[str, Any]) -> None:
    """Note how the vectors in a folder are made, or refuse one that holds others."""
    said = json.dumps(how, sort_keys=True)
    note = folder / _HOW
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not note.exists():
            note.write_text(said, encoding="utf-8")
        elif note.read_text(encoding="utf-8") != said:
            raise InvalidData(
                f"{folder} holds vectors that were made another way: {note.read_text(encoding='utf-8')}.",
                "Ask for the same, or choose another folder.",
            )
    except OSError as error:
        raise InvalidData(
            f"{folder} cannot be written: {error.strerror or error}.", "Choose another place."
        ) from error


def _is_done(source: Path, target: Path) -> bool:
    from pyarrow import ArrowException, parquet

    try:
        metadata = parquet.read_schema(target).metadata or {}
    except (OSError, ArrowException):
        return False
    return bool(metadata.get(_FROM) == _mark(source))


def _mark(source: Path) -> bytes:
    """What tells a file from another of its name."""
    stat = source.stat()
    return f"{source.name} {stat.st_size} {stat.st_mtime_ns}".encode()
