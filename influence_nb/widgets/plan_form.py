"""What a person asks to be planned: the fields of the form, and the request they make.

It does not know what a plan is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ipywidgets

from influence_nb.errors import InvalidData
from influence_nb.hub.names import bare
from influence_nb.hub.starters import STARTERS
from influence_nb.settings import settings
from influence_nb.widgets.form import page_button, suggesting_field, text_field


@dataclass(frozen=True)
class Request:
    """What `api.plan` is asked for; None where nothing is said.

    Attributes:
        repo_id: "owner/name".
        revision: a branch, tag or commit.
        quantization: of a GGUF repository, such as "Q4_K_M".
        output_dir: the folder to download to; None for the Hub's standard cache.
        mirror: the address of the hub to ask.
        include, exclude: patterns of file names.
    """

    repo_id: str
    revision: str | None = None
    quantization: str | None = None
    output_dir: str | None = None
    mirror: str | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None


class PlanForm(ipywidgets.VBox):
    """Fields for a repository and how it is to be fetched, and the button that plans.

    Args:
        plan: called by the button, and by Enter in a field.
        changed: called after each change of a field.
    """

    def __init__(self, plan: Callable[[], object], changed: Callable[[], object]) -> None:
        self._patterns: Request | None = None  # has what no field shows: the last request filled in
        self._repo_id = text_field("Repository", "owner/name", plan).add_class("inb-wide")
        self._revision = text_field("Revision", "main", plan)
        self._quantization = suggesting_field("Quantization (GGUF)", "such as Q4_K_M", plan)
        self._output_dir = text_field("Output directory", "the standard cache", plan)
        self._mirror = text_field("Mirror", _mirror() or "the Hub", plan)
        button = page_button("Plan", "Plan the download of this repository", plan, "primary")
        first = ipywidgets.HBox([self._repo_id, button]).add_class("inb-row")
        rest = ipywidgets.HBox(
            [self._revision, self._quantization, self._output_dir, self._mirror]
        ).add_class("inb-row")
        super().__init__([first, rest])
        self._fields = {
            name: getattr(self, f"_{name}")
            for name in ("repo_id", "revision", "quantization", "output_dir", "mirror")
        }
        for field in self._fields.values():
            field.observe(lambda _: changed(), "value")

    @property
    def request(self) -> Request:
        """What the fields say now; `repo_id` is "" while none is typed."""
        typed = {name: field.value.strip() for name, field in self._fields.items()}
        repo_id = bare(typed.pop("repo_id"))
        made = Request(repo_id, **{name: value or None for name, value in typed.items()})
        kept = self._patterns
        if kept is not None and kept.repo_id == repo_id:
            made = replace(made, include=kept.include, exclude=kept.exclude)
        return made

    def fill(self, request: Request) -> None:
        """Write a request into the fields."""
        self._patterns = request
        for name, field in self._fields.items():
            value = getattr(request, name) or ""
            if (bare(field.value) if name == "repo_id" else field.value.strip()) != value:
                field.value = value

    def focus(self) -> None:
        """Put the keyboard's place on the first field."""
        self._repo_id.focus()

    def offer(self, quantizations: Sequence[str]) -> None:
        """Suggest these quantizations."""
        self._quantization.options = tuple(quantizations)


def make_request(repo_id: str, **more: Any) -> Request:
    """The request of a call from Python.

    Raises:
        InvalidData: as in `check`.
    """
    if isinstance(repo_id, str):
        repo_id = bare(repo_id)
    for name in ("include", "exclude"):
        patterns = more.get(name)
        if patterns is not None:
            more[name] = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    if more.get("output_dir") is not None:
        more["output_dir"] = str(more["output_dir"])
    request = Request(repo_id, **more)
    check(request)
    return request


def check(request: Request) -> None:
    """Refuse what cannot be planned, before anybody is asked.

    Raises:
        InvalidData: no repository is named, or a starter, which does not come from the Hub.
    """
    name: object = request.repo_id
    if not isinstance(name, str) or not name:
        raise InvalidData("There is no repository to plan.", 'Give its name on the Hub: "owner/name".')
    if name in STARTERS:
        raise InvalidData(
            f"{name} is a starter: it does not come from the Hub, and is not planned.",
            f"Load it in the Load panel, or fetch it with influence_nb.download({name!r}).",
        )


def _mirror() -> str:
    return settings().mirror or ""
