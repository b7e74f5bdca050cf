"""Judging an encoder by what it finds: each item is a query, and the documents that answer it are known.

    task = Task(queries, "{{ query }}", Retrieves(documents, answer="answer"))
    evaluate(load_encoder(), task)

It knows encoders and the rows of a task; how ranks become measures is `embeddings.retrieval`'s.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from influence_nb.arguments import expect_text, quoted
from influence_nb.embeddings.retrieval import MEASURES, depth, retrieval
from influence_nb.embeddings.text_encoder import TextEncoder, Vectors
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InvalidData
from influence_nb.evaluation.judging import Answer, Figure, Row, Scorer, expect_answers, is_list, items_have


@dataclass(frozen=True)
class Retrieves(Scorer):
    """How far up an encoder ranks the documents that answer a query, by the cosine of their vectors.

    `recall` is the share of the answers among the first k, `ndcg` weighs them by their place and grade,
    `reciprocal_rank` is 1 / the rank of the first answer, wherever it is; see `Retrieval`. All are 0 to 1. What is
    asked is an encoder, from `inb.load_encoder`; the task's template makes the query.

    Args:
        documents: n texts.
        answer: the column that says which documents answer: one, a list, or {document: grade}, where a higher grade
            answers better and 0 not at all. A document is named by its text, or its place from 0, which may be written
            as text where no document reads so.
        k: how many documents of each ranking are looked at, from 1 to n; None takes 10, or all of fewer.
        query_prompt: what stands before the queries, as `encode` takes it: a name of the encoder's prompts, or text.
        document_prompt: what stands before the documents.
    """

    documents: tuple[str, ...]
    answer: str = "answer"
    k: int | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None

    kind = "retrieval"
    asks = "encoder"
    figures = tuple(Figure(name) for name in MEASURES)

    def __post_init__(self) -> None:
        given: Any = self.documents
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise InvalidData(
                f"documents={quoted(given)} is no list of texts.", "Give the documents as a list of str."
            )
        found = tuple(given)
        if not found or not all(isinstance(text, str) for text in found):
            what = "there are none" if not found else "one of them is no text"
            raise InvalidData(
                f"The documents cannot be searched: {what}.", "Give the documents as a list of str."
            )
        expect_text(query_prompt=self.query_prompt, document_prompt=self.document_prompt)
        object.__setattr__(self, "documents", found)
        object.__setattr__(self, "k", depth(self.k, len(found)))

    def check(self, rows: Sequence[Row]) -> None:
        """See `Scorer`."""
        expect_answers(rows, self.answer)
        if wrong := [row for row in rows if not self._grades(row)]:
            raise InvalidData(
                f"{items_have(wrong)} no answer among the documents, but {quoted(wrong[0][self.answer])}.",
                f"Name in {self.answer!r} documents by their places, 0 to {len(self.documents) - 1}, or by their "
                "texts; grades are numbers from 0 on, and one of them above 0.",
            )

    def answers(
        self,
        model: TextEncoder,
        prompts: Sequence[Any],
        rows: Sequence[Row],
        sampling: Sampling,
        cancel: threading.Event | None,
    ) -> list[Answer]:
        """See `Scorer`; sampling plays no part. The documents are encoded once for each encoder."""
        if model not in self._encoded:
            self._encoded[model] = model.encode(self.documents, cancel=cancel, prompt=self.document_prompt)
        asked = model.encode(prompts, cancel=cancel, prompt=self.query_prompt)
        grades = [self._grades(row) for row in rows]
        found = retrieval(prompts, self.documents, grades, model, self.k, (asked, self._encoded[model]))
        values = zip(*(getattr(found, name).tolist() for name in MEASURES), strict=True)
        return [
            Answer(
                dict(zip(MEASURES, value, strict=True)),
                self.documents[first],
                {"first": int(first), "ranks": {str(place): rank for place, rank in sorted(ranks.items())}},
            )
            for value, first, ranks in zip(values, found.first, found.ranks, strict=True)
        ]

    @cached_property
    def _encoded(self) -> WeakKeyDictionary[TextEncoder, Vectors]:
        return WeakKeyDictionary()

    @cached_property
    def _places(self) -> dict[str, int]:
        """Of each text where it stands, the first time."""
        return {text: place for place, text in reversed(list(enumerate(self.documents)))}

    def _grades(self, row: Row) -> dict[int, float] | None:
        """{place of a document: grade above 0}; None where something in it is none."""
        given = row[self.answer]
        alike = [(one, 1.0) for one in (given if is_list(given) else [given])]
        named = given.items() if isinstance(given, Mapping) else alike
        grades = {self._place(one): _grade(grade) for one, grade in named}
        if None in grades or None in grades.values():
            return None
        return {place: grade for place, grade in grades.items() if place is not None and grade}

    def _place(self, named: Any) -> int | None:
        if isinstance(named, str) and named in self._places:
            return self._places[named]
        if isinstance(named, str) and named.isdecimal():  # JSON's keys and the cells of a CSV file are text
            named = int(named)
        is_place = isinstance(named, int) and not isinstance(named, bool)
        return named if is_place and 0 <= named < len(self.documents) else None


def _grade(given: Any) -> float | None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    return float(given) if 0 <= given < math.inf else None
