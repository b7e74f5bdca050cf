"""What panels share: which models are loaded, which one is meant, and which one is wanted from the Hub.

It follows the engine's registry; it does not know the panels.
"""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import traitlets

from influence_nb.engine import keeping, registry
from influence_nb.errors import ModelNotFound

if TYPE_CHECKING:
    from influence_nb.engine.model import Model


class State(traitlets.HasTraits):
    """The loaded models and the selected one, kept up to date from whichever thread loads or unloads.

    A model that is loaded becomes the selected one, unless `follow` is False and one is selected already.
    When somebody unloads the selected model, none is, until the next one is loaded: that is selected, whatever
    `follow`. One that goes by itself (`keeping.Use.left`) stays selected, to be loaded again when it is needed; one
    that was not selected comes back without being selected.
    """

    loaded = traitlets.List(traitlets.Unicode())
    """The loaded models' names, the latest last, no two the same: where one name is loaded twice, device, dtype
    and quantization stand beside it, then the folder that holds the model's, then a number."""

    selected = traitlets.Any(None, allow_none=True)
    """The `Model` that the panels use, loaded or gone by itself; None for none."""

    wanted = traitlets.Unicode()
    """The repository on the Hub whose download is to be planned, as "owner/name"; "" for none."""

    memory = traitlets.Int()
    """Grows whenever the memory that models take may have changed: after a load, and once an unload is through."""

    library = traitlets.Int()
    """Grows whenever what is on the disk has changed; see `library_changed`."""

    def __init__(self, selected: Model | None = None, follow: bool = True) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._follow = follow
        self._models: list[Model] = registry.loaded()
        self.loaded = list(_labels(self._models))
        self.selected = selected or (self._models[-1] if self._models else None)
        self._unsubscribe = registry.subscribe(self._registry_changed)

    def models(self) -> dict[str, Model]:
        """The loaded models by their names in `loaded`."""
        return _labels(registry.loaded())

    def named(self, name: str) -> Model:
        """The loaded model of that name, as `loaded` writes it or as it was loaded by.

        Raises:
            ModelNotFound: no loaded model has it.
        """
        labels = self.models()
        by_name = {model.name: model for model in labels.values()}
        model = labels.get(name) or by_name.get(name)
        if model is None:
            hint = f"Loaded are: {', '.join(labels)}." if labels else f"Load it: inb.load({name!r})."
            raise ModelNotFound(f"{name!r} is not loaded.", hint)
        return model

    def label(self, model: Model | None) -> str:
        """The name of a loaded model in `loaded`; "" for None and for one that is not loaded."""
        return next((label for label, one in self.models().items() if one is model), "")

    def library_changed(self) -> None:
        """Tell the panels that a model came to the disk, or went."""
        with self._lock:
            self.library += 1

    def close(self) -> None:
        """Follow the registry no longer."""
        self._unsubscribe()

    def _registry_changed(self) -> None:
        with self._lock:
            before, self._models = self._models, registry.loaded()
            new = [model for model in self._models if model not in before]
            self.loaded = list(_labels(self._models))
            gone = self.selected is not None and self.selected not in self._models
            if gone and not self.selected.use.left:
                self.selected = None
            back = [model for model in new if gone and _is_copy(model, self.selected)]
            if new and (self.selected is None or (self._follow and not keeping.comes_back())):
                self.selected = new[-1]
            elif back:
                self.selected = back[-1]
            self.memory += 1


def _is_copy(model: Model, of: Model | None) -> bool:
    """Whether one model is another loaded again."""
    if of is None or of.local is None:
        return False
    return model.answers_to(of.local, of.device, of.dtype, of.quantization)


def _labels(models: list[Model]) -> dict[str, Model]:
    """Each model by a label that no other has, told apart by no more than is needed."""
    labels = [model.name for model in models]
    for describe in (_kind, _place):
        times = Counter(labels)
        labels = [
            label if times[label] == 1 else f"{model.name} ({describe(model)})"
            for label, model in zip(labels, models, strict=True)
        ]
    found: dict[str, Model] = {}
    for label, model in zip(labels, models, strict=True):
        number, free = 1, label
        while free in found:
            number += 1
            free = f"{label} #{number}"
        found[free] = model
    return found


def _kind(model: Model) -> str:
    return ", ".join(part for part in (model.device, model.dtype, model.quantization) if part)


def _place(model: Model) -> str:
    if model.local is None:
        return _kind(model)
    return f"{_kind(model)}, in {Path(model.local.path).parent.name}"
