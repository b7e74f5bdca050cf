"""`influence embed`: texts as vectors, in JSON, as a NumPy array, or in a Parquet file.

It does not know how vectors come about.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from influence_nb.cli import given
from influence_nb.cli.loading import Device, DeviceIndex, complete_name, stopping
from influence_nb.cli.output import Json, folder_of, is_terminal, print_json, waiting
from influence_nb.errors import InvalidData, MissingExtra

if TYPE_CHECKING:
    from influence_nb.embeddings.encode import Vectors

Format = Literal["json", "npy", "parquet"]


def command(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT...", help='The texts; "-", or none in a pipe, reads one a line.'),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read one text a line from here.")] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", autocompletion=complete_name, help="starter/embedding unless given."),
    ] = None,
    device: Device = None,
    device_index: DeviceIndex = None,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    layer: Annotated[int | None, typer.Option(help="A hidden layer, 0 for the input embeddings.")] = None,
    pooling: Annotated[str | None, typer.Option(help="mean, cls, last or weighted_mean.")] = None,
    format: Annotated[
        Format | None, typer.Option(help="json unless --output ends in .npy or .parquet.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Turn each TEXT into a vector.

    JSON has the model's name, the dimension, the texts and their embeddings; npy is a float32 array of a row a text;
    parquet has the columns text and embedding. Empty lines are left out.
    """
    chosen = _format(format, output, as_json)
    if output is not None:
        folder_of(output)
    elif chosen != "json" and is_terminal(sys.stdout):
        raise typer.BadParameter(f"{chosen} is not for a terminal: give --output, or a pipe.")
    said = _texts(texts or [], file)
    from influence_nb.api import defaults, load_encoder

    where = defaults.device(device, device_index)
    with waiting("Loading the encoder"):
        encoder = load_encoder(model, device=where, dtype=dtype, layer=layer, pooling=pooling)
    try:
        with stopping() as cancel, waiting("Embedding") as say:
            try:
                vectors = encoder.encode(
                    said, cancel=cancel, on_progress=lambda done, total: say(f"Embedding: {done} of {total}")
                )
            except Exception as error:
                if cancel.is_set():
                    raise typer.Exit(130) from error
                raise
    finally:
        encoder.unload()
    if chosen == "json" and output is None:
        print_json(_whole(encoder.name, said, vectors))
        return
    data = _written(chosen, encoder.name, said, vectors)
    if output is None:
        sys.stdout.buffer.write(data)
        return
    try:
        output.expanduser().write_bytes(data)
    except OSError as error:
        raise InvalidData(f"{output} cannot be written: {error}.", "Choose another place.") from error
    typer.echo(f"Saved {len(said)} vectors of {encoder.dimension} numbers to {output}", err=True)


def _format(format: Format | None, output: Path | None, as_json: bool) -> Format:
    if as_json and format not in (None, "json"):
        raise typer.BadParameter(f"--json and --format {format} were both given: leave one out.")
    if format or as_json or output is None:
        return format or "json"
    match output.suffix:
        case ".npy":
            return "npy"
        case ".parquet":
            return "parquet"
        case ".json":
            return "json"
    raise typer.BadParameter(f"{output.name} does not end in .json, .npy or .parquet: give --format too.")


def _texts(texts: list[str], file: Path | None) -> list[str]:
    if texts and texts != ["-"] and file is None:
        return texts
    whole = given.text("-" if texts == ["-"] else texts[0] if texts else None, file)
    return [line for line in whole.splitlines() if line.strip()]


def _whole(name: str, texts: list[str], vectors: Vectors) -> dict[str, object]:
    numbers = [[float(str(number)) for number in row] for row in vectors]  # as short as float32 allows
    return {"model": name, "dimension": vectors.shape[1], "texts": texts, "embeddings": numbers}


def _written(format: Format, name: str, texts: list[str], vectors: Vectors) -> bytes:
    """The bytes of a file of that format."""
    data = io.BytesIO()
    if format == "json":
        import json

        return json.dumps(_whole(name, texts, vectors), ensure_ascii=False).encode() + b"\n"
    if format == "npy":
        import numpy as np

        np.save(data, vectors)
        return data.getvalue()
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra(
            "Parquet files are written by the package pyarrow, which is not installed.",
            "Run: pip install pyarrow, or choose json or npy.",
        ) from error
    columns = {"text": texts, "embedding": pyarrow.array(list(vectors), pyarrow.list_(pyarrow.float32()))}
    parquet.write_table(pyarrow.table(columns), data)
    return data.getvalue()
