"""Judging answers in free words: how near they are to one that is right, and what another model thinks of them.

    SemanticSimilarity(answer="reference")         the cosine of their vectors
    Judge("starter/chat")                  a grade that a model gives

They know models and encoders; they do not know templates of tasks, nor where results are kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from influence_nb.arguments import quoted, real
from influence_nb.embeddings.encode import Encoder, open_encoder
from influence_nb.embeddings.neighbours import unit
from influence_nb.engine import registry
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InvalidData
from influence_nb.evaluation.judging import (
    Figure,
    Row,
    expect_answers,
    expect_columns,
    is_list,
    items_have,
)
from influence_nb.evaluation.scorers import Generated

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

PROMPT = (
    "Question: {question}\nRight answer: {answer}\nAnswer to grade: {output}\n\n"
    "How good is the answer to grade? Reply with one number from 0 (wrong) to 10 (right)."
)
"""What a judge is asked where nobody says."""


@dataclass(frozen=True)
class SemanticSimilarity(Generated):
    """How near what is generated is to an answer that is right: the cosine of their vectors, -1 to 1.

    Args:
        answer: the column that holds the answer.
        encoder: a model's name in the library; None is "starter/embedding". It computes in float32, so that machines
            agree.
    """

    answer: str = "answer"
    encoder: str | None = None

    kind = "similarity"
    figures = (Figure("similarity"),)

    def check(self, rows: Sequence[Row]) -> None:
        """See `Scorer`."""
        expect_answers(rows, self.answer)
        if several := [row for row in rows if is_list(row[self.answer])]:
            raise InvalidData(
                f"{items_have(several)} several answers in {self.answer!r}.", "Give one text to be near to."
            )

    def judged(
        self, rows: Sequence[Row], texts: Sequence[str]
    ) -> list[tuple[Mapping[str, float], Mapping[str, Any]]]:
        """See `Generated`."""
        said, right = (
            unit(self._encoder.encode(list(some)))
            for some in (texts, [str(row[self.answer]) for row in rows])
        )
        near = np.clip((said * right).sum(axis=1), -1, 1)
        return [({"similarity": float(one)}, {"encoder": self._encoder.name}) for one in near]

    @cached_property
    def _encoder(self) -> Encoder:
        return open_encoder(self.encoder, dtype="float32")


@dataclass(frozen=True)
class Judge(Generated):
    """A grade that a model gives to what another has generated. Its prompt is part of the task, and so is recorded.

    `grade` is the number that the judge replies with, NaN where it gives none in range; a judge is a model with
    biases of its own (Zheng et al. 2023, arXiv:2306.05685): hold its grades against some of yours.

    Args:
        model: the judge's name; it is taken from the loaded models.
        prompt: what it is asked; {question}, {answer} and other columns stand for the item's, {output} for what was
            generated.
        lowest, highest: the range of grades.
    """

    model: str
    prompt: str = PROMPT
    lowest: float = 0.0
    highest: float = 10.0

    kind = "judge"
    figures = (Figure("grade"),)

    def __post_init__(self) -> None:
        if not self.model or not isinstance(self.model, str):
            raise InvalidData(f"model={quoted(self.model)} names no judge.", "Give a loaded model's name.")
        if not isinstance(self.prompt, str) or "{output}" not in self.prompt:
            raise InvalidData(
                f"prompt={quoted(self.prompt)} shows the judge no answer.",
                "Put {output} where it is to stand.",
            )
        low, high = (real(name, getattr(self, name), -math.inf, math.inf) for name in ("lowest", "highest"))
        if low >= high:
            raise InvalidData(
                f"Grades from lowest={low:g} to highest={high:g} leave no choice.",
                "Give a highest grade above the lowest.",
            )

    def check(self, rows: Sequence[Row]) -> None:
        """See `Scorer`."""
        names = re.findall(r"\{(\w+)\}", self.prompt)
        expect_columns(rows, *(name for name in names if name != "output"))

    def expect_ready(self) -> None:
        """See `Generated`.

        Raises:
            InvalidData: the judge is not loaded.
        """
        self._judge()

    def judged(
        self, rows: Sequence[Row], texts: Sequence[str]
    ) -> list[tuple[Mapping[str, float], Mapping[str, Any]]]:
        """See `Generated`."""
        judge = self._judge()
        prompts = [
            [{"role": "user", "content": self._filled(row, text)}]
            for row, text in zip(rows, texts, strict=True)
        ]
        sampling = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=64, seed=0)
        said = judge.batch(prompts, sampling)
        return [
            (
                {"grade": self._grade(one.text)},
                {"judge": judge.name, "said": one.text, "judged_by": one.receipt.to_dict()},
            )
            for one in said
        ]

    def _judge(self) -> Model:
        if (judge := registry.named(self.model)) is None:
            raise InvalidData(
                f"The judge {self.model!r} is not loaded.", f"Load it first: inb.load({self.model!r})."
            )
        return judge

    def _filled(self, row: Row, text: str) -> str:
        known = {**row, "output": text}
        return re.sub(r"\{(\w+)\}", lambda found: str(known[found[1]]), self.prompt)

    def _grade(self, said: str) -> float:
        found = re.search(r"-?\d+(?:\.\d+)?", said)
        grade = float(found[0]) if found else math.nan
        return grade if self.lowest <= grade <= self.highest else math.nan
