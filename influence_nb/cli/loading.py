"""Options of all commands that load a model, the loading itself with its stages shown, and Ctrl-C as a wish to stop.

It does not know what is done with the model.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influence_nb.cli.frame import Group, option
from influence_nb.cli.output import visible, waiting
from influence_nb.errors import InfluenceError

if TYPE_CHECKING:
    from influence_nb.embeddings.text_encoder import TextEncoder
    from influence_nb.engine.model import Model
    from influence_nb.evaluation.tasks import Task


def complete_name(incomplete: str) -> list[str]:
    """The names of models on this machine that begin so, for a shell that completes them."""
    from influence_nb.api import library

    names = [one.name for one in library().everything()]
    return [name for name in (*names, "starter/chat", "starter/embedding") if name.startswith(incomplete)]


def model_argument(help: str) -> Any:
    """The argument MODEL, which a shell completes."""
    return typer.Argument(metavar="MODEL", autocompletion=complete_name, help=help)


Name = Annotated[str, model_argument("A name in the library, or a folder.")]
Device = Annotated[
    str | None,
    typer.Option(help="auto, cpu, cuda, cuda:1 or mps; INFLUENCE_DEVICE unless given, else auto."),
]
DeviceIndex = Annotated[
    int | None,
    typer.Option("--device-index", min=0, help="Which GPU, from 0; INFLUENCE_DEVICE_INDEX unless given."),
]


@dataclass(frozen=True)
class Loading:
    """Which model, and how it is loaded."""

    name: str | None
    how: dict[str, Any]

    def as_recorded(self, facts: Mapping[str, Any]) -> Loading:
        """The same where something was asked for, and else as a run's facts say that it was loaded."""
        from influence_nb.api import as_recorded

        chosen = {name: one for name, one in self.how.items() if one not in (None, False, "auto")}
        recorded = {} if "endpoint" in chosen else as_recorded(facts)
        if "endpoint" in recorded:  # that server has chosen the device
            chosen["device"] = "auto"
        return Loading(self.name or facts["model"], self.how | recorded | chosen)

    @contextmanager
    def model(self) -> Iterator[Model]:
        """The loaded model, which is unloaded at the end."""
        loaded = self.load()
        try:
            yield loaded
        finally:
            loaded.unload()

    @contextmanager
    def encoder(self) -> Iterator[TextEncoder]:
        """The same as an encoder; without a name the starter, or the only one on the server."""
        from influence_nb.api import load_encoder

        own = {"quantization": None, "runtime": "auto"}
        if refused := [name for name, usual in own.items() if self.how[name] != usual]:
            raise typer.BadParameter(f"Encoders have no such choice: leave --{refused[0]} out.")
        how = {name: one for name, one in self.how.items() if name not in own}
        loaded = load_encoder(self.name, **how)
        try:
            yield loaded
        finally:
            loaded.unload()

    @contextmanager
    def answering(self, task: Task) -> Iterator[Model | TextEncoder]:
        """Who answers a task, and its judge beside it where it has one."""
        from influence_nb.engine import registry
        from influence_nb.evaluation.judges import Judge

        with ExitStack() as stack:
            opened = self.encoder() if task.scorer.asks == "encoder" else self.model()
            who: Any = stack.enter_context(opened)
            judge = task.scorer.model if isinstance(task.scorer, Judge) else None
            if judge is not None and registry.named(judge) is None:
                stack.enter_context(Loading(judge, _USUAL | {"device": self.how["device"]}).model())
            yield who

    def load(self, other: str | None = None) -> Model:
        """Load the model, or another one in the same way."""
        from influence_nb.api import load
        from influence_nb.api.defaults import model

        name = other or self.name
        if name is None and self.how["endpoint"] is None:
            name = model()
        what = f"Loading {visible(name or 'the model')}"
        log = logging.getLogger("influence_nb.cli")
        stages = set()
        with waiting(what) as say:

            def tell(stage: str, share: float | None) -> None:
                say(f"{what}: {stage}" + ("" if share is None else f" {share:.0%}"))
                if stage not in stages:
                    stages.add(stage)
                    log.info("loading", extra={"model": name, "stage": stage})

            loaded = load(name, on_progress=tell, **self.how)
        facts = {name: getattr(loaded, name) for name in ("device", "dtype", "quantization", "runtime")}
        log.info("loaded", extra={"model": loaded.name, "seconds": round(loaded.load_seconds, 3), **facts})
        return loaded


def _loading(given: dict[str, Any]) -> Loading:
    from influence_nb.api.defaults import device

    name, index = given.pop("device"), given.pop("device_index")
    if given["endpoint"] is not None:
        if name is not None or index is not None:
            raise typer.BadParameter(
                "A model on a server is where that server has put it: leave --device out."
            )
        where = "auto"
    else:
        where = device(name, index)
    return Loading(given.pop("model"), {**given, "device": where})


_WHICH = (
    "A name in the library, a folder, or a GGUF file; INFLUENCE_MODEL_PATH unless given, else starter/chat."
)
_MODEL = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        autocompletion=complete_name,
        help=_WHICH,
    ),
]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Quantization = Annotated[str | None, typer.Option(help="Pack the weights while loading: int8 or nf4.")]
Runtime = Annotated[str, typer.Option(help="auto, transformers or llama.cpp.")]
_MODEL_FIRST = Annotated[
    str | None,
    model_argument(_WHICH),
]
_HOW = (
    option("device", Device),
    option("device_index", DeviceIndex),
    option("dtype", Dtype, "auto"),
    option("quantization", Quantization),
    option("runtime", Runtime, "auto"),
    option(
        "endpoint",
        Annotated[
            str | None,
            typer.Option(help="Use a model on this server; its key is INFLUENCE_ENDPOINT_KEY."),
        ],
    ),
    option(
        "trust_remote_code",
        Annotated[
            bool, typer.Option("--trust-remote-code", help="Let Python code that lies with the model run.")
        ],
        False,
    ),
)
_USUAL = {one.name: one.default for one in _HOW if one.name not in ("device", "device_index")}
LOADING = Group((option("model", _MODEL_FIRST), *_HOW), _loading)
LOADING_BY_OPTION = Group((option("model", _MODEL), *_HOW), _loading)
"""The same where the command's argument is something else: the model is `--model`."""


@contextmanager
def stopping(said: str = "Interrupted.") -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, once; the second one interrupts as ever.

    What fails for that ends the command with 130, and `said` instead of an error.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def asked(*_: object) -> None:
        if stop.is_set() and callable(before):
            before(signal.SIGINT, None)
        stop.set()
        sys.stderr.flush()

    signal.signal(signal.SIGINT, asked)
    try:
        yield stop
    except InfluenceError as error:
        if not stop.is_set():
            raise
        typer.echo(said, err=True)
        raise typer.Exit(130) from error
    finally:
        signal.signal(signal.SIGINT, before)
