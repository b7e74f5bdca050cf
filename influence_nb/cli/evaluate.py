"""`influence evaluate`: a task answered by a model, and kept as a run.

It does not know how answers are judged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from influence_nb.cli.frame import grouped
from influence_nb.cli.kept import describe, tell
from influence_nb.cli.loading import LOADING_BY_OPTION, Loading, stopping
from influence_nb.cli.output import Json, print_json, waiting
from influence_nb.cli.sampling import parsed


@grouped(loading=LOADING_BY_OPTION)
def command(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK", help="The name of a task that comes along, or a file that task.save() wrote."
        ),
    ],
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many items, the first.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn; 0 leaves the sampling's own.")] = 0,
    sampling: Annotated[
        list[str] | None,
        typer.Option(
            "--sampling",
            "-s",
            metavar="NAME=VALUE",
            help="A sampling parameter in place of the task's own; may be given several times.",
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Run it although it was done before.")] = False,
    as_json: Json = False,
    *,
    loading: Loading,
) -> None:
    """Have a model answer TASK, or an encoder where it is one of retrieval, and keep what came of every item.

    A task's judge is loaded beside the model.

    What was done already is not done again; what was interrupted goes on where it was. Ctrl-C keeps the items that are
    done.
    """
    from influence_nb.evaluation.run import evaluate
    from influence_nb.evaluation.tasks import Task

    file = Path(task)
    asked = Task.load(task) if file.suffix == ".json" or file.is_file() else Task.named(task)
    chosen = asked.sampling.replace(**dict(_said(one) for one in sampling or ()))
    said = "Interrupted: the items that are done are kept, and the same command goes on."
    with (
        loading.answering(asked) as model,
        stopping("Interrupted." if again else said) as cancel,
        waiting("Evaluating") as say,
    ):

        def show(done: int, total: int) -> None:
            say(f"Evaluating: {done:,} of {total:,} items")

        found = evaluate(model, asked, chosen, seed, limit, again, cancel, show)
    if as_json:
        print_json(describe(found.run))
    else:
        tell(found.run)


def _said(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE, such as -s temperature=0.5.", param_hint="-s")
    return name.strip().replace("-", "_"), parsed(name, value)
