"""What every encoder does with texts: check them, reuse what was computed before, keep the order, tell how far it is.

It does not know how a text becomes a vector: kinds of encoders say that (`encode.Encoder` runs a network,
`endpoint.EndpointEncoder` asks a server).
"""

from __future__ import annotations

import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from influence_nb.arguments import expect_bool, expect_call, expect_event, expect_text, quoted, whole
from influence_nb.embeddings.cache import VectorCache
from influence_nb.embeddings.texts import listed
from influence_nb.errors import InfluenceError, InvalidData

Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]
OnProgress = Callable[[int, int], None]

_SECONDS = 1.0
"""After so many seconds what was computed is written to the cache: what a killed process loses."""


class Part(NamedTuple):
    """Some of the texts, done: their places, vectors (k, d), and whether each was cut."""

    places: list[int]
    vectors: Vectors
    cut: list[bool]


@dataclass(frozen=True)
class Encoded:
    """Vectors, and how they came about.

    Attributes:
        vectors: (n, d) float32.
        cut: the rows whose texts are longer than the encoder reads; what is past that is not in their vectors.
        reused: how many rows were computed before, and taken from the cache.
    """

    vectors: Vectors
    cut: tuple[int, ...] = field(default=(), repr=False)
    reused: int = 0


class TextEncoder(ABC):
    """Texts in, one float32 vector a text out.

    Attributes:
        name: what it is called.
        dimension: the length d of a vector.
        max_tokens: longer texts are cut there; None where that is not known.
        prompts: what the model says is put before texts, by name, such as {"query": "query: "}.
        default_prompt: the name of the one that is used where none is asked for; None for none.
    """

    name: str
    dimension: int
    max_tokens: int | None
    prompts: Mapping[str, str]
    default_prompt: str | None

    @abstractmethod
    def parts(
        self, texts: list[str], prompt: str, batch_size: int | None, stopped: Callable[[], bool]
    ) -> Iterator[Part]:
        """The vectors of texts, some at a time, in whatever order is best; ends early once `stopped()`.

        Args:
            texts: strings, each another one.
            prompt: stands before each text.
            batch_size: the most at once; None is what suits.
            stopped: asked before each part is begun.
        """

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What a text's vector depends on beside the text and the prompt, as JSON holds it: the encoder's identity."""

    def encode(
        self,
        texts: str | Sequence[str],
        batch_size: int | None = None,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
        *,
        prompt: str | None = None,
        cache: bool = False,
        show_progress: bool = False,
    ) -> Vectors:
        """One vector a text, in the order given.

        Texts are sorted by length and packed into batches, so little is spent on padding; equal ones are computed once.
        In float32 a vector does not depend on the texts beside it (to 1e-5); in bfloat16 it does in the third decimal.

        Args:
            texts: one text or many; one text also gives a matrix, of one row.
            batch_size: the most rows that go through the model at once; None packs by tokens (2,048 on a CPU).
            on_progress: called with (texts done, texts in all) after every batch.
            cancel: set it from another thread to stop at the next batch.
            prompt: what stands before each text: the name of one of `prompts`, or text that is taken as it is; None
                is the model's default, "" none.
            cache: whether vectors that this encoder computed before are reused, and new ones kept for next time, below
                INFLUENCE_HOME. Hashes of the texts are kept, not the texts. Of a call that was stopped, what was done
                is kept. Maps, `inb.similarity`, `inb.retrieval` and `influence embed` do so; a plain call computes.
            show_progress: draw a bar with the time left.

        Returns:
            float32 of shape (n, d); (0, d) when there are no texts.

        Raises:
            InvalidData: something among the texts is not a string or cannot be written in UTF-8, the batch size is
                not a whole number above 0, or there is no such prompt.
            OutOfMemory: a batch did not fit; a smaller batch_size may.
            EndpointError: the server that computes failed.
            InfluenceError: it was cancelled, or the encoder was unloaded.
        """
        return self.encoded(
            texts, batch_size, on_progress, cancel, prompt=prompt, cache=cache, show_progress=show_progress
        ).vectors

    def encoded(
        self,
        texts: str | Sequence[str],
        batch_size: int | None = None,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
        *,
        prompt: str | None = None,
        cache: bool = False,
        show_progress: bool = False,
    ) -> Encoded:
        """As `encode`, with the facts: which texts were cut, and how many vectors were there already."""
        if batch_size is not None:
            batch_size = whole("batch_size", batch_size, 1)
        expect_event(cancel)
        expect_call(on_progress=on_progress)
        expect_bool(cache=cache, show_progress=show_progress)
        rows = listed(texts)
        with bar(len(rows), on_progress, show_progress) as tell:
            found = self._encoded(rows, self.prompt_text(prompt), batch_size, tell, cancel, cache)
        self.warn_of_cut(len(found.cut), len(rows))
        return found

    def encode_to(
        self,
        path: str | Path,
        texts: Any,
        text: str = "text",
        dtype: str = "float32",
        batch_size: int | None = None,
        on_progress: Callable[[int, int | None], None] | None = None,
        cancel: threading.Event | None = None,
        *,
        prompt: str | None = None,
        show_progress: bool = False,
        overwrite: bool = False,
    ) -> NDArray[np.floating[Any]]:
        """Encode more than memory holds: vectors go to a file as they are made, and a stopped call is gone on with.

        Texts are taken 512 at a time. Until the end the file is `<path>.part`, with `<path>.part.jsonl` beside it; the
        same call for the same texts and encoder goes on from there, after a cancel as after a kill. The cache is not
        used: the file is what is kept.

        Args:
            path: where to, a file that `numpy.load` and `EmbeddingMap(vectors=path)` read (.npy).
            texts: any iterable of texts, such as a generator; or a CSV, JSONL, Parquet or text file, a DataFrame or a
                data set of `datasets`, read a piece at a time.
            text: the column that holds the texts, where there are columns.
            dtype: "float32", or "float16", which takes half the room and rounds in the fourth decimal.
            batch_size: as in `encode`.
            on_progress: called with (texts done, texts in all); None for the latter where it is not known.
            cancel: as in `encode`.
            prompt: as in `encode`.
            show_progress: as in `encode`.
            overwrite: whether a file that is there already is replaced, at the end.

        Returns:
            The vectors (n, d), mapped from the file, not in memory.

        Raises:
            InvalidData: as `encode`; the path does not end in .npy, there is a file already, or its folder cannot be
                written.
            NotEnoughDisk: the disk is full; what was done is kept.
            InfluenceError: it was cancelled; what was done is kept.
        """
        from influence_nb.embeddings.streaming import encode_to

        if batch_size is not None:
            batch_size = whole("batch_size", batch_size, 1)
        expect_event(cancel)
        expect_call(on_progress=on_progress)
        expect_bool(show_progress=show_progress, overwrite=overwrite)
        return encode_to(
            self, path, texts, text, dtype, batch_size, on_progress, cancel, prompt, show_progress, overwrite
        )

    def prompt_text(self, prompt: str | None) -> str:
        """What stands before each text: of a name the model's prompt, of None its default.

        Raises:
            InvalidData: it looks like a name, and the model has no prompt of that name.
        """
        expect_text(prompt=prompt)
        if prompt is None:
            return self.prompts.get(self.default_prompt or "", "")
        if prompt in self.prompts:
            return self.prompts[prompt]
        if prompt.isidentifier():
            known = ", ".join(self.prompts) or "none"
            raise InvalidData(
                f"{self.name} has no prompt called {quoted(prompt)}.",
                f"It has: {known}. A prompt of your own ends in a space or a colon, such as 'query: '.",
            )
        return prompt

    def warn_of_cut(self, cut: int, total: int) -> None:
        """Say how many texts were not read to their end."""
        if cut:
            warnings.warn(
                f"{cut} of {total} texts are longer than the {self.max_tokens} tokens {self.name} reads; "
                "the rest of each was left out.",
                stacklevel=4,
            )

    def _encoded(
        self,
        rows: list[str],
        prompt: str,
        batch_size: int | None,
        tell: Callable[[int], None],
        cancel: threading.Event | None,
        cache: bool,
    ) -> Encoded:
        """The vectors of texts that are strings; `tell` is called with how many are done."""
        numbers: dict[str, int] = {}
        which = np.fromiter((numbers.setdefault(row, len(numbers)) for row in rows), np.intp, len(rows))
        texts, times = list(numbers), np.bincount(which, minlength=len(numbers))
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        cut, here = np.zeros(len(texts), bool), np.zeros(len(texts), bool)
        keeper = self._keeper(prompt) if cache else None
        if keeper is not None:
            here, cut, vectors = keeper.cache.find(texts)
        reused = done = int(times[here].sum())
        if done:
            tell(done)
        left = np.flatnonzero(~here)
        stopped = cancel.is_set if cancel is not None else bool
        try:
            for places, found, was_cut in self.parts([texts[i] for i in left], prompt, batch_size, stopped):
                at = left[places]
                vectors[at], cut[at] = found, was_cut
                if keeper is not None:
                    keeper.add([texts[i] for i in at], found, was_cut)
                done += int(times[at].sum())
                tell(done)
        finally:
            if keeper is not None:
                keeper.write()
        if done < len(rows):
            again = "Start again: what was done is reused." if cache else "Start again."
            raise InfluenceError(f"Encoding was stopped after {done} of {len(rows)} texts.", again)
        unique = len(texts) == len(rows)
        return Encoded(
            vectors if unique else vectors[which],
            tuple(np.flatnonzero(cut if unique else cut[which]).tolist()),
            reused,
        )

    def _keeper(self, prompt: str) -> _Keeper | None:
        try:
            return _Keeper(VectorCache({**self.facts(), "prompt": prompt}, self.dimension))
        except OSError:  # the model's files are gone or changed hands: which encoder this is cannot be told
            return None


class _Keeper:
    """Puts vectors into the cache a second's worth at a time: each writing takes a lock."""

    def __init__(self, cache: VectorCache) -> None:
        self.cache = cache
        self._waiting: list[tuple[list[str], Vectors, list[bool]]] = []
        self._written = time.monotonic()

    def add(self, texts: list[str], vectors: Vectors, cut: list[bool]) -> None:
        self._waiting.append((texts, vectors, cut))
        if time.monotonic() - self._written >= _SECONDS:
            self.write()

    def write(self) -> None:
        if self._waiting:
            texts, vectors, cut = zip(*self._waiting, strict=True)
            self._waiting = []
            self.cache.keep(
                [text for some in texts for text in some], np.concatenate(vectors), np.concatenate(cut)
            )
        self._written = time.monotonic()


@contextmanager
def bar(
    total: int | None, on_progress: Callable[[int, Any], None] | None, shown: bool
) -> Iterator[Callable[[int], None]]:
    """A function for how many texts are done: it tells `on_progress`, and moves a bar where one is asked for."""
    drawn: Any = None
    if shown:
        from tqdm.auto import tqdm

        drawn = tqdm(total=total, unit=" texts", desc="Embedding")

    def tell(done: int) -> None:
        if drawn is not None:
            drawn.update(done - drawn.n)
        if on_progress is not None:
            on_progress(done, total)

    try:
        yield tell
    finally:
        if drawn is not None:
            drawn.close()
