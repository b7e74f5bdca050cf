"""How well an encoder finds what is known to be right: queries, documents, and which answer which.

It knows encoders and ranks; it does not know where the queries come from.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import quoted, real, whole
from influence_nb.embeddings.encode import opened
from influence_nb.embeddings.neighbours import unit
from influence_nb.embeddings.text_encoder import TextEncoder
from influence_nb.embeddings.vectors import brought
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

MEASURES = ("recall", "ndcg", "reciprocal_rank")
"""What each query is measured by."""
USUAL_K = 10
_QUERIES = 2**8
_DRAWS = 2000
_NAMED = 5


@dataclass(frozen=True, eq=False, repr=False)
class Retrieval:
    """What became of each query. Made by `inb.retrieval`.

    The documents are ranked by the cosine of their vectors with the query's; of equal ones the earlier comes first.

    Attributes:
        queries: the m queries.
        documents: the n documents.
        ranks: for each query {document: its rank, from 1} of those that answer it.
        grades: for each query {document: how well it answers, above 0}.
        first: (m,), the document that came first.
        k: how many documents of the ranking are looked at.
        encoder: the name of what made the vectors.
    """

    queries: tuple[str, ...]
    documents: tuple[str, ...]
    ranks: tuple[Mapping[int, int], ...]
    grades: tuple[Mapping[int, float], ...]
    first: NDArray[np.intp]
    k: int
    encoder: str

    @property
    def recall(self) -> Floats:
        """(m,), the share of a query's answers that are among the first k, 0 to 1."""
        return np.array([np.mean([rank <= self.k for rank in found.values()]) for found in self.ranks])

    @property
    def ndcg(self) -> Floats:
        """(m,), normalised discounted cumulative gain at k, 0 to 1 (Järvelin, Kekäläinen 2002).

        DCG is the sum of grade / log2(rank + 1) over the answers among the first k; it is divided by that of the best
        order. The paper divides by log2(rank) from the second rank on; log2(rank + 1) is what is usual since.
        """
        return np.array(
            [
                self._dcg((grades[one], rank) for one, rank in found.items())
                / self._dcg(
                    (grade, rank) for rank, grade in enumerate(sorted(grades.values(), reverse=True), 1)
                )
                for found, grades in zip(self.ranks, self.grades, strict=True)
            ]
        )

    @property
    def reciprocal_rank(self) -> Floats:
        """(m,), 1 / the rank of the first answer, wherever it is: k plays no part. Its mean is the MRR."""
        return np.array([1 / min(found.values()) for found in self.ranks])

    def at(self, k: int) -> Retrieval:
        """The same ranking, looked at to another depth.

        Raises:
            InvalidData: k is below 1 or above the number of documents.
        """
        k = whole("k", k, 1, len(self.documents))
        return Retrieval(self.queries, self.documents, self.ranks, self.grades, self.first, k, self.encoder)

    def mean(self, measure: str = "ndcg") -> float:
        """The mean of a measure over the queries.

        Raises:
            InvalidData: it is none of "recall", "ndcg" and "reciprocal_rank".
        """
        return float(self._measure(measure).mean())

    def interval(self, measure: str = "ndcg", level: float = 0.95, seed: int = 0) -> tuple[float, float]:
        """Between which values the mean would come out with other queries of the same kind: low and high.

        The percentile bootstrap over the queries (Efron 1979), 2,000 draws. It knows nothing of other documents.

        Raises:
            InvalidData: no such measure, level or seed.
        """
        return _interval(self._measure(measure), level, seed)

    def gain(
        self, other: Retrieval, measure: str = "ndcg", level: float = 0.95, seed: int = 0
    ) -> tuple[float, float, float]:
        """By how much the mean is above that of another run of the same queries, and its interval: gain, low, high.

        The queries are drawn in pairs, so that what is hard for both does not widen the interval.

        Raises:
            InvalidData: other queries, or no such measure, level or seed.
        """
        if not isinstance(other, Retrieval) or other.queries != self.queries:
            raise InvalidData(
                "The other run is not of the same queries.",
                "Compare runs of one list of queries, in one order.",
            )
        each = self._measure(measure) - other._measure(measure)
        return float(each.mean()), *_interval(each, level, seed)

    def summary(self, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
        """A row for each measure: mean, low, high; see `interval`."""
        import pandas as pd

        names = {"recall": f"recall@{self.k}", "ndcg": f"nDCG@{self.k}", "reciprocal_rank": "MRR"}
        rows = [(self.mean(one), *self.interval(one, level, seed)) for one in MEASURES]
        index = pd.Index([names[one] for one in MEASURES], name="measure")
        return pd.DataFrame(rows, index, columns=["mean", "low", "high"])

    def to_frame(self) -> pd.DataFrame:
        """A row for each query: query, recall, ndcg, reciprocal_rank, rank (of the first answer), answer, first.

        `answer` is the answer that came first among the answers, `first` what came first of all documents.
        """
        import pandas as pd

        best = [min(found, key=lambda one: (found[one], one)) for found in self.ranks]
        made = {
            "query": list(self.queries),
            **{one: self._measure(one) for one in MEASURES},
            "rank": [found[one] for found, one in zip(self.ranks, best, strict=True)],
            "answer": [self.documents[one] for one in best],
            "first": [self.documents[one] for one in self.first],
        }
        return pd.DataFrame(made)

    def _repr_html_(self) -> str:
        return self.summary().round(3).to_html()

    def __repr__(self) -> str:
        return (
            f"Retrieval({len(self.queries):,} queries, {len(self.documents):,} documents, by {self.encoder}: "
            f"recall@{self.k} {self.mean('recall'):.3f}, nDCG@{self.k} {self.mean('ndcg'):.3f}, "
            f"MRR {self.mean('reciprocal_rank'):.3f})"
        )

    def _measure(self, name: str) -> Floats:
        if name not in MEASURES:
            raise InvalidData(f"There is no measure {quoted(name)}.", f"Choose one of {', '.join(MEASURES)}.")
        found: Floats = getattr(self, name)
        return found

    def _dcg(self, ranked: Iterable[tuple[float, int]]) -> float:
        """Of pairs (grade, rank)."""
        return float(sum(grade / np.log2(rank + 1) for grade, rank in ranked if rank <= self.k))


def retrieval(
    queries: Sequence[str],
    documents: Sequence[str],
    answers: Sequence[Any],
    encoder: TextEncoder | str | Path | None = None,
    k: int | None = None,
    vectors: tuple[Any, Any] | None = None,
) -> Retrieval:
    """Rank the documents for each query by cosine, and measure how far up its answers come.

    Args:
        queries: m texts.
        documents: n texts.
        answers: m, for each query the number of the document that answers it, a list of such numbers, or
            {number: grade}, where a higher grade answers better and 0 not at all.
        encoder: from `inb.load_encoder()`, or a model's name or folder; None opens `starter/embedding`.
        k: how many documents of each ranking are looked at, from 1 to n; None takes 10, or all of fewer.
        vectors: one's own, of the queries and of the documents: (m, d) and (n, d), as `EmbeddingMap` takes them.
            Nothing is encoded then.

    Raises:
        InvalidData: no queries or documents, answers that are not one entry a query, documents that do not exist,
            queries without an answer, no such k, or grades that are no numbers from 0 on.
    """
    asked, held = _texts(queries, "queries"), _texts(documents, "documents")
    grades = _graded(answers, asked, len(held))
    k = depth(k, len(held))
    if vectors is None:
        found = opened(encoder)
        name = found.name
        sides = [found.encode(some, cache=True) for some in (asked, held)]
    else:
        name = encoder.name if isinstance(encoder, TextEncoder) else "vectors that were brought"
        sides = _brought(vectors, asked, held)
    ranks, first = _ranked(unit(sides[0]), unit(sides[1]), grades)
    return Retrieval(tuple(asked), tuple(held), tuple(ranks), tuple(grades), first, k, name)


def depth(k: int | None, count: int) -> int:
    """How many of `count` documents are looked at: k, or 10 and at most all where nobody says.

    Raises:
        InvalidData: there are not so many.
    """
    return min(USUAL_K, count) if k is None else whole("k", k, 1, count)


def _ranked(
    asked: NDArray[np.float32], held: NDArray[np.float32], grades: list[dict[int, float]]
) -> tuple[list[dict[int, int]], NDArray[np.intp]]:
    """The ranks of the answers, and what comes first, by the product of vectors of length 1."""
    ranks: list[dict[int, int]] = []
    first = np.empty(len(asked), np.intp)
    for start in range(0, len(asked), _QUERIES):
        similar = asked[start : start + _QUERIES] @ held.T
        first[start : start + len(similar)] = similar.argmax(axis=1)
        for line, wanted in zip(similar, grades[start:], strict=False):
            ranks.append(
                {
                    one: 1 + int((line > line[one]).sum()) + int((line[:one] == line[one]).sum())
                    for one in wanted
                }
            )
    return ranks, first


def _interval(values: Floats, level: float, seed: int) -> tuple[float, float]:
    level = real("level", level, 0, 1)
    draws = np.random.default_rng(whole("seed", seed, 0)).integers(0, len(values), (_DRAWS, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _texts(given: Any, what: str) -> list[str]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidData(f"{what}={quoted(given)} is no list of texts.", f"Give {what} as a list of str.")
    found = list(given)
    if not found:
        raise InvalidData(f"There are no {what}.", "Give at least one.")
    if wrong := [at for at, text in enumerate(found) if not isinstance(text, str)]:
        raise InvalidData(
            f"Number {wrong[0]} of the {what} is no text but {quoted(found[wrong[0]])}.",
            "Give every one as a str.",
        )
    return found


def _graded(answers: Any, queries: list[str], documents: int) -> list[dict[int, float]]:
    """{document: grade} for each query, those that answer it only."""
    given = (
        list(answers) if isinstance(answers, Iterable) and not isinstance(answers, (str, Mapping)) else None
    )
    if given is None or len(given) != len(queries):
        count = "none" if given is None else f"{len(given):,}"
        raise InvalidData(
            f"There are {len(queries):,} queries and {count} entries of answers.",
            "Give for each query a document's number, a list of them, or {number: grade}.",
        )
    graded = [_entry(one, at) for at, one in enumerate(given)]
    lost = [(at, one) for at, found in enumerate(graded) for one in found if not 0 <= one < documents]
    if lost:
        named = ", ".join(f"{one} (query {at})" for at, one in lost[:_NAMED])
        more = f" and {len(lost) - _NAMED:,} more" if len(lost) > _NAMED else ""
        raise InvalidData(
            f"There are no documents {named}{more}.", f"Documents are numbered from 0 to {documents - 1}."
        )
    graded = [{one: grade for one, grade in found.items() if grade > 0} for found in graded]
    if none := [at for at, found in enumerate(graded) if not found]:
        named = ", ".join(map(str, none[:_NAMED])) + (
            f" and {len(none) - _NAMED:,} more" if len(none) > _NAMED else ""
        )
        raise InvalidData(
            f"No document answers the queries numbered {named}: {quoted(queries[none[0]])}.",
            "Leave such queries out: nothing can be measured by them.",
        )
    return graded


def _entry(given: Any, at: int) -> dict[int, float]:
    if isinstance(given, Mapping):
        bad = [
            grade
            for grade in given.values()
            if isinstance(grade, bool)
            or not isinstance(grade, numbers.Real)
            or not 0 <= float(grade) < float("inf")
        ]
        if bad:
            raise InvalidData(f"Query {at} has the grade {quoted(bad[0])}.", "Grades are numbers from 0 on.")
        return {whole(f"answers[{at}]", one): float(grade) for one, grade in given.items()}
    several = isinstance(given, Iterable) and not isinstance(given, str)
    return {whole(f"answers[{at}]", one): 1.0 for one in (given if several else [given])}


def _brought(vectors: Any, queries: list[str], documents: list[str]) -> list[Any]:
    import pandas as pd

    if not isinstance(vectors, (tuple, list)) or len(vectors) != 2:
        raise InvalidData(
            "Vectors are given as a pair.", "Give (those of the queries, those of the documents)."
        )
    sides = [
        brought(one, pd.DataFrame({"text": texts}))
        for one, texts in zip(vectors, (queries, documents), strict=True)
    ]
    if sides[0].shape[1] != sides[1].shape[1]:
        raise InvalidData(
            f"The queries have {sides[0].shape[1]} dimensions and the documents {sides[1].shape[1]}.",
            "Both must come from the same encoder.",
        )
    return sides
