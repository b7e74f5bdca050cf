"""`influence embed`: texts as vectors, in JSON, as a NumPy array, or in a Parquet file.

It does not know how vectors come about, nor how files of texts are read.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from influence_nb.cli import given
from influence_nb.cli.loading import Device, DeviceIndex, complete_name, stopping
from influence_nb.cli.output import Json, folder_of, is_terminal, print_json, waiting
from influence_nb.errors import InvalidData, MissingExtra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from influence_nb.embeddings.encode import Encoder
    from influence_nb.embeddings.endpoint import EndpointEncoder

Format = Literal["json", "npy", "parquet"]
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
"""What files of texts with columns end in; any other file is a text a line."""


def command(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT...", help='The texts; "-", or none in a pipe, reads one a line.'),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Read one text a line, or a CSV, JSONL or Parquet file."),
    ] = None,
    text: Annotated[str, typer.Option(help="The column of that file that holds the texts.")] = "text",
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", autocompletion=complete_name, help="starter/embedding unless given."),
    ] = None,
    device: Device = None,
    device_index: DeviceIndex = None,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    layer: Annotated[int | None, typer.Option(help="A hidden layer, 0 for the input embeddings.")] = None,
    pooling: Annotated[str | None, typer.Option(help="mean, cls, last or weighted_mean.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="What stands before each text: a name that the model knows, or text.")
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(help="Ask this server's /v1/embeddings; its key is INFLUENCE_ENDPOINT_KEY."),
    ] = None,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Reuse vectors computed before, and keep new ones.")
    ] = True,
    format: Annotated[
        Format | None, typer.Option(help="json unless --output ends in .npy or .parquet.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Turn each TEXT into a vector.

    JSON has the model's name, the dimension, the texts and their embeddings; npy is a float32 array of a row a text;
    parquet has the columns text and embedding. Empty lines are left out. A CSV, JSONL or Parquet file that goes to a
    .npy file may be larger than memory; the same command goes on after it was stopped.
    """
    chosen = _format(format, output, as_json)
    if output is not None:
        folder_of(output)
    elif chosen != "json" and is_terminal(sys.stdout):
        raise typer.BadParameter(f"{chosen} is not for a terminal: give --output, or a pipe.")
    streams = file is not None and file.suffix.lower() in TABLES and chosen == "npy" and output is not None
    said = [] if streams else _texts(texts or [], file, text)
    from influence_nb.api import defaults, load_encoder

    encoder: Encoder | EndpointEncoder
    with waiting("Loading the encoder"):
        if endpoint is not None:
            if (device, device_index, dtype, layer, pooling) != (None, None, "auto", None, None):
                raise typer.BadParameter(
                    "An encoder on a server runs as that server says: leave --device, --dtype, --layer, --pooling out."
                )
            encoder = load_encoder(model, endpoint=endpoint)
        else:
            where = defaults.device(device, device_index)
            encoder = load_encoder(model, device=where, dtype=dtype, layer=layer, pooling=pooling)
    try:
        with stopping() as cancel, waiting("Embedding") as say:
            tell = _telling(say)
            if streams:
                assert output is not None
                vectors = encoder.encode_to(
                    output,
                    file,
                    text=text,
                    prompt=prompt,
                    cancel=cancel,
                    on_progress=tell,
                    overwrite=True,  # as every other --output
                )
            else:
                vectors = encoder.encode(said, cancel=cancel, on_progress=tell, prompt=prompt, cache=cache)
    finally:
        encoder.unload()
    if streams:
        typer.echo(f"Saved {len(vectors):,} vectors of {encoder.dimension} numbers to {output}", err=True)
        return
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


def _texts(texts: list[str], file: Path | None, text: str) -> list[str]:
    if file is not None and file.suffix.lower() in TABLES and not texts:
        from influence_nb.embeddings.reading import iter_texts

        return list(iter_texts(file, text))
    if texts and texts != ["-"] and file is None:
        return texts
    whole = given.text("-" if texts == ["-"] else texts[0] if texts else None, file)
    return [line for line in whole.splitlines() if line.strip()]


def _telling(say: Callable[[str], None]) -> Callable[[int, int | None], None]:
    """What shows how many are done, and from the mean rate so far how long the rest takes."""
    began = time.monotonic()

    def tell(done: int, total: int | None) -> None:
        if total is None:
            say(f"Embedding: {done:,}")
            return
        left = (time.monotonic() - began) / done * (total - done)
        say(f"Embedding: {done:,} of {total:,}, about {left:,.0f} s left")

    return tell


def _whole(name: str, texts: list[str], vectors: NDArray[np.floating[Any]]) -> dict[str, object]:
    numbers = [[float(str(number)) for number in row] for row in vectors]  # as short as float32 allows
    return {"model": name, "dimension": vectors.shape[1], "texts": texts, "embeddings": numbers}


def _written(format: Format, name: str, texts: list[str], vectors: NDArray[np.floating[Any]]) -> bytes:
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
