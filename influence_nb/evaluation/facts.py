"""The recorded facts in which two runs differ, by name, with both values.

    inb.first_difference(first, second)

It knows what runs record; it does not know whether a fact is the cause of anything.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from influence_nb.errors import InvalidData
from influence_nb.evaluation.run import Result
from influence_nb.evaluation.runs import Run, find

NOT_RECORDED = "not recorded"
"""Stands for the value of a fact that only the other run has."""


@dataclass(frozen=True)
class FactDifference:
    """A fact in which two runs differ.

    Attributes:
        name: of the fact; what is inside another has a dotted name, such as "sampling.temperature".
        first, second: its values; `NOT_RECORDED` where one run lacks it.
        decides: whether it is one of those that decide what comes (`Run.determined_by`).
    """

    name: str
    first: Any
    second: Any
    decides: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.first!r} and {self.second!r}"


class FactDifferences(tuple[FactDifference, ...]):
    """Those of two runs, as a table in a notebook."""

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(one.name)}</td><td>{html.escape(str(one.first))}</td>"
            f"<td>{html.escape(str(one.second))}</td></tr>"
            for one in self
        )
        head = "<tr><th>fact</th><th>first</th><th>second</th></tr>"
        return (
            f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>" if self else "<p>No difference.</p>"
        )


def fact_differences(first: Result | Run | str | Path, second: Result | Run | str | Path) -> FactDifferences:
    """Every recorded fact in which two runs differ: first those that decide what comes, in the order recorded.

    Where the tasks differ, the parts of them that do stand in place of their hash; of the items the hash remains.

    Args:
        first, second: results, runs, ids or folders.

    Raises:
        InvalidData: no such run.
    """
    one, other = _run(first), _run(second)
    deciding = list(differing(one.determined_by, other.determined_by, True))
    at = next((place for place, each in enumerate(deciding) if each.name == "task"), None)
    if at is not None:
        deciding[at : at + 1] = _of_tasks(one, other) or [deciding[at]]
    return FactDifferences([*deciding, *differing(one.facts, other.facts, False)])


def first_difference(
    first: Result | Run | str | Path, second: Result | Run | str | Path
) -> FactDifference | None:
    """The first of `fact_differences`; None where all that was recorded is the same.

    Args:
        first, second: results, runs, ids or folders.

    Raises:
        InvalidData: no such run.
    """
    return next(iter(fact_differences(first, second)), None)


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of all that is recorded, what is inside something else after its name."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _run(given: Result | Run | str | Path) -> Run:
    return given.run if isinstance(given, Result) else find(given)


def differing(
    first: Mapping[str, Any], second: Mapping[str, Any], decides: bool, before: str = ""
) -> Iterator[FactDifference]:
    """The facts that are not the same; of mappings the entries, each with its dotted name."""
    for name in [*first, *(one for one in second if one not in first)]:
        one, other = first.get(name, NOT_RECORDED), second.get(name, NOT_RECORDED)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from differing(one, other, decides, f"{before}{name}.")
        elif _plain(one) != _plain(other):
            yield FactDifference(f"{before}{name}", one, other, decides)


def _plain(value: Any) -> Any:
    """Tuples as the lists that JSON makes of them."""
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _of_tasks(first: Run, second: Run) -> list[FactDifference]:
    """The parts in which the tasks differ but for their items; none where a task cannot be read."""
    with suppress(InvalidData):
        mine, theirs = (
            {name: part for name, part in one.task().to_dict().items() if name not in ("rows", "name")}
            for one in (first, second)
        )
        return list(differing(mine, theirs, True, "task."))
    return []
