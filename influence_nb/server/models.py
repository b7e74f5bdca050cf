"""The models that a server answers for, by name: the one it was given, those that are loaded, those of the library.

It does not know what they are asked. A name from a request is only ever compared with names; it is never a path.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from influence_nb import api
from influence_nb.api.shelf import here
from influence_nb.engine import keeping
from influence_nb.engine.model import Model
from influence_nb.errors import InfluenceError, ModelNotFound
from influence_nb.hub.starters import STARTERS
from influence_nb.server.refusals import Refused
from influence_nb.store.models import LocalModel

if TYPE_CHECKING:
    from influence_nb.embeddings.encode import Encoder

Given = Model | str | Path | LocalModel | None
"""What a server may be given: a loaded model, what `load` takes, or None."""


class Models:
    """Names to loaded models.

    Args:
        given: what the server was started with; None is the model that was loaded last, or else the starter.
        keep_alive: how long a model stays that is loaded for a request, as `load` takes it.
        offered: whether the rest of the library is offered too.
        device: where models are loaded, as `load` takes it.
        how: what else `load` is given for the model that the server was started with.

    Attributes:
        own: the model that a notebook has loaded and shares: no request unloads it. None where there is none.

    Raises:
        ModelNotFound, BrokenModel: what is given names no model of this machine.
    """

    def __init__(
        self,
        given: Given,
        keep_alive: float | str | None,
        offered: bool,
        device: str = "auto",
        how: Mapping[str, Any] | None = None,
    ) -> None:
        present = _here()
        if given is None and present:
            given = present[-1]
        self.own = given if isinstance(given, Model) else None
        self._given = None if isinstance(given, Model) else given
        # starters are fetched where they are not here yet
        if self._given is not None and self._given not in STARTERS:
            here(self._given)
        self._default: str | None = self.own.name if self.own else None
        self._files: dict[str, LocalModel] = {}
        if self.own is not None and self.own.local is not None:
            self._files[self.own.name] = self.own.local
        self._keep_alive = keep_alive
        self._device = device
        self._how = dict(how or {})
        self._offered = offered
        self._first = threading.Lock()
        self._encoders: dict[str, Encoder] = {}
        self._encoding = threading.Lock()
        self.failure: InfluenceError | None = None

    # -- the model that answers where none is named ---------------------------------------------------------------

    @property
    def default(self) -> str | None:
        """Its name; None while it is being loaded for the first time."""
        return self._default

    @property
    def is_ready(self) -> bool:
        """Whether it is in memory."""
        return self._default is not None and any(one.name == self._default for one in self.present())

    def begin(self) -> Model:
        """Load it; what goes wrong is kept in `failure`, and tried again by the next request."""
        with self._first:
            if self._default is not None:
                return self._find(self._default)
            try:
                model = api.load(self._given, device=self._device, **self._how)
            except InfluenceError as error:
                self.failure = error
                raise
            self.failure = None
            self._default = model.name
            if model.local is not None:
                self._files[model.name] = model.local
            return model

    # -- by name --------------------------------------------------------------------------------------------------

    async def hold(self, name: str | None) -> Model:
        """The model of that name, loaded if it is not yet; it stays until its `use.end()`.

        Raises:
            ModelNotFound: there is none.
            InfluenceError: it cannot be loaded.
        """
        for _ in range(3):  # it may be unloaded between being found and being held
            model = await to_thread.run_sync(self._named, name)
            if model.use.begin():
                return model
        raise model.unloaded()

    async def encoder(self, name: str | None) -> Encoder:
        """The encoder of that name, loaded if it is not yet; None is the starter."""
        return await to_thread.run_sync(self._encoder, plain(name))

    def present(self) -> list[Model]:
        """The models in memory, the server's own at the end."""
        models = [model for model in _here() if model is not self.own]
        return [*models, self.own] if self.own is not None and self.own.is_loaded else models

    def encoders(self) -> list[str]:
        """The names of the encoders in memory."""
        return list(self._encoders)

    def unload_encoder(self, name: str) -> None:
        """Free an encoder, if it is loaded."""
        with self._encoding:
            encoder = self._encoders.pop(plain(name) or "", None)
        if encoder is not None:
            encoder.unload()

    def listed(self) -> list[LocalModel]:
        """What is offered: the library, and what else is loaded from this machine."""
        found = {model.name: model for model in (api.library() if self._offered else ())}
        found |= {name: local for name, local in self._files.items() if local.path.exists()}
        for model in self.present():
            if model.local is not None:
                found.setdefault(model.name, model.local)
        return list(found.values())

    def files(self, name: str) -> LocalModel:
        """The model of that name on this machine.

        Raises:
            ModelNotFound: there is none.
        """
        wanted = plain(name)
        for local in self.listed():
            if local.name == wanted:
                return local
        if self._offered and wanted is not None:
            try:
                return api.library()[wanted]
            except ModelNotFound:
                pass
        raise not_found(name)

    def unload(self, name: str | None) -> None:
        """Let a model go that is not in use; nothing where it is not loaded.

        Raises:
            ModelNotFound: there is none of that name.
            Refused: it is the notebook's own, or in use.
        """
        wanted = plain(name) or self._default
        if wanted in self._encoders:
            self.unload_encoder(wanted)
            return
        found = [model for model in self.present() if model.name == wanted]
        if not found and wanted is not None:
            self.files(wanted)
        for model in found:
            if model is self.own:
                raise Refused(409, f"{model.name} belongs to the program that serves it, and stays loaded.")
            if not model.use.claim():
                raise Refused(409, f"{model.name} is in use.", "Ask again when it is idle.")
            model.unload()

    def delete(self, name: str) -> None:
        """Remove a model from the disk.

        Raises:
            ModelNotFound: there is none of that name in the library.
            Refused: it is in use.
        """
        local = self.files(name)
        self.unload(local.name)
        api.library().remove(local.name)

    def close(self) -> None:
        """Free the encoders; models stay for whoever else has them."""
        for name in self.encoders():
            self.unload_encoder(name)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _named(self, name: str | None) -> Model:
        wanted = plain(name)
        if wanted is None or self._default is None:
            first = self.begin()
            if wanted in (None, first.name):
                return first
        assert wanted is not None
        return self._find(wanted)

    def _find(self, name: str) -> Model:
        for model in reversed(self.present()):
            if model.name == name and model.use.touch():
                return model
        local = self.files(name)
        if local.kind == "embedding":
            raise Refused(400, f'"{name}" does not support generate: it makes embeddings.', "Ask /api/embed.")
        model = api.load(local, device=self._device)
        if model.keep_alive is None:
            keeping.keep(model, keeping.seconds(self._keep_alive))
        return model

    def _encoder(self, name: str | None) -> Encoder:
        with self._encoding:
            wanted = name or "starter/embedding"
            if wanted not in self._encoders:
                if name is not None and self.files(wanted).kind != "embedding":
                    raise Refused(
                        400, f'"{name}" does not support embeddings.', "Ask a model that makes them."
                    )
                given = None if name is None else self.files(wanted)
                self._encoders[wanted] = api.load_encoder(given, device=self._device)
            return self._encoders[wanted]


def _here() -> list[Model]:
    """The loaded models that run on this machine: one on a server may be asked of this very server."""
    return [model for model in api.loaded() if model.local is not None]


def plain(name: str | None) -> str | None:
    """A name as the library has it: without ":latest"; None for none."""
    return name.removesuffix(":latest") or None if name else None


def not_found(name: str) -> ModelNotFound:
    """What is said of a name that no model has, in Ollama's words, which its clients look for."""
    return ModelNotFound(f"model {name!r} not found", "GET /v1/models lists what is here.")
