"""`influence serve`: the models of this machine for other programs, over HTTP, until Ctrl-C.

It does not know the endpoints.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from influence_nb.cli.frame import grouped
from influence_nb.cli.loading import Device, DeviceIndex, Dtype, Quantization, Runtime, model_argument
from influence_nb.cli.sampling import OVERRIDES


@grouped(sampling=OVERRIDES)
def command(
    model: Annotated[
        str | None,
        model_argument(
            "What answers where a request names none; INFLUENCE_MODEL_PATH unless given, else starter/chat."
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="INFLUENCE_PORT unless given, else 11434; 0 takes any free one."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; others than this machine's own need INFLUENCE_API_KEY.")
    ] = "127.0.0.1",
    device: Device = None,
    device_index: DeviceIndex = None,
    dtype: Dtype = "auto",
    quantization: Quantization = None,
    runtime: Runtime = "auto",
    keep_alive: Annotated[
        str,
        typer.Option(help="How long a model stays that was loaded for a request: 30s, 5m, 1h; -1 for ever."),
    ] = "5m",
    library: Annotated[
        bool, typer.Option("--library/--no-library", help="Offer the other models of the library too.")
    ] = True,
    pull: Annotated[bool, typer.Option("--pull/--no-pull", help="Let clients fetch models.")] = True,
    delete: Annotated[bool, typer.Option("--delete/--no-delete", help="Let clients remove models.")] = True,
    queue: Annotated[int, typer.Option(min=1, help="Prompts that may wait.")] = 512,
    time_limit: Annotated[float, typer.Option(help="Seconds that an answer may take.")] = 3600,
    body_limit: Annotated[int, typer.Option(min=1, help="Bytes that a request may have.")] = 16 * 2**20,
    *,
    sampling: dict[str, Any],
) -> None:
    """Answer other programs over HTTP: Ollama's API, OpenAI's and our own.

    It prints its address once it answers, and loads the model meanwhile. Ctrl-C lets what runs finish, and ends.
    Sampling options, and the settings that stand in for them, hold in every API where a request says nothing; what
    they leave open is as each API has it. The key that clients have to give is INFLUENCE_API_KEY; it is no option,
    since other users of a machine can read those.
    """
    from influence_nb.api import defaults
    from influence_nb.server import serve
    from influence_nb.settings import settings

    name = defaults.model(model)
    key = settings().api_key
    server = serve(
        name,
        settings().port if port is None else port,
        host=host,
        api_key=None if key is None else key.get_secret_value(),
        sampling=defaults.said(**sampling),
        keep_alive=_seconds(keep_alive),
        library=library,
        pull=pull,
        delete=delete,
        device=defaults.device(device, device_index),
        dtype=dtype,
        quantization=quantization,
        runtime=runtime,
        queue=queue,
        body_limit=body_limit,
        time_limit=time_limit,
    )
    typer.echo(f"Serving {name} at {server.url}")
    server.wait()


def _seconds(said: str) -> float | str:
    """A time as `load` takes it: a number alone is seconds."""
    try:
        return float(said)
    except ValueError:
        return said
