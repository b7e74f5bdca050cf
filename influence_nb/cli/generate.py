"""`influence generate`: a text continued, or a question answered, as it comes.

It does not know how a model answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from influence_nb.cli.frame import grouped
from influence_nb.cli.given import File, Text, text
from influence_nb.cli.loading import LOADING_BY_OPTION, Loading, stopping
from influence_nb.cli.output import Json, print_json
from influence_nb.cli.sampling import SAMPLING
from influence_nb.engine.sampling import Sampling


@grouped(loading=LOADING_BY_OPTION, sampling=SAMPLING)
def command(
    prompt: Text = None,
    file: File = None,
    chat: Annotated[
        bool, typer.Option("--chat", help="Send it as a message, through the model's chat template.")
    ] = False,
    system: Annotated[str | None, typer.Option(help="A system prompt; the same as --chat with one.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="No Markdown on a terminal either.")] = False,
    as_json: Json = False,
    *,
    loading: Loading,
    sampling: Sampling,
) -> None:
    """Continue TEXT as it stands, or with --chat answer it.

    A terminal shows Markdown, a pipe gets the plain text as it comes; --json prints the text, its usage, timings and
    receipt at the end. Ctrl-C stops the answer and keeps what came.
    """
    from influence_nb.cli.answer import write

    said = text(prompt, file)
    messages = [{"role": "system", "content": system}] if system is not None else []
    messages.append({"role": "user", "content": said})
    with loading.model() as model, stopping() as cancel:
        stream = model.stream(messages if chat or system is not None else said, sampling, cancel)

        def pieces() -> Iterator[str]:
            for event in stream:
                yield event.text

        if not as_json:
            write(pieces(), markdown=not plain)
        done = stream.completion
        if as_json:
            print_json(
                {
                    "text": done.text,
                    "finish_reason": done.finish_reason,
                    "usage": done.usage,
                    "timings": done.timings,
                    "receipt": done.receipt,
                }
            )
    if done.finish_reason == "cancelled":
        raise typer.Exit(130)
