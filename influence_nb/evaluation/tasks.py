"""Tasks: data, a template that makes a prompt of each item, and a scorer that judges what comes of it.

    task = inb.Task("capitals.jsonl", "The capital of {{ country }} is", ExactMatch("capital"))

A task is a plain value that can be written as JSON. It does not know models.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_bool, expect_text, quoted
from influence_nb.embeddings.reading import read_rows
from influence_nb.engine import jsons
from influence_nb.engine.sampling import Sampling, checked
from influence_nb.errors import InvalidData
from influence_nb.evaluation.judges import Judge, SemanticSimilarity
from influence_nb.evaluation.judging import Row, Scorer, beside
from influence_nb.evaluation.retrieves import Retrieves
from influence_nb.evaluation.scorers import ExactMatch, Matches, MultipleChoice, Perplexity

if TYPE_CHECKING:
    import pandas

    from influence_nb.engine.prompts import Prompt

GREEDY = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=64)
"""How a task generates where nobody says: the most probable token each time, without penalties."""

SCORERS: tuple[type[Any], ...] = (
    MultipleChoice,
    ExactMatch,
    Matches,
    Perplexity,
    SemanticSimilarity,
    Judge,
    Retrieves,
)
"""Those that a task can be read with from JSON."""


class Task:
    """Questions with known answers. Equal tasks have equal `sha256`.

    Attributes:
        name: what it is called.
        rows: the items, a dict each, with an `id` that no other has.
        template: Jinja that makes the prompt; the columns of an item are its variables.
        scorer: how answers are judged.
        system: the system prompt; only of tasks in chat.
        chat: whether the prompt goes through the model's chat template as a user's message.
        sampling: how it generates; None where nothing is generated.
    """

    def __init__(
        self,
        data: str | Path | pandas.DataFrame | Iterable[Mapping[str, Any]],
        template: str,
        scorer: Scorer,
        name: str = "task",
        system: str | None = None,
        chat: bool = False,
        sampling: Sampling | None = None,
    ) -> None:
        """Take the data in and look at every item.

        Args:
            data: a JSONL, CSV or Parquet file, a DataFrame, a data set of `datasets`, or dicts. The cells of a CSV file
                are text, as they are written: 007 stays 007. Where there is no column `id`, items are numbered from 0.
            template: Jinja, such as "Question: {{ question }} Answer:"; "" where the choices of MultipleChoice are
                judged by themselves, as whole sentences are.
            scorer: MultipleChoice, ExactMatch, Matches, Perplexity, SemanticSimilarity or Judge; or Retrieves, which
                judges an encoder.
            name: what it is called.
            system: the system prompt; needs `chat`.
            chat: put the prompt to the model as a user's message, through its chat template.
            sampling: for scorers of generated text; None is temperature 0 without penalties, up to 64 new tokens.

        Raises:
            InvalidData: no items, broken lines (which), two items of the same id, a template that cannot be read or
                names a column that is not there, an item without a correct answer.
        """
        expect_text(name=name, system=system)
        expect_bool(chat=chat)
        if not isinstance(scorer, Scorer):
            raise InvalidData(
                f"scorer={quoted(scorer)} is none.", "Give one, such as MultipleChoice() or ExactMatch()."
            )
        if system is not None and not chat:
            raise InvalidData("A system prompt needs a chat.", "Give chat=True too.")
        if chat and scorer.asks == "encoder":
            raise InvalidData("Encoders know no chat.", "Leave chat out: the template makes the query.")
        self.name, self.system, self.chat = name, system, chat
        self.template, self.scorer = template, scorer
        self.sampling = checked(GREEDY if sampling is None else sampling, {})
        self.rows: tuple[Row, ...] = _rows(data)
        if template == "" and not scorer.alone:
            raise InvalidData("template='' is none.", "Give Jinja, such as '{{ question }}'.")
        self._compiled = _compiled(template, self.rows)
        scorer.check(self.rows)

    @classmethod
    def named(cls, name: str) -> Task:
        """One of the tasks that come with the package: "facts", "arithmetic", "grammar" or "sentiment".

        Raises:
            InvalidData: no such task.
        """
        folder = files("influence_nb.evaluation") / "data"
        known = sorted(
            one.name.removesuffix(".json") for one in folder.iterdir() if one.name.endswith(".json")
        )
        if name not in known:
            raise InvalidData(
                f"There is no task {quoted(name)}.",
                f"There are: {', '.join(known)}. Or make one of your data: inb.Task(data, template, scorer).",
            )
        return cls.from_dict(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Task:
        """The inverse of `to_dict`.

        Raises:
            InvalidData: something is missing or of another kind.
        """
        try:
            return cls(
                values["rows"],
                values["template"],
                _scorer(values["scorer"]),
                values["name"],
                values.get("system"),
                values.get("chat", False),
                None if values.get("sampling") is None else Sampling.from_dict(values["sampling"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidData(
                f"That is no task: {type(error).__name__} {_words(error)}.", "Use what to_dict() gave."
            ) from error

    @classmethod
    def load(cls, path: str | Path) -> Task:
        """The task in a file that `save` wrote.

        Raises:
            InvalidData: the file holds none.
        """
        return cls.from_dict(jsons.read(path, "a task", "Give a file that task.save() wrote."))

    def save(self, path: str | Path) -> Path:
        """Write it whole, items included, as JSON; `load` and `influence evaluate` read it.

        Raises:
            InvalidData: there is no writing there.
        """
        return jsons.write(path, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Everything it is, as JSON-friendly values."""
        return {
            "name": self.name,
            "template": self.template,
            "scorer": self.scorer.to_dict(),
            "system": self.system,
            "chat": self.chat,
            "sampling": self.sampling.to_dict(),
            "rows": [dict(row) for row in self.rows],
        }

    @cached_property
    def data_sha256(self) -> str:
        """Of the items alone: tasks of the same data can be compared."""
        return digest([dict(row) for row in self.rows])

    @cached_property
    def sha256(self) -> str:
        """Of everything but the name."""
        return digest({name: value for name, value in self.to_dict().items() if name != "name"})

    def prompt(self, row: Row) -> Prompt:
        """What the model is given for an item: a text, or messages where the task is a chat."""
        text: str = self._compiled.render(**{str(name): value for name, value in row.items()})
        if not self.chat:
            return text
        before = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*before, {"role": "user", "content": text}]

    def head(self, count: int) -> Task:
        """The same with its first items only."""
        return Task.from_dict(self.to_dict() | {"rows": [dict(row) for row in self.rows[:count]]})

    def to_frame(self) -> pandas.DataFrame:
        """The items, and in `prompt` what the model is given; a column of that name is called `data.prompt` here."""
        import pandas as pd

        frame = pd.DataFrame([beside(row, {"prompt"}) for row in self.rows])
        prompts: list[Any] = [self.prompt(row) for row in self.rows]
        return frame.assign(prompt=prompts)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Task({self.name}: {len(self)} items, {self.scorer.kind})"


def digest(values: Any) -> str:
    """The SHA-256 of JSON-friendly values, whatever the order of their keys."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


def _scorer(values: Mapping[str, Any]) -> Scorer:
    """The inverse of `Scorer.to_dict`."""
    kinds = {one.kind: one for one in SCORERS}
    kind = kinds.get(values["kind"])
    if kind is None:
        raise InvalidData(f"There is no scorer {quoted(values['kind'])}.", f"There are: {', '.join(kinds)}.")
    given = {name: value for name, value in values.items() if name != "kind"}
    known = [one.name for one in fields(kind)]
    if unknown := [name for name in given if name not in known]:
        raise InvalidData(f"The scorer {kind.kind} has no {unknown[0]!r}.", f"It has: {', '.join(known)}.")
    made: Scorer = kind(**given)
    return made


def _rows(data: Any) -> tuple[Row, ...]:
    records = _records(data)
    if not records:
        raise InvalidData("The task has no items.", "Give at least one.")
    if all("id" not in row for row in records):
        records = [{"id": str(place), **row} for place, row in enumerate(records)]
    if without := [place for place, row in enumerate(records) if _nothing(row.get("id"))]:
        raise InvalidData(f"Item {without[0]} has no id, and others have.", "Give every item one, or none.")
    records = [{**row, "id": str(row["id"])} for row in records]
    for row in records:
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise InvalidData(
                f"Item {quoted(row['id'])} holds half a character: {error.reason}.", "Mend its text."
            ) from error
    if twice := [name for name, count in Counter(row["id"] for row in records).items() if count > 1]:
        more = f", and {len(twice) - 1} more ids" if len(twice) > 1 else ""
        raise InvalidData(f"The id {twice[0]!r} is there more than once{more}.", "Give each item its own id.")
    return tuple(records)


def _records(data: Any) -> list[dict[str, Any]]:
    if (
        isinstance(data, Sequence)
        and not isinstance(data, str)
        and all(isinstance(row, Mapping) for row in data)
    ):
        return [{str(name): _plain(value) for name, value in row.items()} for row in data]
    frame = _frame(data)
    names = [str(name) for name in frame.columns]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InvalidData(f"The column {twice[0]!r} is there more than once.", "Give each its own name.")
    frame = frame.set_axis(names, axis=1)
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _frame(data: Any) -> pandas.DataFrame:
    import pandas as pd

    if isinstance(data, str | Path):
        return read_rows(data)
    if callable(convert := getattr(data, "to_pandas", None)):  # of `datasets`, of Arrow
        data = convert()
    try:
        return data if isinstance(data, pd.DataFrame) else pd.DataFrame(list(data), dtype=object)
    except (TypeError, ValueError) as error:
        raise InvalidData(
            f"data={quoted(data)} are no items.", "Give dicts, a DataFrame or a file."
        ) from error


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays, and a frame's missing values, as JSON has them."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _nothing(value: Any) -> bool:
    return value is None or value == ""


def _compiled(template: Any, rows: Sequence[Row]) -> Any:
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.exceptions import SecurityError
    from jinja2.meta import find_undeclared_variables
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if not isinstance(template, str):
        raise InvalidData(f"template={quoted(template)} is none.", "Give Jinja, such as '{{ question }}'.")
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True, finalize=_there
    )
    try:
        wanted = find_undeclared_variables(environment.parse(template))
        compiled = environment.from_string(template)
    except TemplateError as error:
        raise InvalidData(
            f"The template cannot be read: {_words(error)}.", "It is Jinja, such as '{{ question }}'."
        ) from error
    for name in sorted(wanted):
        if without := [row for row in rows if name not in row]:
            raise InvalidData(
                f"The template names a column {name!r}, which item {without[0]['id']} does not have.",
                f"There are: {', '.join(without[0])}.",
            )
    for row in rows:
        try:
            compiled.render(**row)
        except _Missing as error:
            missing = ", ".join(name for name in sorted(wanted) if row[name] is None) or "a value"
            raise InvalidData(
                f"The template shows {missing} of item {row['id']}, which is missing.",
                "Leave such items out, or say what stands there: {{ name or 'unknown' }}.",
            ) from error
        except SecurityError as error:
            raise InvalidData(
                f"The template asks for what it may not have: {_words(error)}.",
                "It reaches the item's columns and nothing else.",
            ) from error
        except (
            TemplateError,
            TypeError,
            ValueError,
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
        ) as error:
            raise InvalidData(
                f"The template fails on item {row['id']}: {_words(error)}.", "Look at what it does with it."
            ) from error
    return compiled


class _Missing(Exception):
    """A template shows a value that is not there."""


def _there(value: Any) -> Any:
    """What a template shows, which would else read "None"."""
    if value is None:
        raise _Missing
    return value


def _words(error: Exception) -> str:
    """What an error says, to end a sentence with."""
    return str(error).rstrip(".")
