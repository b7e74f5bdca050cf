"""Every notebook runs through papermill, says which model spoke, and can be read without a kernel."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.notebooks.refresh import LIVE, clean, execute, find
from tests.surroundings import CHAT, ENCODER, surroundings

NOTEBOOKS = find()
MARK = "# NBVAL_CHECK_OUTPUT"
ON_A_MACHINE = re.compile(r"/(?:home|root|Users|tmp|work|private|var)/\w|[A-Z]:\\{1,2}Users")
READABLE = {  # what a reader must find in the renderings that panels leave
    "00_welcome.ipynb": ["What is the capital of France?", "Chat with", "Loaded models", "Embedding map"],
    "01_chat.ipynb": ["Invent a name for a cafe under the sea", "version 2 of 2"],
    "02_embeddings.ipynb": ["Embedding map", "a storm at sea"],
    "03_models.ipynb": [ENCODER, "Models found on the Hub", "Downloads", "Models on this machine"],
    "04_sampling.ipynb": ["Sampler X-ray · starter/chat", "raw: the model itself"],
    "05_tokens.ipynb": ["Tokenizers · text", "starter/embedding", "unhappy"],
    "06_grids.ipynb": ["Grid · starter/chat", "The fisherman looked at the sea and"],
    "07_layers.ipynb": ["Layers", "Nearest in layer 6 to: The pitch of the flute"],
    "08_compare.ipynb": ["Two maps", "Moved most", "Nearest by starter/embedding, cls pooling"],
    "09_serve.ipynb": ["Loaded models", "Chat with", "Why is the sea salty?"],
}
SPEAKERS = ("starter/chat", "starter/embedding", ENCODER)

every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """`run(path, **parameters)` executes a notebook once and remembers it."""
    done: dict[str, Any] = {}

    def execute_once(path: Path, **parameters: Any) -> Any:
        key = f"{path.name} {parameters}"
        if key not in done:
            out = tmp_path_factory.mktemp("notebooks") / path.name
            execute(path, out, parameters)
            done[key] = nbformat.read(out, as_version=4)
        return done[key]

    with surroundings():
        yield execute_once


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def statics(notebook: Any) -> list[str]:
    pages = [
        output.get("data", {}).get("text/html", "") for cell in code(notebook) for output in cell.outputs
    ]
    return [page for page in pages if "inb-static" in page]


def kinds(cell: Any) -> list[tuple[str, list[str]]]:
    return [(output.output_type, sorted(output.get("data", {}))) for output in cell.outputs]


def test_the_lessons_are_there() -> None:
    assert set(READABLE) <= {path.name for path in NOTEBOOKS}


def words_of(page: str) -> str:
    """What a reader reads; nbconvert writes the tags anew."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(page, "html.parser")
    for hidden in soup(["style", "script"]):
        hidden.decompose()
    return soup.get_text(" ", strip=True)


@pytest.mark.starter
@every
def test_runs_from_top_to_bottom(path: Path, run: Run) -> None:
    cells = code(run(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]


@pytest.mark.starter
@every
def test_says_which_model_produced_it(path: Path, run: Run) -> None:
    said = "".join(printed(cell) for cell in code(run(path)))
    assert any(name in said for name in SPEAKERS)
    assert re.search(r" on (cpu|cuda|mps)", said)


@pytest.mark.starter
@every
def test_can_be_read_without_a_kernel(path: Path, run: Run) -> None:
    from nbconvert import HTMLExporter

    notebook = nbformat.from_dict(clean(nbformat.from_dict(run(path))))
    page, _ = HTMLExporter().from_notebook_node(notebook)
    left = statics(notebook)
    assert left
    assert all(words_of(static) in words_of(page) for static in left)
    for words in READABLE.get(path.name, []):
        assert any(words in static for static in left), words


@pytest.mark.starter
def test_takes_other_parameters(run: Run) -> None:
    """Another seed: other texts, the same results."""
    chat = next(path for path in NOTEBOOKS if path.name == "01_chat.ipynb")
    other = run(chat, seed=1)
    (injected,) = [cell for cell in other.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert "seed = 1" in injected.source
    results = [printed(cell) for cell in code(other) if MARK in cell.source]
    saved = [printed(cell) for cell in code(nbformat.read(chat, as_version=4)) if MARK in cell.source]
    assert results == saved


@pytest.mark.starter
def test_another_model_is_found_fetched_and_loaded(run: Run) -> None:
    """A chat model in place of the encoder, from the search to its first words."""
    models = next(path for path in NOTEBOOKS if path.name == "03_models.ipynb")
    other = run(models, model=CHAT, query="llama")
    saved = [printed(cell) for cell in code(nbformat.read(models, as_version=4)) if MARK in cell.source]
    assert [printed(cell) for cell in code(other) if MARK in cell.source] == saved
    assert any(f"{CHAT}: float32 on cpu" in printed(cell) for cell in code(other))


@pytest.mark.starter
def test_serves_where_no_client_is_installed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without curl, openai and ollama it says what to install, and comes to the same results."""
    serve = next(path for path in NOTEBOOKS if path.name == "09_serve.ipynb")
    for package in ("openai", "ollama"):
        (tmp_path / f"{package}.py").write_text(f"raise ImportError('no {package}')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PATH", str(tmp_path))
    bare = run(serve, device="cpu")
    said = "".join(printed(cell) for cell in code(bare))
    assert said.count("curl is not installed") == 3
    assert "%pip install openai" in said
    assert "%pip install ollama" in said
    assert "NotFoundError" not in said
    saved = [printed(cell) for cell in code(nbformat.read(serve, as_version=4)) if MARK in cell.source]
    assert [printed(cell) for cell in code(bare) if MARK in cell.source] == saved


@pytest.mark.starter
@every
def test_saved_outputs_are_those_of_a_run(path: Path, run: Run) -> None:
    saved, ran = nbformat.read(path, as_version=4), clean(nbformat.from_dict(run(path)))
    assert [(cell.source, kinds(cell)) for cell in code(saved)] == [
        (cell.source, kinds(cell)) for cell in code(ran)
    ]


@every
def test_is_saved_whole(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), (
        "run and saved in order"
    )
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert statics(notebook), "what a reader without a kernel sees"
    assert "widgets" not in notebook.metadata
    assert not [output for output in outputs if LIVE in output.get("data", {})], "a view without its state"
    assert notebook.metadata.kernelspec.name == "python3"


@every
def test_has_parameters_and_results(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    tags = [tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])]
    assert tags == ["parameters"], "one cell for papermill, none injected"
    (parameters,) = [cell for cell in code(notebook) if cell.metadata.get("tags")]
    names: dict[str, Any] = {}
    exec(parameters.source, names)
    assert {"seed", "device"} <= set(names)
    assert {"model", "encoder"} & set(names)
    marked = [cell for cell in code(notebook) if MARK in cell.source]
    assert marked
    assert all(printed(cell) for cell in marked)


@every
def test_holds_nothing_of_the_machine_it_ran_on(path: Path) -> None:
    text = re.sub(r'"image/png": "[^"]*"|base64,[A-Za-z0-9+/=]+', "", path.read_text(encoding="utf-8"))
    assert not ON_A_MACHINE.search(text)
