"""The parts that forms are made of: labelled controls, buttons, stages, messages, and one style for all.

Colours are JupyterLab's variables, so both themes hold, but for the grounds of white text: those of the dark theme
are too light for it. It does not know what a form is for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import traitlets

from influence_nb.widgets.base import answer_on_own_loop, escape
from influence_nb.widgets.here import here

STYLE = """<style>
.inb-form { padding: 4px; max-width: 60em; color: var(--jp-ui-font-color1, inherit);
  --inb-ground-now: #1565c0; --inb-ground-done: #2e7d32; --inb-ground-bad: #c62828; }
.inb-form, .inb-form .widget-box { overflow: visible; } /* else the ring around what has the focus is cut off */
.inb-form .widget-html-content { overflow-wrap: anywhere; }
.inb-form a { color: var(--jp-content-link-color, #1976d2); text-decoration: underline; }
.inb-form .inb-row { margin-bottom: 6px; flex-wrap: wrap; gap: 4px 16px; align-items: flex-end; overflow: visible; }
.inb-labelled { flex: 1 1 12em; min-width: 10em; overflow: visible; } /* weak: a panel's own style goes before it */
.inb-form .widget-dropdown > .widget-label { font-size: 12px; opacity: .8; text-align: left; width: auto; }
.inb-form .widget-dropdown { flex-direction: column; align-items: stretch; height: auto; width: 100%; }
.inb-form .inb-labelled.widget-text { flex-direction: column; align-items: stretch; height: auto; }
.inb-form .inb-labelled.widget-text > .widget-label { font-size: 12px; opacity: .8; text-align: left; width: auto; }
.inb-form .inb-labelled.widget-text > input { flex: 0 0 30px; width: 100%; height: 30px; border-radius: 3px; }
.inb-form .inb-labelled.widget-text > input::placeholder { color: inherit; opacity: .7; }
.inb-form .widget-dropdown > select {
  flex: 0 0 30px; width: 100%; background-image: none; appearance: auto; /* an arrow in the text's colour */
}
.inb-form button.jupyter-button { border-radius: 4px; }
.inb-form .inb-row > button.jupyter-button { width: auto; min-width: 7em; padding: 0 14px; }
.inb-form button:focus-visible, .inb-form select:focus-visible, .inb-form input:focus-visible,
.inb-form a:focus-visible, .inb-form summary:focus-visible {
  outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
.inb-form .inb-stages { display: flex; gap: 6px; font-size: 12px; line-height: 1.6; }
.inb-form .inb-stage { padding: 0 8px; border-radius: 9px; opacity: .7;
  border: 1px solid var(--jp-border-color1, #bdbdbd); }
.inb-form .inb-stage[data-status=done] { opacity: 1; }
.inb-form .inb-stage[data-status=now] { opacity: 1; color: white; border-color: transparent;
  background: var(--inb-ground-now); }
.inb-form .inb-said { line-height: 1.5; padding: 2px 0; }
.inb-form .inb-said[data-kind=problem] { padding: 6px 10px; border-left: 3px solid var(--jp-error-color1, #d32f2f);
  background: var(--jp-layout-color2, rgba(128,128,128,.12)); }
.inb-form .inb-gauge { display: flex; flex-wrap: wrap; gap: 0 10px; align-items: center; font-size: 12px;
  line-height: 1.8; }
.inb-form .inb-gauge-label { flex: 0 0 10em; } /* the same in each, so that the bars stand below each other */
.inb-form .inb-gauge > .inb-track { flex: 1 1 6em; max-width: 14em; }
.inb-form .inb-gauge-text { flex: 0 1 auto; } /* below the bar where a line does not hold both */
.inb-form .inb-track { position: relative; height: 8px; border-radius: 4px; overflow: hidden;
  background: var(--jp-layout-color3, #ddd); }
.inb-form .inb-fill { position: absolute; inset: 0 auto 0 0; background: var(--jp-brand-color1, #1976d2); }
.inb-form .inb-mark { position: absolute; top: 0; bottom: 0; width: 2px; background: var(--jp-ui-font-color1, #000); }
.inb-form .inb-loaded { align-items: center; justify-content: space-between; padding: 2px 0 2px 8px;
  border-top: 1px solid var(--jp-border-color2, #ddd); }
.inb-form .inb-loaded .widget-html-content { line-height: 1.5; }
.jupyter-widgets.inb-workbench > .lm-TabBar { height: auto; min-height: 0; }
.jupyter-widgets.inb-workbench > .lm-TabBar > .lm-TabBar-content { flex-wrap: wrap; }
.jupyter-widgets.inb-workbench > .lm-TabBar .lm-TabBar-tab { flex: 0 1 7em; min-width: max-content; }
</style>"""


_ADDRESS = re.compile(r"""(https?://[^\s<>"'`]*[^\s<>"'`.,;:!?)\]])""")


def labelled(control: Callable[..., Any], label: str, options: Sequence[Any]) -> Any:
    """A control with its label above it, and the label as its accessible name."""
    made = control(description=label, options=options, style={"description_width": "auto"})
    return made.add_class("inb-labelled")


def text_field(label: str, placeholder: str = "", entered: Callable[[], object] | None = None) -> Any:
    """A line of text with its label above it.

    Args:
        label: its accessible name too.
        placeholder: shown while nothing is typed.
        entered: called when Enter is pressed in it.
    """
    return _written(ipywidgets.Text, label, placeholder, entered)


def suggesting_field(
    label: str,
    placeholder: str = "",
    entered: Callable[[], object] | None = None,
    options: Sequence[str] = (),
) -> Any:
    """A `text_field` that offers its `options` while one types; anything else may be typed too."""
    made = _written(ipywidgets.Combobox, label, placeholder, entered)
    made.options = tuple(options)
    return made


class SecretField(ipywidgets.Password):
    """A field for a secret, which is handed on as soon as it was entered and kept nowhere in the widget.

    A widget's value is synced state: it is echoed to every page and may be saved in the notebook. So the value
    comes from the page only when it is complete, is not echoed, and is "" again at once.

    Args:
        label: its accessible name too.
        taken: called with the secret, without the spaces around it.
    """

    value = traitlets.Unicode().tag(sync=True, echo_update=False)
    """"" but for the moment in which it is taken."""

    def __init__(self, label: str, taken: Callable[[str], object]) -> None:
        super().__init__(description=label, continuous_update=False, style={"description_width": "auto"})
        self.add_class("inb-labelled")
        self._taken = taken
        self.observe(self._take, "value")
        answer_on_own_loop(self)

    def _take(self, change: Any) -> None:
        secret = change["new"]
        if secret:
            self.value = ""
            self._taken(secret.strip())


def _written(
    control: Callable[..., Any], label: str, placeholder: str, entered: Callable[[], object] | None
) -> Any:
    made = control(description=label, placeholder=placeholder, style={"description_width": "auto"})
    if entered is not None:
        made.on_msg(lambda _, content, __: entered() if content == {"event": "submit"} else None)
    answer_on_own_loop(made)
    return made.add_class("inb-labelled")


def page_button(label: str, tooltip: str, clicked: Callable[[], object], kind: str = "") -> ipywidgets.Button:
    """A button that works while a cell blocks. `kind` is "" or "primary"."""
    button = ipywidgets.Button(description=label, tooltip=tooltip, button_style=kind)
    button.on_click(lambda _: clicked())
    answer_on_own_loop(button)
    return button


def stages(names: Sequence[str], now: str) -> str:
    """The stages of a job as HTML, those before `now` done."""
    at = names.index(now) if now in names else -1
    kinds = ["done" if i < at else "now" if i == at else "later" for i in range(len(names))]
    items = "".join(
        f'<span class="inb-stage" data-status="{kind}">{escape(name)}</span>'
        for name, kind in zip(names, kinds, strict=True)
    )
    return f'<div class="inb-stages" role="status">{items}</div>'


def message(text: str, hint: str = "", kind: str = "note") -> str:
    """A line of news, or with kind "problem" an error and what to do about it. Addresses in it are links."""
    role = "alert" if kind == "problem" else "status"
    more = f"<br>{linked(here(hint))}" if hint else ""
    return f'<div class="inb-said" role="{role}" data-kind="{kind}">{linked(text)}{more}</div>'


def linked(text: str) -> str:
    """Plain text as HTML, in which addresses of the web are links that open a new tab."""
    return "".join(
        link(part, part) if at % 2 else escape(part) for at, part in enumerate(_ADDRESS.split(text))
    )


def link(address: str | None, words: str) -> str:
    """A link that opens a new tab; only words where the address is not one of the web."""
    if not address or not address.startswith(("https://", "http://")):
        return escape(words)
    return f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{escape(words)}</a>'
