"""Vectors that were computed before are found again, and nothing that befalls the files gives a wrong one."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import influence_nb as inb
from influence_nb.embeddings import cache
from influence_nb.embeddings.encode import Encoder
from influence_nb.errors import InfluenceError
from influence_nb.settings import settings

TEXTS = [f"the cat sat on mat {number} {'rain ' * (number % 7)}" for number in range(60)]


@pytest.fixture(autouse=True)
def home(tmp_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INFLUENCE_VECTOR_CACHE", "100MB")
    settings.cache_clear()
    return tmp_home


@pytest.fixture
def encoder(tiny_bert: Path) -> Encoder:
    return Encoder.open(tiny_bert, dtype="float32")


def rows_run(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows go through the network, one entry a pass."""
    passes: list[int] = []
    forward = encoder._network.forward

    def counted(*args: Any, **more: Any) -> Any:
        passes.append(len(more["input_ids"]))
        return forward(*args, **more)

    monkeypatch.setattr(encoder._network, "forward", counted)
    return passes


def files(kind: str) -> list[Path]:
    return sorted(cache.cache_folder().glob(f"*/*.{kind}"))


def test_a_second_call_runs_nothing_and_gives_the_same_bits(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = rows_run(encoder, monkeypatch)
    plain = encoder.encode(TEXTS)
    assert sum(passes) == 60
    assert not cache.cache_folder().exists()  # a plain call keeps nothing
    first = encoder.encoded(TEXTS, cache=True)
    second = encoder.encoded(TEXTS[::-1] + TEXTS[:3] + ["a new one"], cache=True)
    assert sum(passes) == 121
    assert (first.reused, second.reused) == (0, 63)
    np.testing.assert_array_equal(second.vectors[:60], first.vectors[::-1])
    np.testing.assert_array_equal(second.vectors[60:63], first.vectors[:3])
    np.testing.assert_allclose(first.vectors, plain, atol=1e-6)


def test_texts_that_were_cut_stay_counted(encoder: Encoder) -> None:
    texts = ["rain " * 13, "rain", "sun " * 40]
    for reused in (0, 3):
        with pytest.warns(UserWarning, match="2 of 3 texts are longer than the 12 tokens"):
            found = encoder.encoded(texts, cache=True)
        assert (found.cut, found.reused) == ((0, 2), reused)


def test_equal_texts_are_run_once(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    passes, seen = rows_run(encoder, monkeypatch), []
    found = encoder.encode(["rain", "sun", "rain", "rain"], on_progress=lambda *step: seen.append(step))
    assert (sum(passes), seen[-1]) == (2, (4, 4))
    np.testing.assert_array_equal(found[0], found[3])


def test_encoders_are_told_apart(tiny_bert: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_bert, other)
    config = (other / "config.json").read_text()
    (other / "config.json").write_text(config.replace('"layer_norm_eps": 1e-12', '"layer_norm_eps": 1e-2'))
    ways: list[dict[str, Any]] = [
        {"dtype": "float32"}, {"dtype": "bfloat16"}, {"layer": 1}, {"pooling": "cls"}, {"source": other},
    ]  # fmt: skip
    vectors = []
    for way in ways:
        one = Encoder.open(**{"source": tiny_bert, "dtype": "float32", **way})
        vectors.append(one.encoded("the cat sat", cache=True).vectors)
        assert one.encoded("the cat sat", cache=True).reused == 1
        vectors.append(one.encoded("the cat sat", cache=True, prompt="a dog: ").vectors)
    for place, one in enumerate(vectors):
        assert not any(np.array_equal(one, vectors[before]) for before in range(place)), ways[place // 2]
    assert len(files("keys")) == len(vectors)


def test_what_a_stopped_call_computed_is_kept(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    passes, cancel = rows_run(encoder, monkeypatch), threading.Event()
    with pytest.raises(InfluenceError, match="after 20 of 60 texts") as caught:
        encoder.encode(TEXTS, 10, lambda done, _: cancel.set() if done == 20 else None, cancel, cache=True)
    assert "reused" in caught.value.hint
    seen: list[tuple[int, int]] = []
    found = encoder.encoded(TEXTS, 10, lambda *step: seen.append(step), cache=True)
    assert (found.reused, sum(passes), seen[0], seen[-1]) == (20, 60, (20, 60), (60, 60))
    np.testing.assert_allclose(found.vectors, encoder.encode(TEXTS), atol=1e-6)


def test_an_error_midway_keeps_what_was_done(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    forward, left = encoder._network.forward, [3]

    def fails(*args: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("a cable fell out")
        return forward(*args, **more)

    monkeypatch.setattr(encoder._network, "forward", fails)
    with pytest.raises(RuntimeError, match="cable"):
        encoder.encode(TEXTS, 10, cache=True)
    monkeypatch.setattr(encoder._network, "forward", forward)
    assert encoder.encoded(TEXTS, cache=True).reused == 30


@pytest.mark.parametrize("kind", ["keys", "vectors"])
@pytest.mark.parametrize("harm", ["cut", "flipped", "gone", "emptied", "garbage", "folder"])
def test_damaged_files_cost_a_computation_and_no_wrong_vector(encoder: Encoder, kind: str, harm: str) -> None:
    expected = encoder.encode(TEXTS, cache=True)
    (path,) = files(kind)
    data = path.read_bytes()
    path.unlink()
    match harm:
        case "cut":
            path.write_bytes(data[: len(data) // 2 + 3])
        case "flipped":
            middle = len(data) // 2
            path.write_bytes(data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :])
        case "emptied":
            path.write_bytes(b"")
        case "garbage":
            path.write_bytes(np.random.default_rng(0).bytes(len(data)))
        case "folder":
            path.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error" if harm != "folder" else "ignore")
        found = encoder.encoded(TEXTS, cache=True)
    assert found.reused < 60
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    if harm != "folder":
        assert encoder.encoded(TEXTS, cache=True).reused == 60


@contextmanager
def no_more_than(size: int) -> Iterator[None]:
    """A disk that is full once a file has so many bytes."""
    before, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heard)


def test_on_a_full_disk_the_map_comes_and_the_cache_is_whole(encoder: Encoder) -> None:
    with no_more_than(0), pytest.warns(UserWarning, match="not being kept"):
        made = inb.EmbeddingMap(TEXTS, encoder=encoder, projection="pca")
    assert len(made) == 60
    encoder.encode(TEXTS[:20], cache=True)
    with (
        no_more_than(20 * 64 + 100),
        pytest.warns(UserWarning, match="not being kept"),
    ):  # full midway in a row
        found = encoder.encoded(TEXTS, cache=True)
    assert found.reused == 20
    np.testing.assert_allclose(found.vectors, made.vectors, atol=1e-6)
    (path,) = files("vectors")
    assert path.stat().st_size == 20 * 64
    assert encoder.encoded(TEXTS, cache=True).reused == 20
    assert encoder.encoded(TEXTS, cache=True).reused == 60


def test_a_folder_that_cannot_be_written(encoder: Encoder, home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "vectors").write_text("a file")
    with pytest.warns(UserWarning, match="not being kept"):
        assert len(encoder.encode(TEXTS, cache=True)) == 60


WRITER = """
    import sys
    from influence_nb.embeddings.cache import VectorCache
    import numpy as np
    cache = VectorCache({"model": "m"}, 8)
    who = int(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(sys.argv[2])):
        rows = np.full((5, 8), who * 10_000 + number, np.float32)
        cache.keep([f"{who} {number} {i}" for i in range(5)], rows, np.zeros(5, bool))
        print(number, flush=True)
"""


def writer(who: int, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(who), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def check(who: int, count: int) -> int:
    """How many of a writer's rows are there, each as it was written."""
    numbers = [number for number in range(count) for _ in range(5)]
    here, _, vectors = cache.VectorCache({"model": "m"}, 8).find(
        [f"{who} {number} {i}" for number in range(count) for i in range(5)]
    )
    wanted = np.repeat(np.array(numbers, np.float32)[:, None] + who * 10_000, 8, axis=1)
    np.testing.assert_array_equal(vectors[here], wanted[here])
    return int(here.sum())


def test_two_processes_at_once() -> None:
    both = [writer(who, 60) for who in (1, 2)]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        one.communicate("go\n", timeout=120)
        assert one.returncode == 0
    assert [check(who, 60) for who in (1, 2)] == [300, 300]


def test_a_process_that_is_killed_midway() -> None:
    one = writer(3, 100_000)
    assert one.stdin is not None
    assert one.stdout is not None
    one.stdout.readline()
    one.stdin.write("go\n")
    one.stdin.flush()
    while one.stdout.readline() != "40\n":
        pass
    one.kill()
    one.wait()
    one.stdout.close()
    one.stdin.close()
    assert check(3, 41) == 205
    cache.VectorCache({"model": "m"}, 8).keep(["x"], np.ones((1, 8), np.float32), np.zeros(1, bool))
    assert check(3, 41) == 205


def test_the_oldest_go_first(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    row = 16 * 4 + cache._KEY.itemsize
    monkeypatch.setattr(cache, "SEGMENT_BYTES", 5 * row)
    monkeypatch.setenv("INFLUENCE_VECTOR_CACHE", str(20 * row))
    settings.cache_clear()
    for number in range(60):
        encoder.encode(TEXTS[number], cache=True)
    assert sum(path.stat().st_size for path in [*files("keys"), *files("vectors")]) <= 20 * row
    here, _, _ = encoder._keeper("").cache.find(TEXTS)
    assert here[-10:].all()
    assert not here[:40].any()


def test_clearing(encoder: Encoder) -> None:
    encoder.encode(TEXTS, cache=True)
    size = sum(path.stat().st_size for path in [*files("keys"), *files("vectors")])
    assert size > 0
    assert cache.clear_vector_cache() == size
    assert encoder.encoded(TEXTS, cache=True).reused == 0
    assert cache.clear_vector_cache() == size
    assert cache.clear_vector_cache() == 0


def test_none_are_kept_where_that_is_said(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUENCE_VECTOR_CACHE", "0")
    settings.cache_clear()
    encoder.encode(TEXTS, cache=True)
    assert encoder.encoded(TEXTS, cache=True).reused == 0
    assert not cache.cache_folder().exists()
