"""What every panel shares: a strict constructor, a static rendering, messages and keys that always arrive.

It does not know what a panel shows.

A panel displays as two outputs: the live view, and after it a plain HTML rendering that is replaced
whenever the content changes for good. While a live view is on the page the second is hidden by CSS; in a
notebook without a kernel or without widgets it is what a reader sees. The live view's outermost element
has the class `live`, the rendering has the class `static`.
"""

from __future__ import annotations

import contextvars
import functools
import html
import inspect
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from influence_nb.errors import InfluenceError
from influence_nb.widgets import threads
from influence_nb.widgets.keys import keep_keys

T = TypeVar("T")
Init = TypeVar("Init", bound=Callable[..., None])

HIDE_STATIC = (
    "<style>.jp-OutputArea-child:has(.live) ~ .jp-OutputArea-child:has(.static){display:none}</style>"
)
BLOCK = (
    "border:1px solid rgba(128,128,128,.35);border-radius:6px;padding:10px 14px;margin:4px 0;"
    "max-width:60em;overflow-wrap:anywhere"
)
MUTED = "opacity:.7;font-size:85%"


def strict(init: Init) -> Init:
    """Make an unknown keyword of a constructor raise a TypeError that names the known ones.

    Widgets otherwise take any keyword and drop it in silence.
    """
    names = list(inspect.signature(init).parameters)[1:]

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **keywords: Any) -> None:
        unknown = [name for name in keywords if name not in names]
        if unknown:
            raise TypeError(
                f"{type(self).__name__}() does not know the keyword {', '.join(unknown)}. "
                f"It knows: {', '.join(names) or 'none'}."
            )
        init(self, *args, **keywords)

    return checked  # type: ignore[return-value]


def escape(text: object) -> str:
    """`text` as HTML that shows it and does nothing else."""
    return html.escape(str(text))


def static_block(title: str, *parts: str) -> str:
    """A titled block of a static rendering.

    Args:
        title: Plain text; it is escaped here.
        parts: HTML, already escaped.
    """
    heading = f'<p style="margin:0 0 6px"><strong>{escape(title)}</strong></p>'
    return f'<div style="{BLOCK}">{heading}{"".join(parts)}</div>'


def static_table(heads: Mapping[str, bool], rows: Iterable[Sequence[str]]) -> str:
    """A table of a static rendering.

    Args:
        heads: the columns' names, and whether each holds numbers, which stand to the right.
        rows: HTML of the cells, already escaped.
    """
    sides = ["right" if number else "left" for number in heads.values()]
    style = "text-align:{};vertical-align:top;padding:2px 14px 2px 0;white-space:normal"

    def line(tag: str, cells: Iterable[str]) -> str:
        made = (
            f'<{tag} style="{style.format(side)}">{one}</{tag}>'
            for one, side in zip(cells, sides, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<table><thead>{line('th', map(escape, heads))}</thead><tbody>{body}</tbody></table>"


def readable(error: Exception) -> InfluenceError:
    """The error itself where it is one of ours, else one that says in words what happened."""
    if isinstance(error, InfluenceError):
        return error
    translated = InfluenceError(
        f"{type(error).__name__}: {error}", "This is a fault in the program; nothing is lost."
    )
    translated.__cause__ = error
    return translated


def in_background(work: Callable[[], T], after: Future[Any] | None = None) -> Future[T]:
    """Run `work` on a thread of its own; what it displays goes to the cell that asked for it.

    Args:
        work: what to do.
        after: it begins when this one is over, however it ended: so the last one asked for has the last word.
    """
    future: Future[T] = Future()

    def run() -> None:
        if after is not None:
            wait([after])
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    context = contextvars.copy_context()
    threads.start(functools.partial(context.run, run))
    return future


class StaticFallback:
    """Mix in before a widget class: displays live, and leaves `static_html()` in the saved notebook."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        self._static_id = uuid.uuid4().hex
        self._static_lock = threading.RLock()
        self._static_shown: str | None = None
        self._static_listeners: list[Callable[[], None]] = []
        super().__init__(*args, **keywords)
        answer_on_own_loop(self)
        keep_keys()

    def static_html(self) -> str:
        """The content as HTML without scripts; all text in it escaped. Override it."""
        raise NotImplementedError

    def update_static(self) -> None:
        """Replace the static rendering wherever the panel is displayed. Callable from any thread."""
        for listener in self._static_listeners:
            listener()
        with self._static_lock:
            if self._static_shown is None:
                return
            bundle = self._static_bundle()
            if bundle["text/html"] != self._static_shown:
                self._static_shown = bundle["text/html"]
                _display(bundle, display_id=self._static_id, update=True)

    def on_static_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the static rendering may have changed: a panel that contains this one."""
        self._static_listeners.append(listener)

    def _static_bundle(self) -> dict[str, str]:
        return {
            "text/html": f'{HIDE_STATIC}<div class="inb-static static">{self.static_html()}</div>',
            "text/plain": f"<{type(self).__name__} as text/html>",
        }

    def _ipython_display_(self, **_: Any) -> None:
        bundle = self._repr_mimebundle_()  # type: ignore[attr-defined]
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        _display({**data, "text/plain": f"<{type(self).__name__}>"}, metadata=metadata)
        with self._static_lock:
            static = self._static_bundle()
            self._static_shown = static["text/html"]
            _display(static, display_id=self._static_id)


def _display(data: dict[str, Any], **keywords: Any) -> None:
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        display(data, raw=True, **keywords)


def answer_on_own_loop(widget: Any) -> None:
    """Let what the page sends arrive while a cell blocks.

    ipykernel 7 hands a comm's messages to the loop that last sent on it; when that is the loop a cell is
    blocking, a Stop would wait for the cell. JupyterLab sends comm messages on a loop of their own: keep
    them there. Handlers therefore run on another thread than cells do.
    """
    comm: Any = getattr(widget, "comm", None)
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default
