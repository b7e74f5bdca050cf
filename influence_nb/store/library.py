"""The library: the models on this machine by name, checked and removed.

It knows where models are kept and whether they are whole; it does not know how one is run or fetched.
"""

from __future__ import annotations

import difflib
import html
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from influence_nb.arguments import quoted
from influence_nb.errors import BrokenModel, InvalidData, ModelNotFound
from influence_nb.hub import starters
from influence_nb.hub.progress import OnProgress
from influence_nb.hub.removal import Leftover
from influence_nb.store import records, removal
from influence_nb.store.models import IncompleteModel, LocalModel
from influence_nb.store.removal import Pruned
from influence_nb.store.shelf import Found, look
from influence_nb.store.verify import Verification, verify

if TYPE_CHECKING:
    import pandas

InUse = Callable[[LocalModel | IncompleteModel], bool]


class _Models(Iterator[LocalModel]):
    """What one look found, given out one by one."""

    def __init__(self, models: tuple[LocalModel, ...]) -> None:
        self.models, self.begun = models, False
        self._rest = iter(models)

    def __next__(self) -> LocalModel:
        self.begun = True
        return next(self._rest)


class Library:
    """The models on this machine: the starters, the Hub's standard cache, output directories and folders added here.

    Models that other tools fetched are in the cache too. It looks anew each time it is asked, so it is never stale.
    What is not whole is in `broken`, with the reason.

    Args:
        in_use: says whether a model is loaded; such a one is not removed.
    """

    def __init__(self, in_use: InUse | None = None) -> None:
        self._in_use = in_use or (lambda model: False)
        self._latest: Callable[[], _Models | None] = lambda: None

    def __iter__(self) -> Iterator[LocalModel]:
        models = _Models(look().models)
        self._latest = weakref.ref(models)
        return models

    def __len__(self) -> int:
        latest = self._latest()
        # `list(library)` asks how many there are before it takes the first of those that it was given: one look.
        return len(latest.models) if latest and not latest.begun else len(look().models)

    def __contains__(self, name: object) -> bool:
        return any(model.name == name for model in self)

    def __getitem__(self, name: str) -> LocalModel:
        """The model of that name: "owner/name", "owner/name@commit" (its beginning will do), or a folder in the list.

        Raises:
            ModelNotFound: it is not here; the hint has near names.
            BrokenModel: it is here, but not whole; the message says what is missing.
        """
        found = _named(look().found, name)
        if isinstance(found, IncompleteModel):
            raise BrokenModel(f"{found.name} is not whole: {found.reason}", found.hint)
        return found

    def everything(self) -> tuple[LocalModel | IncompleteModel, ...]:
        """The models that are whole and those that are not, from one look."""
        return look().found

    @property
    def broken(self) -> tuple[IncompleteModel, ...]:
        """The models that are not whole, each with the reason and what to do."""
        return look().broken

    def add(self, folder: str | Path) -> LocalModel:
        """List the model in a folder from now on; `remove` takes it off the list and leaves the folder as it is.

        Raises:
            BrokenModel: the folder holds no whole model; it is not added.
        """
        model = LocalModel.from_folder(folder)
        path = os.path.abspath(model.path)
        records.remember_folder(path)
        return next((one for one in self if str(one.path) == path), model)

    def verify(
        self, name: str, on_progress: OnProgress | None = None, cancel: threading.Event | None = None
    ) -> Verification:
        """Read all bytes of a model and compare them with the known checksums, without a network.

        Args:
            name: as in `library()[name]`; one that is not whole may be checked too.
            on_progress: called with a `Progress` of stage "verify" now and then.
            cancel: set it from another thread to give up.

        Returns:
            What was checked. `verified` is None, not True, where no checksum is known for a file that matters.

        Raises:
            ModelNotFound: it is not here.
            IntegrityError: files are damaged or gone; the message names them. Damaged ones are set aside, and the next
                download fetches just those.
            DownloadInterrupted: cancelled; nothing was changed.
            BrokenModel: a file cannot be read.
            SettingsError: a damaged file cannot be set aside, since its folder cannot be written.
        """
        return verify(_named(look().found, name), on_progress, cancel)

    def remove(self, name: str, revision: str | None = None) -> int:
        """Delete a model from the disk.

        Files that another revision uses stay. From an output directory only files that a download brought go, and of
        those the small ones only if nobody changed them; a folder that was added goes from the list only.

        Args:
            name: "owner/name" for all revisions of it in the Hub's cache, "owner/name@commit" for one; a starter; a
                folder in the list.
            revision: the commit, or its beginning, to remove only that revision.

        Returns:
            Bytes freed.

        Raises:
            ModelNotFound: it is not here.
            InvalidData: the model is loaded, or being downloaded.
            SettingsError: its place cannot be written.
        """
        wanted = self._wanted(name, revision)
        for model in wanted:
            if self._in_use(model):
                raise InvalidData(
                    f"{model.name} is loaded.", "Unload it first: the Load panel's Unload, or model.unload()."
                )
        return sum(removal.remove(model) for model in wanted)

    def frees(self, name: str, revision: str | None = None) -> int:
        """Bytes that `remove` would free: what other revisions use is not counted.

        Raises:
            ModelNotFound: it is not here.
        """
        return removal.would_free(self._wanted(name, revision))

    def leftovers(self) -> list[Leftover]:
        """What no model needs: half-done files of downloads that were killed, damaged files that were set aside, files
        that no revision uses, empty revisions. What a running download holds is not among them.
        """
        return removal.leftovers()

    def prune(self) -> Pruned:
        """Delete the leftovers. A download that was interrupted begins from nothing afterwards.

        Returns:
            The bytes freed, and what is gone.

        Raises:
            SettingsError: a place cannot be written.
        """
        return removal.prune(removal.leftovers())

    def _wanted(self, name: str, revision: str | None) -> list[Found]:
        """What `remove` is asked to remove."""
        everything = look().found
        first = _named(everything, f"{name}@{revision}" if revision else name)
        if first.source != "hub" or revision or "@" in name:
            return [first]
        return [one for one in everything if one.source == "hub" and _repo(one) == name]

    def to_frame(self) -> pandas.DataFrame:
        """One row a model, one column a field, and `kind`."""
        import pandas as pd

        columns = [*(field.name for field in fields(LocalModel)), "kind"]
        return pd.DataFrame(
            [[getattr(model, column) for column in columns] for model in self], columns=columns
        )

    def __repr__(self) -> str:
        shelf = look()
        lines = [_line(model) for model in shelf.models]
        lines += [f"{one.name}  not whole: {one.reason}" for one in shelf.broken]
        return "\n".join(lines) or "No models here yet."

    def _repr_html_(self) -> str:
        heads = (
            "name",
            "for",
            "architecture",
            "parameters",
            "weights",
            "size",
            "source",
            "last used",
            "verified",
        )
        shelf = look()
        rows = "".join(_row(_cells(model)) for model in shelf.models)
        rows += "".join(
            f'<tr style="opacity:.6"><td>{html.escape(one.name)}</td>'
            f'<td colspan="{len(heads) - 1}" style="text-align:left">not whole: {html.escape(one.reason)}</td></tr>'
            for one in shelf.broken
        )
        if not rows:
            return "<p>No models here yet. Run <code>influence starters</code>.</p>"
        return (
            "<table><thead><tr>"
            + "".join(f"<th>{head}</th>" for head in heads)
            + f"</tr></thead><tbody>{rows}</tbody></table>"
        )


def _named(everything: tuple[Found, ...], name: str) -> Found:
    for model in everything:
        if model.name == name or (model.source == "folder" and str(model.path) == str(name)):
            return model
    repo_id, _, revision = str(name).rpartition("@")
    if repo_id and len(revision) >= 4:
        for model in everything:
            if _repo(model) == repo_id and (model.revision or "").startswith(revision):
                return model
    raise _not_found(str(name), [model.name for model in everything])


def _repo(model: Found) -> str:
    """The name without a commit; folders' names are taken as they are."""
    return model.name if model.source == "folder" else model.name.partition("@")[0]


def _not_found(name: str, names: list[str]) -> ModelNotFound:
    if name in starters.STARTERS:
        return ModelNotFound(
            f"{name} has not been fetched yet.",
            f"Run `influence starters`, or influence_nb.download({name!r}).",
        )
    known = [*names, *(starter for starter in starters.STARTERS if starter not in names)]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    here = f"Here are: {', '.join(names)}." if names else "No model is here yet: run `influence starters`."
    return ModelNotFound(
        f"There is no model called {quoted(name)} on this machine.",
        f"Did you mean {' or '.join(near)}? {here}" if near else here,
    )


def _row(cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _cells(model: LocalModel) -> tuple[str, ...]:
    parameters = f"{model.parameters / 1e6:,.0f} M" if model.parameters else ""
    weights = model.quantization or model.dtype or model.format
    size = f"{model.size / 1e6:,.0f} MB"
    used = f"{model.last_used:%Y-%m-%d}" if model.last_used else ""
    checked = {True: "yes", False: "damaged", None: ""}[model.verified]
    kind, architecture = model.kind, model.architecture or ""
    return (model.name, kind, architecture, parameters, weights, size, model.source, used, checked)


def _line(model: LocalModel) -> str:
    return "  ".join(cell for cell in _cells(model)[:7] if cell)
