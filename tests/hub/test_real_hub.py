"""The real Hub and real models: found, planned, fetched, checked, loaded (`make test-hub`)."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

import influence_nb as inb
from influence_nb.errors import DownloadInterrupted, GatedModel, ModelNotFound

pytestmark = pytest.mark.hub

ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
CHAT = "HuggingFaceTB/SmolLM2-135M-Instruct"
GATED = "meta-llama/Llama-3.2-1B"


def test_a_model_is_found_by_name_author_and_size(tmp_home: Path):
    hits = inb.search(
        "MiniLM-L6", author="sentence-transformers", min_params="20M", max_params="30M", limit=5
    )
    found = next(hit for hit in hits if hit.id == ENCODER)
    assert found.parameters is not None
    assert 20e6 < found.parameters < 30e6
    assert found.license == "apache-2.0"
    assert not found.gated


def test_pages_follow_each_other(tmp_home: Path):
    first = inb.search(sort="downloads", limit=3)
    assert first.more
    second = first.next()
    assert len({hit.id for hit in [*first, *second]}) == 6


def test_an_encoder_is_planned_fetched_in_two_goes_verified_and_encodes(tmp_home: Path):
    plan = inb.plan(ENCODER)
    weights = next(file for file in plan.files if file.name == "model.safetensors")
    assert weights.sha256 == ENCODER_SHA256
    need = inb.fit(plan, dtype="float32")
    assert abs(need.weights / 90.9e6 - 1) < 0.05

    enough = threading.Event()
    with pytest.raises(DownloadInterrupted):
        inb.download(plan, on_progress=lambda now: now.all_done > 20e6 and enough.set(), cancel=enough)
    assert 0 < inb.plan(ENCODER, revision=plan.commit).remaining < plan.total

    local = inb.download(ENCODER, revision=plan.commit)
    with (local.path / "model.safetensors").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == ENCODER_SHA256
    assert inb.library().verify(ENCODER).verified
    vectors = inb.load_encoder(ENCODER, device="cpu", dtype="float32").encode(["a cat", "a kitten", "a bond"])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_a_chat_model_is_fetched_to_a_folder_and_answers(tmp_home: Path, tmp_path: Path):
    local = inb.download(CHAT, output_dir=tmp_path / "smollm2")
    model = inb.load(local, device="cpu")
    try:
        question = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
        assert "Paris" in model.generate(question, temperature=0, max_new_tokens=30).text
    finally:
        model.unload()


def test_refusals_say_what_to_do(tmp_home: Path):
    with pytest.raises(ModelNotFound) as unknown:
        inb.plan("sentence-transformers/there-is-no-such-model-here")
    assert unknown.value.hint
    with pytest.raises(GatedModel, match=r"gated|refused") as gated:
        inb.download(GATED, token="hf_nobody")
    assert GATED in gated.value.hint
