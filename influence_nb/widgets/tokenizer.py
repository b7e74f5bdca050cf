"""`TokenizerExplorer`: what models read: a text's tokens as one types, the vocabulary, the chat template, languages.

It knows tokenizers by their public calls, and the page's messages; what is drawn of them is `tokenizer_view.py`'s
business, how it is painted the page's (`widgets/tokenizer/`).
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import traitlets

from influence_nb import api
from influence_nb.engine import template
from influence_nb.engine.tokenizer import Tokenizer
from influence_nb.errors import InvalidData, ModelNotFound
from influence_nb.widgets import tokenizer_view as views
from influence_nb.widgets.base import readable, strict
from influence_nb.widgets.newest import Turn
from influence_nb.widgets.page_panel import STATIC, PagePanel
from influence_nb.widgets.state import State
from influence_nb.widgets.tokenizer_static import rendered

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

STARTER = "starter/chat"
TABS = ("text", "vocabulary", "chat", "languages")
TEXT = (
    "Tokenization isn't always obvious: naïve café, 北京, \N{SLIGHTLY SMILING FACE}.\n\n"
    "def f(x):\n    return 3.14159 * x\n"
)
MESSAGES = (
    {"role": "system", "content": "You answer in one sentence."},
    {"role": "user", "content": "Why is the sky blue?"},
    {"role": "assistant", "content": "Air scatters blue light more than red."},
    {"role": "user", "content": "And at sunset?"},
)
LONGEST = 4_000_000
"""Characters of a text that are taken: tokenizing so many takes some seconds."""


class TokenizerExplorer(PagePanel):
    """A model's tokenizer, or two side by side, in four tabs: a text, the vocabulary, the chat template, languages.

    `tokenize`, `find`, `chat` and `languages` show a tab each; `choose` takes other tokenizers. No model is loaded.
    Work is done in the background, one piece at a time: of what is asked meanwhile only the newest is done. Each
    method returns a future of what is shown then, a dict.

    Args:
        model: whose tokenizer: a name, a folder's name in the library or a loaded `Model`; None is the model that is
            selected, else the starter, which is fetched only when asked for.
        other: a second one to compare with; None for none.
        text: what is cut first.
        state: the selection shared with other panels; None for one of its own.

    Raises:
        TypeError: an unknown keyword.
    """

    _esm = STATIC / "tokenizer.js"
    _css = STATIC / "tokenizer.css"

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The models whose tokenizers can be chosen."""

    chosen = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The one or two that are shown."""

    tab = traitlets.Enum(TABS, "text").tag(sync=True)
    """Which tab is shown."""

    text = traitlets.Unicode().tag(sync=True)
    """The text that is cut."""

    start = traitlets.Int(0).tag(sync=True)
    """The character of it at which what is drawn begins."""

    query = traitlets.Unicode().tag(sync=True)
    """What the vocabulary is searched for."""

    kind = traitlets.Enum(views.KINDS, "text").tag(sync=True)
    """Whether that is text, bytes in hexadecimal, an id or a regular expression."""

    messages = traitlets.List(traitlets.Dict()).tag(sync=True)
    """The conversation that the chat template writes."""

    answering = traitlets.Bool(True).tag(sync=True)
    """Whether the beginning of an answer stands at its end."""

    view = traitlets.Dict().tag(sync=True)
    """What is drawn, see `tokenizer_view`, with the "tab" that it is of; empty before the first."""

    _answers_later = True

    @strict
    def __init__(
        self,
        *,
        model: Model | str | None = None,
        other: Model | str | None = None,
        text: str = TEXT,
        state: State | None = None,
    ) -> None:
        self._open: dict[str, Tokenizer] = {}
        self._given: dict[str, Any] = {}
        self._number = 0
        self._chosen_here = model is not None
        shared = state or State()
        chosen = [self._name(one) for one in (model or _tokenized(shared.selected), other) if one is not None]
        first = {"chosen": chosen, "names": chosen, "text": text, "messages": list(MESSAGES)}
        super().__init__(shared, state is None, ["selected"], **first)
        if state is None:
            self._work_out()

    # -- from Python and from the page -------------------------------------------------------------------------------

    def tokenize(self, text: str) -> Future[dict[str, Any]]:
        """Cut a text.

        Raises:
            InvalidData: no text, or more than 4 million characters.
        """
        return self._change(tab="text", text=text, start=0)

    def find(self, query: str, kind: str = "text") -> Future[dict[str, Any]]:
        """Search the vocabulary.

        Args:
            query: what for.
            kind: "text", "bytes" (in hexadecimal), "id" or "regex".

        Raises:
            InvalidData: it is none of these.
        """
        return self._change(tab="vocabulary", query=query, kind=kind)

    def chat(self, messages: Sequence[Mapping[str, str]], answering: bool = True) -> Future[dict[str, Any]]:
        """Show a conversation as the chat template writes it.

        Raises:
            InvalidData: a message without role or content.
        """
        return self._change(tab="chat", messages=list(messages), answering=answering)

    def languages(self) -> Future[dict[str, Any]]:
        """Show what languages cost."""
        return self._change(tab="languages")

    def choose(self, model: Model | str, other: Model | str | None = None) -> Future[dict[str, Any]]:
        """Take another tokenizer, or two.

        Raises:
            InvalidData: neither a name nor a model.
        """
        return self._change(chosen=[self._name(one) for one in (model, other) if one is not None])

    def static_html(self) -> str:
        """The tab that is shown, for a reader without a kernel."""
        with self._lock:
            return rendered(self.view.get("tab", self.tab), dict(self.view))

    # -- working it out ------------------------------------------------------------------------------------------------

    def _change(self, **values: Any) -> Future[dict[str, Any]]:
        """Set what is to be shown, and show it."""
        checked = {name: _CHECKS[name](value) for name, value in values.items()}
        if "chosen" in checked:
            self._chosen_here = True
        # in this order: who sees a change sees that it is not answered yet
        self._put(status="running", **checked)
        return self._work_out()

    def _work_out(self) -> Future[dict[str, Any]]:
        number = self._number

        def work(turn: Turn) -> dict[str, Any]:
            try:
                view = self._view()
            except Exception as error:
                said = readable(error)
                turn.if_newest(lambda: self._say(said))
                raise said from error
            else:
                turn.if_newest(lambda: self._put(view=view, problem=None))
                self.update_static()
                return view
            finally:
                turn.if_newest(lambda: self._put(status="idle"))
                self._put(answered=max(number, self.answered))

        return self._asking.ask(work, lambda: self._put(status="running"))

    def _view(self) -> dict[str, Any]:
        with self._lock:
            tab, chosen, text, start = self.tab, list(self.chosen), self.text, self.start
            query, kind, messages, answering = self.query, self.kind, list(self.messages), self.answering
        known = [model.name for model in api.library()]
        names = list(dict.fromkeys([*known, STARTER, *chosen]))  # an order in which arrow keys get to all
        if names != self.names:
            self._put(names=names)
        if chosen == [STARTER] and not self._chosen_here and STARTER not in known:
            raise ModelNotFound(
                f"{STARTER} is not on this machine yet.", "Fetch it, or choose another model."
            )
        tokenizers = [self._tokenizer(name) for name in chosen]
        match tab:
            case "text":
                view = views.text(tokenizers, text, start)
            case "vocabulary":
                view = views.vocabulary(tokenizers, query, kind)
            case "chat":
                view = views.chat(tokenizers, messages, answering)
            case _:
                view = views.languages(tokenizers)
        return {"tab": tab, **view}

    def _tokenizer(self, name: str) -> Tokenizer:
        if name not in self._open:
            self._open[name] = api.tokenizer(self._given.pop(name, name))
        return self._open[name]

    def _name(self, model: Any) -> str:
        if isinstance(model, str) and model:
            return model
        name = getattr(model, "name", None)
        if not isinstance(name, str):
            raise InvalidData(f"{reprlib.repr(model)} is no model.", "Give a name, or a loaded model.")
        self._given[name] = model
        return name

    def _follow(self, _: Any = None) -> None:
        """Take the selected model's tokenizer, until somebody chooses one."""
        name = self._name(_tokenized(self.state.selected))
        if self._chosen_here or self.chosen[:1] == [name]:
            return
        self._put(chosen=[name, *self.chosen[1:]])
        if self.view:
            self._work_out()

    # -- telling -------------------------------------------------------------------------------------------------------

    def _remedy(self, error: Exception) -> dict[str, Any]:
        """Whether to offer to fetch the starter."""
        return {"fetch": isinstance(error, ModelNotFound) and self.chosen == [STARTER]}

    def _asked(self, content: Any) -> None:
        match content:
            case {"type": "set", "values": dict(values), "number": int(number)} if set(values) <= set(
                _CHECKS
            ):
                self._number = number
                self._change(**values)
            case _:
                super()._asked(content)


def _tokenized(model: Any) -> Any:
    """The model itself where its tokenizer is on this machine, else the starter."""
    return model if model is not None and getattr(model, "local", None) is not None else STARTER


def _chosen(value: Any) -> list[str]:
    names = value if isinstance(value, list) else []
    if not 1 <= len(names) <= 2 or not all(isinstance(one, str) and one for one in names):
        raise InvalidData(f"{reprlib.repr(value)} are not one or two names.", "Give the names of models.")
    return names


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidData(f"{reprlib.repr(value)} is not text.", "Give a str.")
    if len(value) > LONGEST:
        raise InvalidData(
            f"The text has {len(value):,} characters; the explorer takes {LONGEST:,}.",
            "Give a part of it, or count in Python: len(inb.tokenizer().tokenize(text)).",
        )
    return value


def _one_of(*known: str) -> Any:
    def check(value: Any) -> Any:
        if value not in known:
            raise InvalidData(f"{reprlib.repr(value)} is not one of {', '.join(known)}.", "Give one of them.")
        return value

    return check


def _of(kind: type) -> Any:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise InvalidData(f"{reprlib.repr(value)} is no {kind.__name__}.", f"Give a {kind.__name__}.")
        return value

    return check


_CHECKS: dict[str, Any] = {
    "chosen": _chosen,
    "tab": _one_of(*TABS),
    "text": _text,
    "start": _of(int),
    "query": _of(str),
    "kind": _one_of(*views.KINDS),
    "messages": lambda value: template.checked(value),
    "answering": _of(bool),
}
"""What may be set, and what says whether a value may be."""
