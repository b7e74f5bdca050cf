"""`influence bench`: a model measured, as a table, a file and a picture.

It does not know how anything is measured (`engine/bench.py`).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from influence_nb.cli.frame import Command, grouped
from influence_nb.cli.loading import LOADING, Loading, stopping
from influence_nb.cli.output import Json, folder_of, print_json, waiting

if TYPE_CHECKING:
    from influence_nb.engine.benched import Bench


def _sizes(value: str) -> tuple[int, ...]:
    """Whole numbers with commas between them."""
    try:
        return tuple(int(one) for one in value.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{value!r} is not numbers with commas between them, such as 128,512."
        ) from None


class CLASS(Command):
    """`--json FILE.json` is `--save FILE.json`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse them so."""
        for place, (name, value) in enumerate(itertools.pairwise(args)):
            if name == "--json" and value.endswith(".json"):
                args[place] = "--save"
        return super().parse_args(ctx, [one.replace("--json=", "--save=", 1) for one in args])


@grouped(loading=LOADING)
def command(
    prompt_lengths: Annotated[str, typer.Option(metavar="N,N,...", help="Tokens a prompt.")] = "128,512,2048",
    batch_sizes: Annotated[str, typer.Option(metavar="N,N,...", help="Prompts at once.")] = "1,4,16",
    new_tokens: Annotated[int, typer.Option(min=2, help="Tokens to generate.")] = 64,
    repeats: Annotated[int, typer.Option(min=1, help="Runs to take medians of.")] = 3,
    as_json: Json = False,
    save: Annotated[Path | None, typer.Option(help="Save the figures here, as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw them here (.png, .svg, .pdf).")] = None,
    against: Annotated[
        Path | None, typer.Option(help="Print ratios to a file that --save wrote before.")
    ] = None,
    *,
    loading: Loading,
) -> None:
    """Measure how fast MODEL is on this machine.

    Prefill and decode tokens a second, time to the first token and memory, over prompt lengths and batch sizes. Ctrl-C
    keeps what is done.
    """
    for path in (save, plot):  # before minutes go by
        if path is not None:
            folder_of(path)
    if plot is not None and plot.suffix not in (".png", ".svg", ".pdf"):
        raise typer.BadParameter(f"{plot.name} does not end in .png, .svg or .pdf.")
    how = {
        "prompt_lengths": _sizes(prompt_lengths),
        "batch_sizes": _sizes(batch_sizes),
        "new_tokens": new_tokens,
        "repeats": repeats,
    }
    from influence_nb.engine.benched import Bench

    other = None if against is None else Bench.load(against)
    result = _measured(loading, how)
    told = functools.partial(typer.echo, err=as_json)
    if as_json:
        print_json(result.to_dict())
    else:
        typer.echo(result.title)
        typer.echo(table(result))
    if save is not None:
        told(f"Saved {result.save(save)}")
    if plot is not None:
        result.plot().savefig(plot, dpi=150)
        told(f"Drew {plot}")
    if other is not None:
        told(f"\nOver {other.title}:")
        told(result.compare(other).round(3).to_string())
    if result.cancelled:
        raise typer.Exit(130)


def _measured(loading: Loading, how: Mapping[str, Any]) -> Bench:
    """A bench that Ctrl-C ends early, with words of where it is."""
    from influence_nb.engine.bench import BenchProgress, bench

    with loading.model() as model, stopping() as cancel, waiting("Measuring") as say:

        def show(progress: BenchProgress) -> None:
            say(
                f"{progress.done}/{progress.total}: {progress.batch_size} prompts of "
                f"{progress.prompt_length} tokens"
            )

        return bench(model, **how, cancel=cancel, on_progress=show)


def table(result: Bench) -> str:
    """The cells as lines of text."""
    from influence_nb.memory.report import gb

    lines = [("prompt", "batch", "prefill t/s", "decode t/s", "first token s", "memory")]
    for cell in result.cells:
        figures = (
            (cell.note,)
            if cell.note
            else (
                f"{cell.prefill:,.1f}",
                f"{cell.decode:,.1f}",
                f"{cell.first_token:.3f}",
                gb(cell.memory or 0),
            )
        )
        lines.append((str(cell.prompt_length), str(cell.batch_size), *figures))
    return "\n".join(
        "  ".join(one.rjust(len(head)) for one, head in zip(line, lines[0], strict=False)) for line in lines
    )
