"""Groups of texts that lie together, and the words that set each group apart.

It knows vectors and texts; it does not know maps: groups are found in more dimensions than a picture has.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import whole
from influence_nb.embeddings.columns import NONE
from influence_nb.embeddings.project import FEWEST_FOR_UMAP, reduced
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float32]

STAGES = ("fewer dimensions", "groups", "names")
"""What is done one after the other to find groups."""
_DIMENSIONS = 5
_WORDS = 3
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, eq=False, repr=False)
class Clusters:
    """Groups of texts. Made by `EmbeddingMap.clusters`.

    Attributes:
        labels: (n,), the number of each text's group, -1 where it belongs to none.
        names: what each group is called, by number: the words that set it apart, the strongest first.
    """

    labels: NDArray[np.intp]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def column(self) -> list[str]:
        """The name of each text's group, `NONE` where it belongs to none."""
        return [NONE if label < 0 else self.names[label] for label in self.labels]

    def to_frame(self) -> pd.DataFrame:
        """A row for each group, its number the index: its name and how many texts it has."""
        import pandas as pd

        sizes = [int((self.labels == label).sum()) for label in range(len(self))]
        return pd.DataFrame({"name": list(self.names), "texts": sizes}).rename_axis("cluster")

    def __repr__(self) -> str:
        alone = int((self.labels < 0).sum())
        return f"Clusters({len(self)} of {len(self.labels)} texts, {alone} in none: {'; '.join(self.names)})"


def find(vectors: Floats, texts: Sequence[str], size: int = 8, seed: int = 0) -> Clusters:
    """HDBSCAN (Campello, Moulavi, Sander 2013) after UMAP to five dimensions.

    In hundreds of dimensions few points are dense enough to be told from noise, and two dimensions tear groups apart;
    so the groups are looked for in between. They are a way to look at the texts, not a finding: another seed or size
    gives others.

    Args:
        vectors: (n, d).
        texts: n.
        size: the fewest texts that make a group, from 2 on.
        seed: for UMAP's random steps.

    Raises:
        InvalidData: fewer texts than two groups take, or no such size.
    """
    size = enough(len(vectors), size)
    return find_among(fewer(vectors, seed), texts, size)


def enough(count: int, size: int) -> int:
    """The size, where so many texts can hold two groups of it; errors as `find`'s."""
    size = whole("size", size, 2)
    if count < max(2 * size, FEWEST_FOR_UMAP):
        raise InvalidData(
            f"{count} texts are too few to find groups of {size} among them.",
            "Give more texts, or ask for smaller groups: size=2.",
        )
    return size


def fewer(vectors: Floats, seed: int) -> Floats:
    """Vectors (n, d) in five dimensions, which `find_among` looks for groups in."""
    return reduced(vectors, _DIMENSIONS, seed)


def find_among(
    low: Floats, texts: Sequence[str], size: int, on_stage: Callable[[str], object] | None = None
) -> Clusters:
    """The groups among vectors of few dimensions (n, 5), named; `on_stage` hears of the second stage and the third."""
    from sklearn.cluster import HDBSCAN

    told(on_stage, 1)
    labels = np.asarray(HDBSCAN(min_cluster_size=size, copy=True).fit(low).labels_, np.intp)
    told(on_stage, 2)
    return Clusters(labels, tuple(named(texts, labels)))


def told(on_stage: Callable[[str], object] | None, number: int) -> None:
    """Tell which stage begins."""
    if on_stage is not None:
        on_stage(STAGES[number])


def named(texts: Sequence[str], labels: NDArray[np.intp]) -> list[str]:
    """The words that set each group apart: by how surely a text of the group has one oftener than the other texts.

    The z-score of the log-odds with an informative prior (Monroe, Colaresi, Quinn 2008, "Fightin' Words"): words that
    all groups have come out near 0, however often they are said. Words have three letters or more, and are none of
    scikit-learn's English stop words; of equal ones the first in the alphabet comes first.

    Args:
        texts: n.
        labels: (n,), the groups numbered from 0, -1 for none.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found = [set(_WORD.findall(text.lower())) - ENGLISH_STOP_WORDS for text in texts]
    everywhere = Counter(word for words in found for word in words)
    names: list[str] = []
    for number in range(labels.max() + 1):
        mine = np.flatnonzero(labels == number)
        inside = Counter(word for row in mine for word in found[row])
        surely = {
            word: _apart(count, len(mine), everywhere[word], len(texts)) for word, count in inside.items()
        }
        best = sorted(surely, key=lambda word: (-surely[word], word))[:_WORDS]
        name = ", ".join(best) or f"group {number}"
        names.append(name if name not in names else f"{name} ({number})")
    return names


def _apart(inside: int, of: int, everywhere: int, of_all: int) -> float:
    """How surely a word that `inside` of the group's `of` texts have is commoner there than in the rest."""
    prior = (everywhere + 0.5) / (of_all + 1)  # as much as one text says, never all or nothing
    here, there = inside + prior, everywhere - inside + prior
    odds = math.log(here / (of + 1 - here)) - math.log(there / (of_all - of + 1 - there))
    return odds / math.sqrt(1 / here + 1 / there)
