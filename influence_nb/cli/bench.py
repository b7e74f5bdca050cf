"""`influence bench`: a model measured, as a table, a file and a picture.

It does not know how anything is measured (`engine/bench.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from influence_nb.memory.report import gb

if TYPE_CHECKING:
    from influence_nb.engine.benched import Bench


class Sizes(click.ParamType[Any]):
    """Whole numbers with commas between them."""

    name = "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The numbers, as a tuple."""
        if not isinstance(value, str):
            return value
        try:
            return tuple(int(one) for one in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not numbers with commas between them, such as 128,512.", param, ctx)


@click.command(
    help="Measure how fast MODEL (the starter chat model unless given) is on this machine: prefill and decode tokens a "
    "second, time to the first token and memory, over prompt lengths and batch sizes. Ctrl-C keeps what is done."
)
@click.argument("model", required=False)
@click.option(
    "--prompt-lengths", type=Sizes(), default="128,512,2048", show_default=True, help="Tokens a prompt."
)
@click.option("--batch-sizes", type=Sizes(), default="1,4,16", show_default=True, help="Prompts at once.")
@click.option(
    "--new-tokens", type=click.IntRange(2), default=64, show_default=True, help="Tokens to generate."
)
@click.option(
    "--repeats", type=click.IntRange(1), default=3, show_default=True, help="Runs to take medians of."
)
@click.option("--device", default="auto", show_default=True, help='"cpu", "cuda:1", "mps".')
@click.option("--dtype", default="auto", show_default=True, help='"float32", "bfloat16", "float16".')
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Save the figures here.")
@click.option(
    "--plot", "plot_path", type=click.Path(path_type=Path), help="Draw them here (.png, .svg, .pdf)."
)
@click.option(
    "--against", type=click.Path(path_type=Path), help="Print ratios to a file that --json wrote before."
)
def command(
    model: str | None,
    prompt_lengths: tuple[int, ...],
    batch_sizes: tuple[int, ...],
    new_tokens: int,
    repeats: int,
    device: str,
    dtype: str,
    json_path: Path | None,
    plot_path: Path | None,
    against: Path | None,
) -> None:
    """Load, measure, print."""
    for path in (json_path, plot_path):  # before minutes go by
        if path is not None and not path.absolute().parent.is_dir():
            raise click.UsageError(f"There is no folder {path.absolute().parent}.")
    if plot_path is not None and plot_path.suffix not in (".png", ".svg", ".pdf"):
        raise click.UsageError(f"{plot_path.name} does not end in .png, .svg or .pdf.")
    from influence_nb.engine.benched import Bench

    other = None if against is None else Bench.load(against)
    how = {
        "prompt_lengths": prompt_lengths,
        "batch_sizes": batch_sizes,
        "new_tokens": new_tokens,
        "repeats": repeats,
    }
    result = _measured(model, device, dtype, how)
    click.echo(result.title)
    click.echo(table(result))
    if json_path is not None:
        click.echo(f"Saved {result.save(json_path)}")
    if plot_path is not None:
        result.plot().savefig(plot_path, dpi=150)
        click.echo(f"Drew {plot_path}")
    if other is not None:
        click.echo(f"\nOver {other.title}:")
        click.echo(result.compare(other).round(3).to_string())
    if result.cancelled:
        raise click.exceptions.Exit(130)


def _measured(model: str | None, device: str, dtype: str, how: Mapping[str, Any]) -> Bench:
    """A bench that Ctrl-C ends early, with a bar."""
    import signal
    import threading

    from tqdm import tqdm

    from influence_nb.api import load
    from influence_nb.engine.bench import BenchProgress, bench

    loaded = load(model, device=device, dtype=dtype)
    cancel = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: cancel.set())
    try:
        with tqdm(leave=False, unit="run") as bar:

            def show(progress: BenchProgress) -> None:
                bar.set_description(
                    f"{progress.batch_size} prompts of {progress.prompt_length} tokens", refresh=False
                )
                bar.total = progress.total
                bar.update(progress.done - bar.n)
                bar.refresh()

            return bench(loaded, **how, cancel=cancel, on_progress=show)
    finally:
        signal.signal(signal.SIGINT, before)


def table(result: Bench) -> str:
    """The cells as lines of text."""
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
