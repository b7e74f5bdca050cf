"""A download's plan as HTML: what would be fetched and why, what it takes, and what to know before.

It reads the plan and asks nobody; all text in it comes from the Hub and is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from influence_nb.hub.choose import gguf_kind
from influence_nb.widgets.amounts import data, many
from influence_nb.widgets.base import MUTED, escape, static_block, static_table
from influence_nb.widgets.here import here

if TYPE_CHECKING:
    from influence_nb.hub.plan import DownloadPlan, PlannedFile
    from influence_nb.memory import FitReport

PLAN_STYLE = """<style>
.inb-plan { border: 1px solid var(--jp-border-color2, rgba(128,128,128,.35)); border-radius: 6px; margin: 2px 0;
  padding: 8px 14px 10px; line-height: 1.5; overflow-wrap: anywhere; }
.inb-plan[data-stale=true] > :not(h4) { opacity: .55; }
.inb-plan h4 { margin: 0; font-size: 15px; font-weight: 600; }
.inb-plan p { margin: 0; }
.inb-plan .inb-muted { font-size: 12px; opacity: .8; }
.inb-plan .inb-sums { display: flex; flex-wrap: wrap; gap: 2px 22px; margin: 6px 0 4px; }
.inb-plan .inb-sums b { font-weight: 600; }
.inb-plan .inb-note { padding: 3px 10px; margin: 5px 0; border-left: 3px solid var(--jp-warn-color1, #f57c00);
  background: var(--jp-layout-color2, rgba(128,128,128,.12)); }
.inb-plan .inb-note[data-kind=problem] { border-left-color: var(--jp-error-color1, #d32f2f); }
.inb-plan .inb-files { max-height: 196px; overflow: auto; margin: 6px 0; }
.inb-plan table { border-collapse: collapse; width: 100%; font-size: 12px; line-height: 1.45; margin: 0; }
.inb-plan th, .inb-plan td { text-align: left; vertical-align: top; padding: 3px 14px 3px 0;
  border-top: 1px solid var(--jp-border-color2, rgba(128,128,128,.25)); }
.inb-plan thead th { border-top: 0; font-weight: 600; position: sticky; top: 0;
  background: var(--jp-layout-color0, Canvas); }
.inb-plan .inb-number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.inb-plan summary { cursor: pointer; font-size: 12px; }
.inb-plan td { min-width: 5em; overflow-wrap: normal; }
.inb-plan td:first-child { min-width: 11em; overflow-wrap: anywhere; }
.inb-plan details ul { margin: 2px 0 0; padding-left: 30px; font-size: 12px; line-height: 1.5; }
</style>"""

MOST_NAMES = 40
"""How many names of files that are left out are written for each reason."""


def plan_html(plan: DownloadPlan, fit: str = "", stale: bool = False) -> str:
    """The plan for the page.

    Args:
        plan: what to show.
        fit: HTML of a line that says whether the model fits this device; "" for none.
        stale: whether the form asks for something else by now.
    """
    parts = [_title(plan, stale), _sums(plan), fit, *_notes(plan), _files(plan.files), _left_out(plan)]
    return (
        f'<section class="inb-plan" aria-label="Plan of {escape(plan.repo_id)}" data-stale="{str(stale).lower()}">'
        f"{''.join(parts)}</section>"
    )


def plan_static(plan: DownloadPlan) -> str:
    """The plan for a reader without a kernel: its sums and its files."""
    rows = ([escape(file.name), _size(file.size), escape(file.why), _where(file)] for file in plan.files)
    table = static_table({"file": False, "size": True, "why": False, "where": False}, rows)
    facts = f"<p>{' · '.join(_amounts(plan))}</p>"
    about = f'<p style="{MUTED}">{" · ".join(_about(plan))}</p>'
    return static_block(f"Plan of {plan.repo_id}", about, facts, table)


def fit_html(words: str, verdict: str = "unknown") -> str:
    """The line that says whether the model fits this device.

    Args:
        words: plain text; it is escaped here.
        verdict: "yes", "int8", "nf4" or "no"; "unknown" while it is not known.
    """
    note = "" if verdict in ("yes", "unknown") else ' class="inb-note"'
    return f'<p{note} data-fits="{escape(verdict)}">{escape(words)}</p>'


def fit_words(report: FitReport) -> str:
    """A fit report as such a line."""
    needs = f"about {data(report.total)}, and {data(report.budget)} are free"
    place = f"this machine ({'CPU' if report.device == 'cpu' else f'GPU, {report.device}'})"
    if report.fits == "yes":
        return fit_html(f"It fits {place}: it takes {needs}.", "yes")
    packed = report.fits in ("int8", "nf4")
    words = f"It fits {place} only quantized" if packed else f"It does not fit {place}"
    return fit_html(f"{words}: it takes {needs}. {here(report.suggestion)}".strip(), report.fits)


def short_of_disk(plan: DownloadPlan) -> str:
    """What is missing on the disk, in words; "" when there is room."""
    lacking = plan.remaining - plan.disk_free
    if lacking <= 0:
        return ""
    return (
        f"Not enough room on the disk: {data(plan.remaining)} are to come and {data(plan.disk_free)} are free. "
        f"Free {data(lacking)}, or choose an output directory on another disk."
    )


def all_here(plan: DownloadPlan) -> bool:
    """Whether nothing is left to fetch."""
    return plan.remaining <= 0 and all(file.size is not None for file in plan.files)


def quantizations(plan: DownloadPlan) -> list[str]:
    """The quantizations that a GGUF repository offers, by its files' names."""
    names = sorted([file.name for file in plan.files] + [name for name, _ in plan.left_out])
    kinds = (gguf_kind(name) for name in names if name.lower().endswith(".gguf"))
    return list(dict.fromkeys(kind for kind in kinds if kind is not None))


def _title(plan: DownloadPlan, stale: bool) -> str:
    again = '<span class="inb-chip" role="status">the form has changed: plan again</span>' if stale else ""
    about = " · ".join(_about(plan))
    return f'<h4>{escape(plan.repo_id)}{again}</h4><p class="inb-muted">{about}</p>'


def _about(plan: DownloadPlan) -> list[str]:
    facts = []
    if plan.commit:
        asked = plan.revision if plan.revision and plan.revision != plan.commit else ""
        facts.append(f"{escape(asked)} at commit {escape(plan.commit[:8])}".strip())
    facts.append(f"licence: {escape(plan.license)}" if plan.license else "no licence is stated")
    facts.append(f"to {escape(plan.output_dir) if plan.output_dir else 'the standard cache'}")
    return facts


def _amounts(plan: DownloadPlan) -> list[str]:
    unknown = any(file.size is None for file in plan.files)
    total = f"{'at least ' if unknown else ''}{data(plan.total)}"
    facts = [f"<b>{many(len(plan.files), 'file')}</b>, <b>{total}</b> in all"]
    here = plan.total - plan.remaining
    if all_here(plan):
        facts.append("<b>all of it here already</b>")
    else:
        facts.append(f"{data(here)} here already" if here > 0 else "nothing of it here yet")
        facts.append(f"<b>{data(plan.remaining)}</b> to fetch")
    return [*facts, f"{data(plan.disk_free)} free on the disk"]


def _sums(plan: DownloadPlan) -> str:
    return f'<p class="inb-sums">{"".join(f"<span>{fact}</span>" for fact in _amounts(plan))}</p>'


def _notes(plan: DownloadPlan) -> Iterable[str]:
    if plan.needs_code:
        files = f" ({', '.join(plan.code_files)})" if plan.code_files else ""
        words = f"This repository brings code of its own{files}. It is fetched as files and is not run "
        words += "unless you load it with trust_remote_code=True."
        yield f'<p class="inb-note">{escape(words)}</p>'
    if plan.lacks:
        words = f"It can be fetched but not loaded: it {plan.lacks}."
        yield f'<p class="inb-note" role="alert" data-kind="problem">{escape(words)}</p>'
    if short := short_of_disk(plan):
        yield f'<p class="inb-note" role="alert" data-kind="problem">{escape(short)}</p>'


def _files(files: Iterable[PlannedFile]) -> str:
    rows = "".join(
        f"<tr><td>{escape(file.name)}</td><td class='inb-number'>{_size(file.size)}</td>"
        f"<td>{escape(file.why)}</td><td>{_where(file)}</td></tr>"
        for file in files
    )
    heads = (
        '<th scope="col">File</th><th scope="col" class="inb-number">Size</th>'
        '<th scope="col">Why</th><th scope="col">Where</th>'
    )
    return (
        '<div class="inb-files" tabindex="0" role="region" aria-label="Files to fetch">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _left_out(plan: DownloadPlan) -> str:
    if not plan.left_out:
        return ""
    by_reason: dict[str, list[str]] = {}
    for name, why in plan.left_out:
        by_reason.setdefault(why, []).append(name)
    groups = "".join(f"<li>{escape(why)}: {_names(names)}</li>" for why, names in by_reason.items())
    count = len(plan.left_out)
    return (
        f"<details><summary>{many(count, 'file')} {'is' if count == 1 else 'are'} left out</summary>"
        f"<ul>{groups}</ul></details>"
    )


def _names(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return escape(", ".join(names[:MOST_NAMES]) + more)


def _size(size: int | None) -> str:
    return "unknown" if size is None else data(size)


def _where(file: PlannedFile) -> str:
    return "here" if file.here else "to fetch"
