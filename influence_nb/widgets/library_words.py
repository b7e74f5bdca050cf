"""What a `LibraryPanel` says of models, as HTML with all text escaped: a row's cells, a progress, a question.

It reads values and does nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from influence_nb.hub.progress import Progress
from influence_nb.store.models import IncompleteModel, LocalModel
from influence_nb.widgets.amounts import data, duration, many, percent, rate
from influence_nb.widgets.base import escape
from influence_nb.widgets.form import message
from influence_nb.widgets.here import here

if TYPE_CHECKING:
    from influence_nb.hub.removal import Leftover
    from influence_nb.store.removal import Pruned
    from influence_nb.store.verify import Verification

Entry = LocalModel | IncompleteModel
HEADS = ("model", "size", "last used", "checked")


def heads() -> str:
    """The names of the columns; a screen reader hears of each model what it is, and needs none."""
    cells = "".join(f'<span class="inb-model-{head.split()[0]}">{head}</span>' for head in HEADS)
    return f'<div class="inb-shelved inb-model-heads" aria-hidden="true">{cells}</div>'


def facts(entry: Entry, loaded: bool = False) -> str:
    """An entry as HTML; all text in it escaped."""
    name = escape(entry.name)
    if isinstance(entry, IncompleteModel):
        mark = _mark("not whole", "bad", "Nothing loads it.")
        cells = (_size(entry.size), "", mark)
        more = f"{escape(entry.reason)} {escape(way_out(entry))}"
        status = "broken"
    else:
        cells = (_size(entry.size), used(entry.last_used), checked(entry))
        more = escape(" · ".join(about(entry)))
        status = "whole"
    here = f" {_mark('loaded', 'now', 'It is in memory.')}" if loaded else ""
    columns = "".join(
        f'<span class="inb-model-{head.split()[0]}">{cell}</span>'
        for head, cell in zip(HEADS[1:], cells, strict=True)
    )
    return (
        f'<div class="inb-shelved" role="group" aria-label="{name}" data-name="{name}" data-status="{status}">'
        f'<span class="inb-model-name">{name}{here}</span>{columns}<span class="inb-model-more">{more}</span></div>'
    )


def way_out(entry: IncompleteModel) -> str:
    """What to do in the panel about what is not whole."""
    if can_be_had_again(entry):
        kept = ": what is whole is kept, and is not fetched again" if entry.source == "hub" else ""
        return f"Press Fetch{kept}. Or press Remove."
    if entry.source == "hub":
        return f"Plan it again in the Download panel with revision {entry.revision}, or press Remove."
    if "inb.download(" in entry.hint:
        return f"Plan it again in the Download panel with output directory {entry.path}, or press Remove."
    return here(entry.hint)


def can_be_had_again(entry: IncompleteModel) -> bool:
    """Whether a download can be asked for by the name alone."""
    return entry.source in ("hub", "starter") and "@" not in entry.name


def weights(model: LocalModel) -> str:
    """Format, and how the numbers are kept: "safetensors, bfloat16", "GGUF Q4_1"."""
    if model.format == "gguf":
        return f"GGUF {model.quantization or ''}".strip()
    return ", ".join(filter(None, (model.format, model.quantization or model.dtype)))


def about(model: LocalModel) -> list[str]:
    """Format, parameters, architecture, licence, revision, and where it is unless that is the Hub's cache."""
    parts = [weights(model)]
    if model.parameters:
        parts.append(f"{count(model.parameters)} parameters")
    parts += [part for part in (model.architecture, model.license) if part]
    if model.source == "hub" and model.revision:
        parts.append(
            f"at\N{NO-BREAK SPACE}{model.revision[:7]}"
        )  # held together by a space that does not break
    elif model.source == "folder":
        parts.append(str(model.path))
    return parts


def count(number: float) -> str:
    """A number of parameters in words: "135 M", "7.2 B"."""
    for size, letter in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.{0 if number >= 99.5 * size else 1}f}{letter}"
    return f"{number:.0f}"


def used(when: datetime | None) -> str:
    """When a model was last used, as HTML."""
    if when is None:
        return '<span class="inb-never">never</span>'
    local = when.astimezone()
    return f'<span title="{local:%Y-%m-%d %H:%M}">{local:%Y-%m-%d}</span>'


def checked(model: LocalModel) -> str:
    """Whether a model's bytes were verified, as HTML."""
    if model.verified is None:
        return '<span class="inb-never">not yet</span>'
    on = f" on {model.verified_at.astimezone():%Y-%m-%d}" if model.verified_at else ""
    if model.verified:
        return _mark("verified", "good", f"Every byte had its known checksum{on}.")
    return _mark("damaged", "bad", f"A file was found damaged{on} and set aside.")


def _mark(word: str, kind: str, title: str) -> str:
    return f'<span class="inb-mark-word" data-kind="{kind}" title="{escape(title)}">{word}</span>'


def _size(size: int) -> str:
    return data(size) if size else ""


def stage(words: str, share: float | None) -> str:
    """A bar with what is being done above it; without a share, words alone."""
    done = "" if share is None else f" · {100 * share:.0f}%"
    bar = "" if share is None else _bar(words, 100 * share)
    return f'<div class="inb-model-doing" role="status">{escape(words)}{done}{bar}</div>'


def moment(progress: Progress) -> str:
    """How far checking or fetching is: bytes, rate, time left, and the file at hand."""
    words = {"verify": "Checking", "waiting": "Waiting to try again"}.get(progress.stage, "Fetching")
    share = percent(progress.all_done, progress.all_total)
    waiting = progress.stage == "waiting"  # nothing flows: what the rate was says nothing of when it is done
    left = "" if waiting else duration(progress.seconds_left)
    parts = [f"{words} · {share:.0f}%", f"{data(progress.all_done)} of {data(progress.all_total)}"]
    parts += [
        part
        for part in (
            "" if waiting else rate(progress.bytes_per_second),
            f"{left} left" if left else "",
            progress.file,
        )
        if part
    ]
    text = " · ".join(escape(part) for part in parts)
    return f'<div class="inb-model-doing">{text}{_bar(words, share)}</div>'


def verified(done: Verification) -> str:
    """How a verification ended, as a message."""
    if done.verified is None:
        names = ", ".join(done.unknown[:3]) + (" and others" if len(done.unknown) > 3 else "")
        return message(
            f"{done.name}: nothing can be said, for no checksum is known of {names or 'its files'}.",
            f"{many(done.files, 'file')} with known checksums {'is' if done.files == 1 else 'are'} right."
            if done.files
            else "",
        )
    return message(
        f"{done.name} is verified: {many(done.files, 'file')}, {data(done.bytes)}, in {done.seconds:.1f} s.",
        f"No checksum is known of {len(done.unknown)} more." if done.unknown else "",
    )


def leftovers(found: Sequence[Leftover]) -> str:
    """What would be deleted, in words: how much of which kind, and of whom."""
    kinds = Counter(one.kind for one in found)
    what = ", ".join(many(count, kind) for kind, count in kinds.items())
    owners = list(dict.fromkeys(one.owner for one in found))
    of = ", ".join(owners[:4]) + (f" and {len(owners) - 4} more" if len(owners) > 4 else "")
    return f"<b>{data(sum(one.size for one in found))}</b> to free: {escape(what)}, of {escape(of)}."


def pruned(done: Pruned) -> str:
    """How deleting leftovers ended, as a message."""
    count = len(done.removed)
    still = len(done.kept)
    kept = f"{still} {'is' if still == 1 else 'are'} being downloaded again and will stay." if still else ""
    return message(f"{many(count, 'leftover')} deleted; {data(done.bytes)} became free.", kept)


def removal(entry: Entry, freed: int) -> str:
    """What removing an entry would do, as a question."""
    name = f"<b>{escape(entry.name)}</b>"
    if freed == 0 and entry.source == "folder":
        return f"Take {name} off the list? Its folder stays as it is: {escape(entry.path)}"
    where = f" from {escape(entry.path)}" if entry.source == "folder" else ""
    shared = (
        " Other revisions keep what they share with it."
        if entry.source == "hub" and freed < entry.size
        else ""
    )
    return f"Remove {name}{where}? That frees <b>{data(freed)}</b>.{shared}"


def static_cells(entry: Entry) -> tuple[str, ...]:
    """An entry as a row of a plain table."""
    if isinstance(entry, IncompleteModel):
        return escape(entry.name), "", _size(entry.size), f"not whole: {escape(entry.reason)}"
    words = {True: "verified", False: "damaged", None: "not yet"}[entry.verified]
    return escape(entry.name), escape(weights(entry)), _size(entry.size), words


def _bar(label: str, share: float) -> str:
    return (
        f'<span class="inb-track" role="progressbar" aria-label="{escape(label)}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{share:.0f}">'
        f'<span class="inb-fill" style="width:{share:.2f}%"></span></span>'
    )
