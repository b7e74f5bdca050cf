"""The texts that a `TokenInspector` has looked at: one of them shown, coloured, returned to and saved.

It knows inspections and the page's traits; it does not know how an inspection is made (`inspector.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import quoted, whole
from influence_nb.engine.inspection import MEASURES, Inspection
from influence_nb.errors import InvalidData
from influence_nb.widgets import inspector_html as page
from influence_nb.widgets import inspector_picture as draw
from influence_nb.widgets.base import escape, static_block
from influence_nb.widgets.inspector_traits import InspectorTraits

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "No text was looked at yet."


class ShownTexts(InspectorTraits):
    """The texts that were kept, and what is shown of one. Arguments as those of `ModelPanel`."""

    def __init__(self, *args: Any, **values: Any) -> None:
        self._kept: list[tuple[Inspection, str]] = []
        super().__init__(*args, **values)

    @property
    def inspected(self) -> Inspection | None:
        """The text that is shown; None before the first."""
        return self._kept[self.branch][0] if self._kept else None

    def at(self, index: int) -> None:
        """Show what is known of a token.

        Raises:
            InvalidData: there is no such token.
        """
        with self._lock:
            self._put(where=self._place(index), view=self._picture(index), hint={})
        self.update_static()

    def show(self, branch: int) -> None:
        """Show one of the texts that were kept, by its place in `branches`.

        Raises:
            InvalidData: there is no such text.
        """
        with self._lock:
            self._looked()
            self.branch = whole("branch", branch, 0, len(self._kept) - 1)
            self._show()

    def colour(self, measure: str = "logprob", of: str = "raw") -> None:
        """Say what the colours mean.

        Args:
            measure: "logprob", "rank", "entropy" or "margin".
            of: "raw", the model's own distribution, or "sampled", the one that was drawn from.

        Raises:
            InvalidData: there is no such measure, or nothing was drawn.
        """
        if measure not in MEASURES or of not in ("raw", "sampled"):
            raise InvalidData(
                f"Tokens are not coloured by {quoted(measure)} of {quoted(of)}.",
                f"There are {', '.join(MEASURES)}, of raw and sampled.",
            )
        if of == "sampled" and not self.has_sampled:
            raise InvalidData("Nothing was drawn, so there is no post-sampler distribution.", 'Choose "raw".')
        with self._lock:
            self._put(measure=measure, of=of)
            self._show()

    def to_frame(self) -> pd.DataFrame:
        """A row for each token, see `Inspection.to_frame`.

        Raises:
            InvalidData: no text was looked at.
        """
        return self._looked().to_frame()

    def to_html(self) -> str:
        """The text as a page that needs nothing else: colours, legend, and what might have come at each token.

        Raises:
            InvalidData: no text was looked at.
        """
        return page.document(self._looked(), self.measure, self.of, self._title())

    def save(self, path: str | Path) -> Path:
        """Write the text to a file: `to_html()`, or the frame where its name ends in .csv.

        Raises:
            InvalidData: no text was looked at, or the file cannot be written.
        """
        target = Path(path)
        text = self.to_frame().to_csv() if target.suffix == ".csv" else self.to_html()
        try:
            target.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InvalidData(f"{target} cannot be written: {error}.", "Choose another file.") from error
        return target

    def static_html(self) -> str:
        """The coloured text, for a reader without a kernel."""
        with self._lock:
            looked = self.inspected
            if looked is None:
                return static_block("Token inspector", f"<p>{escape(NOTHING)}</p>")
            return static_block(self._title(), page.coloured(looked, self.measure, self.of))

    def _begin_with(self, looked: Inspection, words: str) -> None:
        self._keep(looked, words)
        self._show()

    def _keep(self, looked: Inspection, words: str, at: int | None = None) -> None:
        if at is None:
            seen = self.inspected is not None and _tokens(self.inspected) == _tokens(looked)
            self._kept = [(looked, words)]
            self._put(branch=0, where=self.where if seen else draw.most_surprising(looked))
        else:
            self._kept.append((looked, words))
            self._put(branch=len(self._kept) - 1, where=at)

    def _show(self) -> None:
        looked = self.inspected
        if looked is None:
            self._put(tokens=[], levels=[], view={})
            return
        of = self.of if looked.has_sampled else "raw"
        where = min(self.where, max(len(looked) - 1, 0))
        self._put(
            branches=[words for _, words in self._kept],
            of=of,
            has_sampled=looked.has_sampled,
            tokens=_tokens(looked),
            given=looked.given,
            levels=draw.levels(looked, self.measure, of),
            legend=list(draw.LEGENDS[self.measure]),
            where=where,
            view=self._picture(where) if len(looked) else {},
            summary=draw.summary(looked),
            note=looked.missing,
        )
        self.update_static()

    def _picture(self, index: int, most: int | None = None) -> dict[str, Any]:
        looked = self._looked()
        fixed = looked.model is None or (index == 0 and looked.given > 0)
        return draw.picture(looked, self._place(index), fixed, most)

    def _title(self) -> str:
        model = None if self.inspected is None else self.inspected.model
        return f"Token inspector · {model.name if model else self.model}".rstrip(" ·")

    def _looked(self) -> Inspection:
        looked = self.inspected
        if looked is None or not len(looked):
            raise InvalidData(NOTHING, "Press Score first: inspector.inspect(text).")
        return looked

    def _place(self, index: int) -> int:
        count = len(self._looked())
        if not isinstance(index, int) or not 0 <= index < count:
            raise InvalidData(f"There is no token {quoted(index)}.", f"There are {count}, from 0.")
        return index

    def _export(self, suffix: str) -> None:
        frame = suffix == "csv"
        text = self.to_frame().to_csv() if frame else self.to_html()
        kind = "text/csv" if frame else "text/html"
        self.send({"type": "file", "name": f"tokens.{suffix}", "text": text, "kind": kind})


def _tokens(looked: Inspection) -> list[str]:
    return [place.token for place in looked]
