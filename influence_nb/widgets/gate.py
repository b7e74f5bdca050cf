"""The gate of a model whose owner wants its licence accepted: where to do it, and a field for the token.

The token is in no trait for longer than it takes to hand it on, in no rendering, and is used once.
"""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from influence_nb.widgets.base import escape
from influence_nb.widgets.form import SecretField, link, message

WORDS = {
    "auto": "Access is granted as soon as the licence is accepted.",
    "manual": "Its owner looks at each request for access, which may take a while.",
}


class Gate(ipywidgets.VBox):
    """Says that a model is gated, and takes a token for its next download.

    Args:
        entered: called after a token was entered.
    """

    def __init__(self, entered: Callable[[], object]) -> None:
        self._token: str | None = None
        self._page = ""
        self._entered = entered
        self._about = ipywidgets.HTML()
        self._field = SecretField("Access token", self._take)
        self._field.placeholder = "of your account on the Hub"
        self._field.add_class("inb-token")
        self._state = ipywidgets.HTML()
        self._say()
        super().__init__([self._about, self._field, self._state], layout={"display": "none"})
        self.add_class("inb-gate")

    def show(self, model: str, page: str, kind: object = None) -> None:
        """Show the gate of a model.

        Args:
            model: its name.
            page: the address of its page on the hub; a token that was entered for another page is forgotten.
            kind: "auto" or "manual"; None where it is not known.
        """
        if page != self._page:
            self.forget()
        self._page = page
        about = (
            f"<b>{escape(model)}</b> is gated. Accept its licence on "
            f"{link(page, 'its page on the Hub')} with the account that the token belongs to. "
            f"{WORDS.get(str(kind), '')}"
        )
        self._about.value = f'<div class="inb-said">{about}</div>'
        self.layout.display = ""

    def hide(self) -> None:
        """No gate: nothing is shown and no token is kept."""
        self.forget()
        self._page = ""
        self.layout.display = "none"

    def take_token(self, page: str) -> str | None:
        """The token that was entered for the model of that page, once; None where there is none."""
        token = self.peek_token(page)
        if token is not None:
            self.forget()
        return token

    def peek_token(self, page: str) -> str | None:
        """The token that was entered for the model of that page, which stays for its download."""
        return self._token if page == self._page else None

    def forget(self) -> None:
        """Drop the token."""
        self._token = None
        self._say()

    def _take(self, token: str) -> None:
        self._token = token or None
        self._say()
        self._entered()

    def _say(self) -> None:
        words = (
            "A token was taken, for this model's next download only; it is not saved. Enter another to replace it."
            if self._token
            else "Needed unless you have logged in on this machine. Press Enter after it; it is not saved."
        )
        self._state.value = message(words)
