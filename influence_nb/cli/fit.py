"""`influence fit`: whether a model fits a device, and what it takes there, before it is fetched or loaded.

It does not know the arithmetic.
"""

from __future__ import annotations

from typing import Annotated

import typer

from influence_nb.cli.loading import Device, DeviceIndex, model_argument
from influence_nb.cli.output import Json, print_json, visible, waiting


def command(
    model: Annotated[
        str | None,
        model_argument(
            "A name in the library, a folder, or owner/name on the Hub; INFLUENCE_MODEL_PATH unless given."
        ),
    ] = None,
    device: Device = None,
    device_index: DeviceIndex = None,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    quantization: Annotated[
        str | None, typer.Option(help="int8, nf4, or a GGUF type such as Q4_K_M.")
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(help="Tokens in each row; 4096 unless given, or what the model was made for."),
    ] = None,
    batch: Annotated[int, typer.Option(help="Rows that run together.")] = 1,
    mirror: Annotated[str | None, typer.Option(help="Another hub's address.")] = None,
    as_json: Json = False,
) -> None:
    """Say whether MODEL fits the device: its weights, KV cache and activations beside the memory that is free.

    Of a model on the Hub only its config and the headers of its weights are asked for.
    """
    from influence_nb.api import defaults, fit

    with waiting("Reading"):
        report = fit(
            defaults.model(model),
            device=defaults.device(device, device_index),
            dtype=dtype,
            quantization=quantization,
            context=context,
            batch=batch,
            mirror=mirror,
        )
    if as_json:
        print_json(report)
    else:
        typer.echo(visible(str(report)))
