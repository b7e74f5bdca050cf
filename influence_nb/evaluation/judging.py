"""What a scorer is: it asks a model about items and gives numbers for each, and figures over all of them.

It knows the rows of a task; it does not know any one way to judge (`scorers.py`), nor where results are kept.
"""

from __future__ import annotations

import hashlib
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    from influence_nb.engine.sampling import Sampling

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """A metric of a whole task: a ratio of sums over its items, and a function of it.

    Attributes:
        name: such as "acc".
        part: the value of each item that is summed above; its own name by default.
        over: the value that is summed below; None counts items, which gives the mean.
        through: "" for the ratio as it is; "exp" for its exponential, as perplexity; "bits" for it over ln 2.
        better: "higher" or "lower".
    """

    name: str
    part: str = ""
    over: str | None = None
    through: str = ""
    better: str = "higher"

    def of(self, ratio: float) -> float:
        """The metric, from the ratio of sums."""
        if self.through == "exp":
            return math.exp(ratio)
        return ratio / math.log(2) if self.through == "bits" else ratio


@dataclass(frozen=True)
class Answer:
    """What became of one item.

    Attributes:
        values: numbers by name; NaN where there is none.
        output: what the model said or chose.
        detail: how it came about: the choices' log-probabilities, what a judge said...
        receipt: of the completion, as JSON-friendly values; None where nothing was generated.
        error: what went wrong with this item alone; "" for nothing.
    """

    values: Mapping[str, float]
    output: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    receipt: Mapping[str, Any] | None = None
    error: str = ""


class Scorer(ABC):
    """A way to judge. Its fields name columns of the data."""

    kind: ClassVar[str]
    figures: ClassVar[tuple[Figure, ...]]
    alone: ClassVar[bool] = False
    """Whether it can judge without a prompt."""
    asks: ClassVar[str] = "model"
    """What is judged: a "model", or an "encoder"."""

    @abstractmethod
    def check(self, rows: Sequence[Row]) -> None:
        """Refuse rows that cannot be judged.

        Raises:
            InvalidData: a column that is not there, or items without a correct answer; names them.
        """

    @abstractmethod
    def answers(
        self,
        model: Any,
        prompts: Sequence[Any],
        rows: Sequence[Row],
        sampling: Sampling,
        cancel: threading.Event | None,
    ) -> list[Answer]:
        """Ask the model, or the encoder, about some items and judge what it says, one answer a row."""

    def to_dict(self) -> dict[str, Any]:
        """The scorer as JSON-friendly values; `Task.from_dict` makes it again."""
        given: Any = self
        return {"kind": self.kind, **asdict(given)}


def beside(row: Row, taken: Collection[str]) -> dict[str, Any]:
    """An item's columns, to stand beside others: one that is called like one of them is called data.NAME."""
    return {f"data.{name}" if name in taken else name: value for name, value in row.items()}


def is_list(value: Any) -> bool:
    """Whether it is several values, and no text."""
    return not isinstance(value, str | bytes | Mapping) and hasattr(value, "__iter__")


def expect_columns(rows: Sequence[Row], *names: str) -> None:
    """Refuse rows without a column; InvalidData names them."""
    for name in names:
        without = [row for row in rows if name not in row]
        if without:
            raise InvalidData(
                f"{items_have(without)} no column {name!r}.", f"There are: {', '.join(map(str, without[0]))}."
            )


def expect_answers(rows: Sequence[Row], name: str) -> None:
    """Refuse rows without an answer in a column, or without that column; InvalidData names them."""
    expect_columns(rows, name)

    def none(value: Any) -> bool:
        empty = is_list(value) and (not list(value) or any(map(none, value)))
        return value is None or value == "" or value != value or empty

    if wrong := [row for row in rows if none(row[name])]:
        raise InvalidData(
            f"{items_have(wrong)} no correct answer in {name!r}.", "Give one, or leave such items out."
        )


def items_have(rows: Sequence[Row]) -> str:
    """As the beginning of a sentence that says what some items lack."""
    named = ", ".join(str(row["id"]) for row in rows[:5])
    more = f" and {len(rows) - 5:,} more" if len(rows) > 5 else ""
    return f"Item {named} has" if len(rows) == 1 else f"Items {named}{more} have"


def seed_of(seed: int, item: str) -> int:
    """The seed by which one item draws, in [0, 2**48).

    One seed for all would give every item the same noise, and their outcomes would hang together; intervals take them
    to be independent. An item has the same one whatever else is in the task, so that runs of one seed stay paired.
    """
    return int.from_bytes(hashlib.sha256(f"{seed} {item}".encode()).digest()[:6])
