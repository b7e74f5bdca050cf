from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from folders import write_gguf

from influence_nb.hub import starters


@pytest.fixture
def cache(tmp_home: Path) -> Path:
    """The Hub's cache of this test, empty."""
    return tmp_home.parent / "hub-cache"


@pytest.fixture
def chat(tmp_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up starter/chat that is here, as a bare GGUF."""
    from influence_nb.store.records import sha256

    file = write_gguf(tmp_home / "models" / "starter" / "chat" / "Tiny.Q4_1.gguf")
    known = starters.STARTERS["starter/chat"]
    member = starters.Member(file.name, file.stat().st_size, sha256(file))
    monkeypatch.setitem(starters.STARTERS, known.name, replace(known, files=(member,)))
    return file.parent
