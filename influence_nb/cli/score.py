"""`influence score`: how probable a model finds each token of a text, and the perplexity of the whole.

It does not know how scores come about.
"""

from __future__ import annotations

from typing import Annotated

import typer

from influence_nb.cli.frame import grouped
from influence_nb.cli.given import File, Text, text
from influence_nb.cli.loading import LOADING_BY_OPTION, Loading, stopping
from influence_nb.cli.output import Json, print_json, table, waiting


@grouped(loading=LOADING_BY_OPTION)
def command(
    given: Text = None,
    file: File = None,
    window: Annotated[
        int | None,
        typer.Option(help="Tokens that are seen together; the context unless given, at most 4096."),
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="Tokens between the beginnings of windows; half of one unless given.")
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Only the figures of the whole.")] = False,
    as_json: Json = False,
    *,
    loading: Loading,
) -> None:
    """Say how probable the model finds each token of TEXT: its log-probability (nats), rank and entropy.

    Then the perplexity of the whole and the bits that it needs for a byte. All are the model's own: no sampling
    parameter changes them. Ctrl-C keeps the scores so far.
    """
    said = text(given, file)
    with loading.model() as model, stopping() as cancel, waiting("Scoring") as say:
        scores = model.score(
            said,
            window,
            stride,
            cancel=cancel,
            on_progress=lambda done, total: say(f"Scoring: {done:,} of {total:,} tokens"),
        )
    rows = list(zip(scores.tokens, scores.ids, scores.logprobs, scores.ranks, scores.entropies, strict=True))
    names = ("token", "id", "logprob", "rank", "entropy")
    whole = {
        "perplexity": scores.perplexity,
        "bits_per_byte": scores.bits_per_byte,
        "negative_log_likelihood": scores.negative_log_likelihood,
        "scored": scores.scored,
    }
    if as_json:
        settings = {"window": scores.window, "stride": scores.stride, "cancelled": scores.cancelled}
        tokens = [] if summary else [dict(zip(names, row, strict=True)) for row in rows]
        print_json({**whole, **settings, "tokens": tokens})
    else:
        if not summary:
            table(names, [[_shown(value) for value in row] for row in rows], right=names[1:])
        for name, value in whole.items():
            typer.echo(f"{name.replace('_', ' ')}: {value:,}" if name == "scored" else f"{name}: {value:.4f}")
    if scores.cancelled:
        raise typer.Exit(130)


def _shown(value: str | float | None) -> str:
    """A cell: of a token its ends of lines and blanks can be told."""
    if isinstance(value, str):
        return value if value.strip() == value and value.isprintable() and value else repr(value)
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
