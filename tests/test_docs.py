"""The documentation is true: the reference is fresh, links lead somewhere, errors are explained, examples run."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import influence_nb as inb
from influence_nb.hub.starters import STARTERS
from tests.surroundings import surroundings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(text_of(page))


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_fresh(generator: ModuleType) -> None:
    assert text_of(ROOT / "docs" / "api.md") == generator.reference(), "run: python docs/reference.py"


def test_the_reference_has_every_public_name(generator: ModuleType) -> None:
    reference = text_of(ROOT / "docs" / "api.md")
    names = set(inb.__all__) - {"__version__", "errors", "widgets"} | set(inb.widgets.__all__)
    missing = [name for name in names if not re.search(rf"^(### .*\.|- `){name}\b", reference, re.MULTILINE)]
    assert missing == []


def test_every_public_thing_in_the_reference_is_described() -> None:
    reference = text_of(ROOT / "docs" / "api.md")
    entries = re.split(r"^(?=#{3,4} )", reference, flags=re.MULTILINE)[1:]
    prose = {entry.splitlines()[0]: re.sub(r"```.*?```", "", entry, flags=re.DOTALL) for entry in entries}
    bare = [heading for heading, text in prose.items() if len(text.strip().splitlines()) < 2]
    assert bare == [], "no docstring"


def test_every_error_has_its_cure() -> None:
    page = text_of(ROOT / "docs" / "troubleshooting.md")
    missing = [name for name in inb.errors.__all__ if f"**{name}**" not in page]
    assert missing == []


def messages_of_troubleshooting() -> list[str]:
    """The first cells of the tables that hold a message, not a class and not what is seen."""
    page = text_of(ROOT / "docs" / "troubleshooting.md").partition("## Without a message")[0]
    cells = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    return [cell for cell in cells if cell != "message" and not cell.startswith("**")]


def test_its_messages_are_those_of_the_code() -> None:
    """Each fixed piece of a message of some length stands in a string of the package."""
    trees = [ast.parse(text_of(path)) for path in sorted((ROOT / "influence_nb").rglob("*.py"))]
    strings = [
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    source = "\n".join(strings)
    pieces = [
        (message, piece.strip(" .:;,'()"))
        for message in messages_of_troubleshooting()
        for piece in re.split(r"…|\d+|'|[Ww]hile ", message)
    ]
    unknown = [message for message, piece in pieces if len(piece) > 14 and piece not in source]
    # Two are put together from words: what is wrong is chosen among several.
    composed = {
        "temperature=-1 is out of range.": "is out of range",
        "top_k=1.5 is not a whole number.": "a whole number",
    }
    assert all(words in source for words in composed.values())
    assert [message for message in unknown if not _composed(message, composed)] == []


def _composed(message: str, composed: dict[str, str]) -> bool:
    return message in composed or "there is no device" in message.lower()


@pages
def test_relative_links_and_pictures_lead_somewhere(page: Path) -> None:
    targets = [link.partition("#")[0] for link in LINK.findall(text_of(page)) if "://" not in link]
    missing = [target for target in targets if target and not (page.parent / target).exists()]
    assert missing == []


@pages
def test_examples_parse(page: Path) -> None:
    if page.name == "api.md":
        return  # signatures
    for block in blocks(page):
        assert ast.parse(block).body, "an example without a statement"


def test_the_starters_are_described_as_they_are() -> None:
    page = text_of(ROOT / "docs" / "models.md")
    for starter in STARTERS.values():
        weights = max(starter.files, key=lambda member: member.size)
        for fact in (
            starter.title,
            starter.package,
            starter.version,
            starter.sha256,
            weights.sha256,
            starter.licence,
        ):
            assert fact in page
        assert f"{starter.size / 1e6:.1f} MB" in page
        assert f"{starter.unpacked / 1e6:.1f} MB" in page


def test_every_target_of_make_is_explained() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", text_of(ROOT / "Makefile"), re.MULTILINE)
    page = text_of(ROOT / "CONTRIBUTING.md")
    missing = [target for target in targets if target != "help" and f"make {target}" not in page]
    assert missing == []


@pytest.mark.starter
@pytest.mark.parametrize("name", ["README.md", "docs/usage.md"])
def test_examples_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, Any] = {"__name__": "example"}
    examples = blocks(ROOT / name)
    assert examples
    with surroundings():
        try:
            for block in examples:
                exec(compile(block, name, "exec"), namespace)
        finally:
            for model in inb.loaded():
                model.unload()
    assert "Paris" in capsys.readouterr().out
