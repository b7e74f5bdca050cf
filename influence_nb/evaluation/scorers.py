"""The ways to judge: each scorer asks the model in its own way and gives numbers for every item.

    MultipleChoice(choices="options", answer="answer")      by log-likelihood
    ExactMatch(answer="answer"), Matches("([0-9]+)")        on what is generated
    Perplexity()                                            of the text itself

They know models and the rows of a task; they do not know templates, intervals or where results are kept.
"""

from __future__ import annotations

import math
import re
import string
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_bool, expect_text, quoted
from influence_nb.errors import BatchIncomplete, ContextTooLong, InvalidData
from influence_nb.evaluation.judging import (
    Answer,
    Figure,
    Row,
    Scorer,
    expect_answers,
    expect_columns,
    is_list,
    items_have,
    seed_of,
)

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion
    from influence_nb.engine.model import Model
    from influence_nb.engine.prompts import Prompt
    from influence_nb.engine.sampling import Sampling


@dataclass(frozen=True)
class MultipleChoice(Scorer):
    """Choose among continuations by log-likelihood, as lm-evaluation-harness does.

    `acc` takes the choice with the largest sum of log-probabilities; `acc_norm` divides it by the choice's length in
    characters. Of equal ones the first is taken. `margin` is by how much the best choice beats the next, in nats.

    Args:
        choices: the column that holds a list of texts, or the same texts for all items; none is empty or there twice.
        answer: the column that holds the right one: its text, or its place from 0, which may be written as text where
            no choice reads so.
        separator: stands between prompt and choice; "" for choices that are whole sentences without a prompt.
    """

    choices: str | tuple[str, ...] = "choices"
    answer: str = "answer"
    separator: str = " "

    kind = "multiple_choice"
    alone = True
    figures = (Figure("acc"), Figure("acc_norm"))

    def __post_init__(self) -> None:
        expect_text(answer=self.answer, separator=self.separator)
        if not isinstance(self.choices, str):
            if not is_list(self.choices):
                raise InvalidData(
                    f"choices={quoted(self.choices)} are none.", "Give a column's name, or a list of texts."
                )
            object.__setattr__(self, "choices", tuple(self.choices))

    def check(self, rows: Sequence[Row]) -> None:
        """See `Scorer`."""
        expect_columns(rows, self.answer, *([self.choices] if isinstance(self.choices, str) else []))
        few = [row for row in rows if len(self.choices_of(row)) < 2]
        if few:
            raise InvalidData(
                f"{items_have(few)} no two choices.", f"Give a list of two texts or more in {self.choices!r}."
            )
        if empty := [row for row in rows if "" in self.choices_of(row)]:
            raise InvalidData(
                f"{items_have(empty)} an empty choice.", "Give each some text, or leave such items out."
            )
        if twice := [row for row in rows if len(set(choices := self.choices_of(row))) < len(choices)]:
            raise InvalidData(
                f"{items_have(twice)} a choice twice: {', '.join(map(quoted, self.choices_of(twice[0])))}.",
                "Give each once: of equal ones no model can tell which is right.",
            )
        wrong = [row for row in rows if self.right_of(row) is None]
        if wrong:
            raise InvalidData(
                f"{items_have(wrong)} no correct answer among the choices, but {quoted(wrong[0][self.answer])}.",
                f"Give in {self.answer!r} the right choice's place, counted from 0, or its text.",
            )

    def answers(
        self,
        model: Model,
        prompts: Sequence[Prompt],
        rows: Sequence[Row],
        sampling: Sampling,
        cancel: threading.Event | None,
    ) -> list[Answer]:
        """See `Scorer`; sampling plays no part. An item that is too long has NaN for its values, and the error."""
        pairs = [
            [(prompt, self.separator + choice) for choice in self.choices_of(row)]
            for prompt, row in zip(prompts, rows, strict=True)
        ]
        try:
            found = iter(model.likelihoods([pair for some in pairs for pair in some], cancel))
            logprobs = [[next(found).logprob for _ in some] for some in pairs]
            return [self._judged(row, some) for row, some in zip(rows, logprobs, strict=True)]
        except (ContextTooLong, InvalidData):
            return [self._alone(model, row, some, cancel) for row, some in zip(rows, pairs, strict=True)]

    def _alone(
        self, model: Model, row: Row, pairs: Sequence[tuple[Prompt, str]], cancel: threading.Event | None
    ) -> Answer:
        """An item among which some cannot be asked."""
        try:
            return self._judged(row, [one.logprob for one in model.likelihoods(pairs, cancel)])
        except (ContextTooLong, InvalidData) as error:
            return Answer(dict.fromkeys(("acc", "acc_norm", "margin"), math.nan), error=str(error))

    def _judged(self, row: Row, logprobs: list[float]) -> Answer:
        choices, right = self.choices_of(row), self.right_of(row)
        normed = [logprob / max(len(choice), 1) for logprob, choice in zip(logprobs, choices, strict=True)]
        best, best_normed = logprobs.index(max(logprobs)), normed.index(max(normed))
        first, second = sorted(logprobs, reverse=True)[:2]
        detail = {"logprobs": logprobs, "chosen": best, "chosen_norm": best_normed, "right": right}
        values = {
            "acc": float(best == right),
            "acc_norm": float(best_normed == right),
            "margin": first - second,
        }
        return Answer(values, choices[best], detail)

    def choices_of(self, row: Row) -> list[str]:
        """The texts to choose among; none where there is no list of them."""
        given = row[self.choices] if isinstance(self.choices, str) else self.choices
        return ["" if one is None else str(one) for one in given] if is_list(given) else []

    def right_of(self, row: Row) -> int | None:
        """The place of the right one, counted from 0; None where none is."""
        answer, choices = row[self.answer], self.choices_of(row)
        if isinstance(answer, str) and answer in choices:
            return choices.index(answer)
        written = isinstance(answer, str) and answer.isdecimal()  # the cells of a CSV file are text
        place = int(answer) if written or _is_whole(answer) else -1
        return place if 0 <= place < len(choices) else None


@dataclass(frozen=True)
class Generated(Scorer):
    """Scorers of what is generated."""

    def answers(
        self,
        model: Model,
        prompts: Sequence[Prompt],
        rows: Sequence[Row],
        sampling: Sampling,
        cancel: threading.Event | None,
    ) -> list[Answer]:
        """See `Scorer`; an item whose generation failed has NaN for its values, and the error; all failing raises."""
        self.expect_ready()
        failures: Mapping[int, Exception] = {}
        try:
            own = [sampling.replace(seed=seed_of(sampling.seed or 0, str(row["id"]))) for row in rows]
            completions: list[Any] = list(model.batch(prompts, own, cancel=cancel))
        except BatchIncomplete as error:
            completions, failures = error.completions, error.failures
        said = {place: one for place, one in enumerate(completions) if place not in failures}
        if failures and not said:
            raise failures[min(failures)]
        values = dict(
            zip(said, self.judged([rows[p] for p in said], [said[p].text for p in said]), strict=True)
        )
        return [
            _answer(said[place], *values[place])
            if place in said
            else Answer(dict.fromkeys(self._parts(), math.nan), error=str(failures[place]))
            for place in range(len(rows))
        ]  # fmt: skip

    def expect_ready(self) -> None:
        """Refuse, before anything is generated, what could not be judged; by default nothing."""

    def _parts(self) -> list[str]:
        return [figure.part or figure.name for figure in self.figures]

    @abstractmethod
    def judged(
        self, rows: Sequence[Row], texts: Sequence[str]
    ) -> list[tuple[Mapping[str, float], Mapping[str, Any]]]:
        """Values and details of what was said about each row."""


@dataclass(frozen=True)
class ExactMatch(Generated):
    """Whether what is generated is the answer, or one of several.

    Args:
        answer: the column that holds the answer, or a list of answers that are all right. Of the number 2.0 both "2"
            and "2.0" are right, since tables often make 2.0 of 2.
        strict: compare every character; else case, punctuation and spaces at the ends and doubled ones do not count.
    """

    answer: str = "answer"
    strict: bool = False

    kind = "exact_match"
    figures = (Figure("exact_match"),)

    def __post_init__(self) -> None:
        expect_text(answer=self.answer)
        expect_bool(strict=self.strict)

    def check(self, rows: Sequence[Row]) -> None:
        """See `Scorer`."""
        expect_answers(rows, self.answer)

    def judged(
        self, rows: Sequence[Row], texts: Sequence[str]
    ) -> list[tuple[Mapping[str, float], Mapping[str, Any]]]:
        """See `Generated`."""
        return [
            ({"exact_match": float(self._plain(text) in map(self._plain, _answers(row[self.answer])))}, {})
            for row, text in zip(rows, texts, strict=True)
        ]

    def _plain(self, text: str) -> str:
        return text if self.strict else plain(text)


@dataclass(frozen=True)
class Matches(Generated):
    r"""Whether what a regular expression finds in the generated text is the answer.

    `exact_match` is 1 where it is; `found` is 1 where the expression found anything, so that a model that answers in
    another form is told from one that is wrong.

    Args:
        pattern: as of `re`; its first group counts where it has one, else all that it finds.
        answer: the column that holds the answer, or several; numbers are compared as numbers.
        last: take what is found last rather than first.
    """

    pattern: str
    answer: str = "answer"
    last: bool = False

    kind = "matches"
    figures = (Figure("exact_match"), Figure("found"))

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except (re.error, TypeError) as error:
            raise InvalidData(
                f"{quoted(self.pattern)} is no regular expression: {error}.",
                "Look at Python's documentation of re.",
            ) from error

    def check(self, rows: Sequence[Row]) -> None:
        """See `Scorer`."""
        expect_answers(rows, self.answer)

    def judged(
        self, rows: Sequence[Row], texts: Sequence[str]
    ) -> list[tuple[Mapping[str, float], Mapping[str, Any]]]:
        """See `Generated`."""
        return [self._judged(row, text) for row, text in zip(rows, texts, strict=True)]

    def _judged(self, row: Row, text: str) -> tuple[Mapping[str, float], Mapping[str, Any]]:
        found = [one[one.re.groups > 0] or "" for one in re.finditer(self.pattern, text)]
        if not found:
            return {"exact_match": 0.0, "found": 0.0}, {"extracted": None}
        said = found[-1 if self.last else 0]
        right = any(_same(said, one) for one in _answers(row[self.answer]))
        return {"exact_match": float(right), "found": 1.0}, {"extracted": said}


@dataclass(frozen=True)
class Perplexity(Scorer):
    """How well the model foresees the texts that the template gives: perplexity, and bits per byte of UTF-8.

    Both are over all texts together: sums of negative log-likelihoods over sums of tokens or bytes. Perplexities are
    comparable between models with the same tokenizer only; see `TokenScores.perplexity`.
    """

    kind = "perplexity"
    figures = (
        Figure("perplexity", "nll", "tokens", "exp", "lower"),
        Figure("bits_per_byte", "nll", "bytes", "bits", "lower"),
    )

    def check(self, rows: Sequence[Row]) -> None:
        """See `Scorer`; any rows will do."""

    def answers(
        self,
        model: Model,
        prompts: Sequence[Prompt],
        rows: Sequence[Row],
        sampling: Sampling,
        cancel: threading.Event | None,
    ) -> list[Answer]:
        """See `Scorer`; sampling plays no part. A text that cannot be scored has NaN for its values, and the error."""
        return [self._answer(model, prompt, cancel) for prompt in prompts]

    def _answer(self, model: Model, prompt: Prompt, cancel: threading.Event | None) -> Answer:
        try:
            one = model.score(prompt, cancel=cancel)
        except (ContextTooLong, InvalidData) as error:  # of this text; whatever else fails would fail for all
            names = {part for figure in self.figures for part in (figure.part, figure.over, figure.name)}
            return Answer(dict.fromkeys(sorted(filter(None, names)), math.nan), error=str(error))
        return Answer(
            {
                "nll": one.negative_log_likelihood,
                "tokens": float(one.scored),
                "bytes": float(one.bytes),
                "perplexity": one.perplexity,
                "bits_per_byte": one.bits_per_byte,
            }
        )


def plain(text: str) -> str:
    """Lower case, without punctuation at the ends, each run of white space one space."""
    return " ".join(text.casefold().split()).strip(string.punctuation + " ")


def _answer(completion: Completion, values: Mapping[str, float], detail: Mapping[str, Any]) -> Answer:
    more = {"finish_reason": completion.finish_reason, "tokens": completion.usage.completion_tokens}
    return Answer(values, completion.text, {**detail, **more}, completion.receipt.to_dict())


def _same(said: str, answer: str) -> bool:
    try:
        return float(said.replace(",", "")) == float(answer.replace(",", ""))
    except ValueError:
        return plain(said) == plain(answer)


def _answers(given: Any) -> list[str]:
    """All texts that are right."""
    answers = list(given) if is_list(given) else [given]
    whole = [str(int(one)) for one in answers if isinstance(one, float) and one.is_integer()]
    return [*map(str, answers), *whole]


def _is_whole(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and int(value) == value
    except (TypeError, ValueError, OverflowError):
        return False
