"""INFLUENCE_RECEIPTS: every completion leaves its receipt in a file, however it was made, and nothing else does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import influence_nb as inb
from influence_nb.errors import NotEnoughDisk
from influence_nb.settings import settings
from tests.chat_server import ChatServer

SHORT = inb.Sampling(seed=3, max_new_tokens=3, min_new_tokens=3)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("INFLUENCE_RECEIPTS", str(tmp_path / "receipts.jsonl"))
    settings.cache_clear()
    yield tmp_path / "receipts.jsonl"
    monkeypatch.undo()
    settings.cache_clear()


def read(path: Path) -> list[inb.Receipt]:
    return [inb.Receipt.from_dict(json.loads(line)) for line in path.read_text().splitlines()]


def test_each_completion_once_in_its_order(kept: Path, load: Callable[..., inb.Model]) -> None:
    for one in inb.loaded():
        one.unload()
    model = load()
    assert not kept.exists(), "warming up is nobody's completion"
    made = [model.generate("The quick", SHORT), *model.batch(["brown", "fox jumps"], SHORT)]
    session = model.session(sampling=SHORT)
    session.send("hello")
    made.append(session.completion)
    for _ in model.stream("over", SHORT):
        pass  # and the whole is never asked for
    begun = model.stream("the lazy", SHORT)
    next(begun)
    begun.close()
    made += [one.completion for one in model.grid("dog", SHORT, temperature=[0.5, 1.0])]
    found = read(kept)
    assert len(found) == len(made) + 2
    key = lambda receipt: (receipt.prompt_ids, receipt.sampling["temperature"])  # noqa: E731
    assert {key(one.receipt) for one in made} < {key(one) for one in found}
    assert found[0] == made[0].receipt
    assert model.replay(found[0]).identical
    assert len(read(kept)) == len(found) + 1, "a replay is a completion too"


def test_many_threads_write_whole_lines(kept: Path, model: inb.Model) -> None:
    threads = [
        threading.Thread(target=lambda: [model.generate("fox", SHORT) for _ in range(5)]) for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(read(kept)) == 20


def test_of_a_server(kept: Path) -> None:
    with ChatServer() as server:
        model = inb.load(endpoint=server.url)
        model.generate([{"role": "user", "content": "hi"}])
        model.unload()
    [found] = read(kept)
    assert found.runtime == "endpoint"


def test_where_it_cannot_be_kept(model: inb.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUENCE_RECEIPTS", str(tmp_path / "no" / "such"))
    settings.cache_clear()
    try:
        with pytest.raises(NotEnoughDisk, match="cannot be kept"):
            model.generate("fox", SHORT)
    finally:
        monkeypatch.undo()
        settings.cache_clear()
