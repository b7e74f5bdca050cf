"""`TokenInspector`: a text as coloured tokens, what might have come at each of them, and going on from another.

It knows inspections and the page's messages; what is known of a token is the engine's business
(`engine/inspection.py`), how it is painted the page's (`widgets/inspector/`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from influence_nb import api
from influence_nb.engine.completion import Completion
from influence_nb.engine.inspection import (
    TOP,
    Inspection,
    of_completion,
    of_scores,
    of_text,
    recorded,
)
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.score import TokenScores
from influence_nb.engine.token_text import visible
from influence_nb.widgets.base import strict
from influence_nb.widgets.inspector_view import ShownTexts
from influence_nb.widgets.newest import Turn
from influence_nb.widgets.painter import Painter

if TYPE_CHECKING:
    from influence_nb.engine.completion import TokenEvent, TokenStream
    from influence_nb.engine.model import Model
    from influence_nb.widgets.state import State

_OFFERED = 5
"""Tokens that are listed under the pointer."""


class TokenInspector(ShownTexts):
    """A text as coloured tokens: what surprised the model, what might have come, and what would follow it.

    `inspect` looks at a completion, at scores or at any text, `write` lets the model go on with one. `at` shows what is
    known of a token, `take` takes another in its place and goes on from there, `show` returns to an earlier text,
    `colour` says what the colours mean. The page has a control for each.

    Args:
        source: what to look at first: a `Completion`, a `TokenScores`, or a text as `Model.score` takes it; None waits
            for the page.
        model: a loaded `Model` or its name; None follows what is selected. A completion is gone on with by its own.
        sampling: how what is written is chosen; None for the defaults.
        state: the selection shared with other panels; None for one of its own.

    Attributes:
        inspected: the text that is shown, an `Inspection`; None before the first.

    Raises:
        TypeError: an unknown keyword.
        ModelNotFound: `model` is a name, and no loaded model has it; or a text is given and no model is loaded.
    """

    @strict
    def __init__(
        self,
        source: Any = None,
        *,
        model: Model | str | None = None,
        sampling: Sampling | None = None,
        state: State | None = None,
    ) -> None:
        self._sampling = sampling or Sampling()
        self._coming: list[str] = []
        self._painter = Painter(self._show_coming)
        super().__init__(model, state)
        if source is not None:
            self.inspect(source)

    # -- from Python and from the page -----------------------------------------------------------------------------

    def inspect(self, source: Any = None) -> Future[Inspection]:
        """Look at a text, in the background, with one pass over it.

        Args:
            source: a `Completion`, a `TokenScores`, or a text as `Model.score` takes it; None for what the page says.

        Raises:
            ModelNotFound: a text is given, and no model is loaded.
        """
        if isinstance(source, Completion):
            with self._lock:
                self._begin_with(recorded(source), "as it came")
            return self._work(lambda stop: self._again(source, stop), "as it came")
        if isinstance(source, TokenScores):
            with self._lock:
                self._begin_with(of_scores(source, self.state.selected), "the text")
            if source.tops or self.state.selected is None:
                done: Future[Inspection] = Future()
                done.set_result(self._kept[0][0])
                return done
            return self._scored(list(source.ids), window=source.window, stride=source.stride)
        return self._scored(self._prompt(source))

    def write(self, prompt: Any = None) -> Future[Inspection]:
        """Let the model go on with a text or answer a message and look at what comes, in the background.

        Args:
            prompt: as `Model.stream` takes it; None for what the page says.

        Raises:
            ModelNotFound: no model is loaded.
        """
        given = self._prompt(prompt)
        model, sampling = self._present(), self._sampling.replace(max_new_tokens=self.length)

        def make(stop: threading.Event) -> Inspection:
            with api.awake(model) as present:
                completion = self._streamed(present.stream(given, sampling, stop))
                return of_completion(completion, stop)

        return self._work(make, "as it came", coming=())

    def take(self, token: int, index: int | None = None, length: int | None = None) -> Future[Inspection]:
        """Take another token at a place and go on from there, in the background; what was there stays in `branches`.

        Args:
            token: its id.
            index: the place; None for the one that is shown.
            length: how many tokens come at most, this one among them; None for what the page says.

        Raises:
            InvalidData: no such place or token, or nothing stands before the place.
            InvalidSampling: no such length.
            CapabilityMissing: the model was unloaded, or takes no token ids.
        """
        looked = self._looked()
        index = self._place(self.where if index is None else index)
        model = None if looked.model is None else self._own(looked.model)
        length = self.length if length is None else length
        sampling = None if index >= looked.given else self._sampling
        kept = looked.before(index)

        def begin(present: Model | None, stop: threading.Event) -> TokenStream:
            return looked.branch(index, token, sampling, stop, present, length)

        if model is None or model.is_loaded:
            begin(model, threading.Event()).close()  # what cannot be is refused at once

        self.length = length

        def make(stop: threading.Event) -> Inspection:
            assert model is not None
            with api.awake(model) as present:
                return of_completion(self._streamed(begin(present, stop)), stop, given=kept)

        before = [place.token for place in looked.places[:index]]
        other = next((one.token for one in looked[index].alternatives if one.id == token), str(token))
        words = f"token {index}: {visible(other)} for {visible(looked[index].token)}"
        return self._work(make, words, before, index)

    def load(self) -> Future[None]:
        """Load the model that was asked last again, and look at what could not be looked at without it."""
        loaded = super().load()

        def again(done: Future[None]) -> None:
            looked = self.inspected
            if not done.cancelled() and done.exception() is None and looked is not None:
                source = looked.completion
                if looked.missing and source is not None and looked.model is not None and not looked.given:
                    self.inspect(source)

        loaded.add_done_callback(again)
        return loaded

    # -- work --------------------------------------------------------------------------------------------------------

    def _scored(self, prompt: Any, **window: int) -> Future[Inspection]:
        model = self._present()

        def make(stop: threading.Event) -> Inspection:
            with api.awake(model) as present:
                if not window:
                    return of_text(present, prompt, stop, self._progressed)
                scores = present.score(prompt, cancel=stop, on_progress=self._progressed, top=TOP, **window)
                return of_scores(scores, present)

        return self._work(make, "the text")

    def _again(self, completion: Completion, stop: threading.Event) -> Inspection:
        model = recorded(completion).model
        if model is None:
            return recorded(completion)
        with api.awake(self._own(model)) as present:
            return of_completion(
                completion.on(present), stop, lambda at, all: self._progressed(at.index, all)
            )

    def _work(
        self,
        make: Callable[[threading.Event], Inspection],
        words: str,
        coming: Sequence[str] | None = None,
        at: int | None = None,
    ) -> Future[Inspection]:
        """Make an inspection in the background; of a branch, which goes on at `at`, what was there before is kept."""
        stop = self._begin()

        def begin() -> None:
            self._coming = list(coming or ())
            self._put(status="running", problem=None, hint={}, progress={})
            if coming is not None:
                self._put(tokens=self._coming, levels=[-1] * len(self._coming), view={})

        def work(turn: Turn) -> Inspection:
            with self._running():
                try:
                    made = make(stop)
                    with self._lock:
                        if not turn.over.is_set():
                            self._keep(made, words, at)
                    return made
                finally:
                    with self._lock:
                        self._coming = []
                        self._put(progress={})
                        self._show()

        return self._asking.ask(work, begin)

    def _streamed(self, stream: TokenStream) -> Completion:
        for event in stream:
            self._came(event)
        return stream.completion

    def _came(self, event: TokenEvent) -> None:
        if event.is_token:
            self._coming = [*self._coming, event.text]
            self._painter.ask()

    def _progressed(self, done: int, total: int) -> None:
        self._put(progress={"done": done, "total": total})

    def _show_coming(self) -> None:
        with self._lock:
            if self.status == "running" and self._coming:
                self._put(tokens=list(self._coming), levels=[-1] * len(self._coming))

    def _source(self) -> Model | None:
        return None if self.inspected is None else self.inspected.model

    # -- asking ------------------------------------------------------------------------------------------------------

    def _asked(self, content: Any) -> None:
        match content:
            case {
                "type": "score" | "write" as kind,
                "prompt": str(prompt),
                "chat": bool(chat),
                "length": int(length),
            }:
                self._put(prompt=prompt, chat=chat, length=length)
                self.inspect() if kind == "score" else self.write()
            case {"type": "colour", "measure": str(measure), "of": str(of)}:
                self.colour(measure, of)
            case {"type": "at", "index": int(index)}:
                self.at(index)
            case {"type": "hint", "index": int(index)}:
                self._put(hint=self._picture(index, _OFFERED))
            case {"type": "take", "id": int(token), "index": int(index), "length": int(length)}:
                self.take(token, index, length)
            case {"type": "show", "branch": int(branch)}:
                self.show(branch)
            case {"type": "export", "suffix": "html" | "csv" as suffix}:
                self._export(suffix)
            case _:
                super()._asked(content)
