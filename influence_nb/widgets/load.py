"""`LoadPanel`: load models from the library or connect to those on a server, see what they take, unload them.

It knows the library and the engine's registry by their public calls; loading runs in the background.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any

import ipywidgets

from influence_nb import api
from influence_nb.engine import device, packed, registry
from influence_nb.errors import InfluenceError
from influence_nb.hub.starters import STARTERS
from influence_nb.widgets.base import (
    MUTED,
    StaticFallback,
    escape,
    in_background,
    readable,
    static_block,
    strict,
)
from influence_nb.widgets.form import STYLE, labelled, message, page_button, stages, text_field
from influence_nb.widgets.gauge import Memory, gauges, measure, size
from influence_nb.widgets.state import State

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

STAGES = ("files", "weights", "warm-up", "ready")


class LoadPanel(StaticFallback, ipywidgets.VBox):
    """A form that loads a model from the library, with its stages and the memory it takes.

    Several models may be loaded at once; each has its own Unload button. `load`, `connect` and `unload` do from
    Python what the buttons do.

    Args:
        state: the selection shared with other panels; None for one of its own.

    Raises:
        TypeError: an unknown keyword.
    """

    @strict
    def __init__(self, *, state: State | None = None) -> None:
        self.state = state or State()
        self._devices = ["cpu"]
        self._before: list[Memory] = []
        self._free = threading.Lock()  # held while a model is loaded or unloaded
        self._refreshed: Future[None] | None = None  # the last refresh asked for
        self._unseen = ""  # what a failed refresh said
        self._model = labelled(ipywidgets.Dropdown, "Model", [("starter/chat", "starter/chat")])
        self._device = labelled(ipywidgets.Dropdown, "Device", ["auto"])
        self._dtype = labelled(ipywidgets.Dropdown, "Data type", list(device.DTYPES))
        self._packing = labelled(ipywidgets.Dropdown, "Quantization", [("none", "")])
        self._load_button = page_button(
            "Load", "Load the chosen model", lambda: self._clicked(self.load), "primary"
        )
        self._refresh_button = page_button("Refresh", "Look for models and devices again", self.refresh)
        self._server = text_field("Or a server's address", "http://127.0.0.1:8000/v1", self._connect_clicked)
        self._served = text_field("Its model", "the only one it has", self._connect_clicked)
        self._connect_button = page_button(
            "Connect", "Connect to the model on the server", self._connect_clicked
        )
        self._stages = ipywidgets.HTML()
        self._bar = ipywidgets.FloatProgress(min=0, max=1, layout={"width": "100%"})
        self._progress = ipywidgets.VBox([self._stages, self._bar], layout={"display": "none"})
        self._message = ipywidgets.HTML()
        self._gauges = ipywidgets.HTML()
        self._rows = ipywidgets.VBox()
        choices = ipywidgets.HBox([self._model, self._device, self._dtype, self._packing]).add_class(
            "inb-row"
        )
        buttons = ipywidgets.HBox([self._load_button, self._refresh_button]).add_class("inb-row")
        server = ipywidgets.HBox([self._server, self._served, self._connect_button]).add_class("inb-row")
        parts = [ipywidgets.HTML(STYLE), choices, buttons, server, self._progress, self._message]
        super().__init__([*parts, self._gauges, self._rows])
        for name in ("inb-form", "inb-load", "live"):
            self.add_class(name)
        self._measure()
        self._show_loaded()
        self.state.observe(self._registry_changed, "loaded")
        self.state.observe(lambda _: self._measure(), "memory")
        self.state.observe(lambda _: self.refresh(), "library")
        self.refresh()

    def load(
        self,
        model: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        quantization: str | None = None,
    ) -> Future[Model]:
        """Load a model in the background; what is not given is taken from the form.

        Args:
            model, device, dtype: as `influence_nb.load` takes them.
            quantization: "int8", "nf4", or "" for none.

        Returns:
            A future of the loaded `Model`.

        Raises:
            InfluenceError: the panel is still busy with something else.
        """
        name, where, kind = (
            model or self._model.value,
            device or self._device.value,
            dtype or self._dtype.value,
        )
        how = self._packing.value if quantization is None else quantization

        def work() -> Model:
            self._show_stage("files", 0.0)
            return api.load(
                name, device=where, dtype=kind, on_progress=self._show_stage, quantization=how or None
            )

        return self._run(work, "", f"{name} is loaded.")

    def connect(self, endpoint: str | None = None, model: str | None = None) -> Future[Model]:
        """Connect in the background to a model on a server; what is not given is taken from the form.

        A key is taken from INFLUENCE_ENDPOINT_KEY; another one is given by `inb.load(..., endpoint=..., key=...)`.

        Returns:
            A future of the loaded `Model`.

        Raises:
            InfluenceError: the panel is still busy with something else.
        """
        address = endpoint or self._server.value.strip()
        name = model or self._served.value.strip() or None
        return self._run(
            lambda: api.load(name, endpoint=address), "Asking the server which models it has.", "Connected."
        )

    def unload(self, name: str) -> Future[None]:
        """Unload the loaded model of that name in the background, and give its memory back.

        Raises:
            ModelNotFound: no loaded model has that name.
            InfluenceError: the panel is still busy with something else.
        """
        unload = self.state.named(name).unload
        return self._run(
            unload, f"Unloading {name}: what it is answering ends first.", f"{name} is unloaded."
        )

    def refresh(self) -> Future[None]:
        """Look anew, in the background, for models in the library and for devices.

        Returns:
            A future that is done when the form shows what was found; what failed is said in the panel too.
        """
        before = self._refreshed

        def whole() -> None:
            if before is not None:  # in the order asked, so that the last one has the last word
                wait([before])
            try:
                self._look()
            except Exception as error:
                said = self._say(error)
                self._unseen = self._message.value
                raise said from error
            if self._message.value == self._unseen:
                self._message.value = ""

        self._refreshed = in_background(whole)
        return self._refreshed

    def static_html(self) -> str:
        """Which models are loaded and the memory in use, for a reader without a kernel."""
        rows = "".join(f"<li>{escape(_facts(model))}</li>" for model in registry.loaded())
        models = f"<ul>{rows}</ul>" if rows else "<p>No model is loaded.</p>"
        memory = [f"{one.label}: {size(one.used)} of {size(one.total)}" for one in measure(self._devices)]
        return static_block("Loaded models", models, f'<p style="{MUTED}">{escape(" · ".join(memory))}</p>')

    def _run(self, work: Callable[[], Any], doing: str, done: str) -> Future[Any]:
        if not self._free.acquire(blocking=False):
            raise InfluenceError("The panel is still loading or unloading a model.", "Wait until it is done.")
        self._before = measure(self._devices)
        self._enable(False)
        self._message.value = message(doing) if doing else ""

        def whole() -> Any:
            try:
                result = work()
            except Exception as error:
                raise self._say(error) from error
            else:
                self._message.value = message(done)
                return result
            finally:
                self._progress.layout.display = "none"
                self._measure()
                self._free.release()
                self._enable(True)
                self.update_static()

        return in_background(whole)

    def _say(self, error: Exception) -> InfluenceError:
        said = readable(error)
        self._message.value = message(said.message, said.hint, "problem")
        return said

    def _clicked(self, action: Callable[[], object]) -> None:
        try:
            action()
        except InfluenceError as error:
            self._say(error)

    def _connect_clicked(self) -> None:
        self._clicked(self.connect)

    def _look(self) -> None:
        models = [model for model in api.library() if model.kind == "chat"]
        models.sort(key=lambda model: (model.source != "starter", model.name))
        options = [(f"{model.name} · {size(model.size)}", model.name) for model in models]
        here = {model.name for model in models}
        missing = [one for one in STARTERS.values() if one.name not in here and one.name.endswith("/chat")]
        options = [(f"{one.name} · fetches {size(one.size)}", one.name) for one in missing] + options
        _offer(self._model, options)
        self._devices = device.available()
        _offer(self._device, [(name, name) for name in ("auto", *self._devices)])
        ways = {way: None for one in self._devices for way in packed.possible(one)}
        _offer(self._packing, [("none", ""), *((way, way) for way in ways)])
        self._measure()

    def _show_stage(self, stage: str, share: float | None) -> None:
        self._progress.layout.display = ""
        self._stages.value = stages(STAGES, stage)
        done = 1.0 if stage == STAGES[-1] else (STAGES.index(stage) + (share or 0.0)) / len(STAGES)
        if done in (0, 1) or abs(done - self._bar.value) >= 0.01:
            self._bar.value = done

    def _measure(self) -> None:
        self._gauges.value = gauges(measure(self._devices), self._before)

    def _registry_changed(self, _: Any) -> None:
        self._show_loaded()
        self._measure()
        self.update_static()

    def _show_loaded(self) -> None:
        self._rows.children = [self._row(name, model) for name, model in self.state.models().items()]

    def _row(self, name: str, model: Model) -> ipywidgets.HBox:
        facts = ipywidgets.HTML(f"<span>{escape(_facts(model))}</span>")
        button = page_button("Unload", f"Unload {name}", lambda: self._clicked(lambda: self.unload(name)))
        button.disabled = self._free.locked()
        return ipywidgets.HBox([facts, button]).add_class("inb-loaded")

    def _enable(self, enabled: bool) -> None:
        for row in self._rows.children:
            row.children[1].disabled = not enabled
        controls = (
            self._model,
            self._device,
            self._dtype,
            self._packing,
            self._load_button,
            self._refresh_button,
        )
        for control in (*controls, self._server, self._served, self._connect_button):
            control.disabled = not enabled


def _facts(model: Model) -> str:
    context = f", context of {model.context_length:,} tokens" if model.context_length else ""
    if model.local is None:
        return f"{model.name}: on the server {model.device}{context}"
    how = f"{model.dtype}, {model.quantization}" if model.quantization else model.dtype
    return f"{model.name}: {model.device}, {how}{context}, loaded in {model.load_seconds:.1f} s"


def _offer(choice: Any, options: list[tuple[str, str]]) -> None:
    """Change what is offered; what was chosen stays chosen where it still is."""
    chosen = choice.value
    if tuple(options) != tuple(choice.options):
        choice.options = options
    if chosen in [value for _, value in options]:
        choice.value = chosen
