from __future__ import annotations

from pathlib import Path

from influence_nb.store import records
from influence_nb.store.peaks import peak_of, remember_peak


def test_a_peak_is_remembered_for_the_model_the_device_the_dtype_and_the_packing(tmp_home: Path) -> None:
    remember_peak("them/talker", "cuda:0", "bfloat16", None, 5_000)
    remember_peak("them/talker", "cuda:0", "bfloat16", "nf4", 2_000)
    remember_peak("them/talker", "cpu", "bfloat16", None, 7_000)
    found = peak_of("them/talker", "cuda:0", "bfloat16")
    assert found is not None
    assert (found.peak, found.device, found.dtype, found.quantization) == (5_000, "cuda:0", "bfloat16", None)
    assert found.measured
    packed, other = (
        peak_of("them/talker", "cuda:0", "bfloat16", "nf4"),
        peak_of("them/talker", "cpu", "bfloat16"),
    )
    assert packed is not None
    assert packed.peak == 2_000
    assert other is not None
    assert other.peak == 7_000
    assert peak_of("them/talker", "cuda:0", "float16") is None
    assert peak_of("them/other", "cuda:0", "bfloat16") is None


def test_the_last_one_counts(tmp_home: Path) -> None:
    for peak in (9_000, 4_000):
        remember_peak("them/talker", "cpu", "float32", None, peak)
    found = peak_of("them/talker", "cpu", "float32")
    assert found is not None
    assert found.peak == 4_000


def test_a_file_from_before_there_were_peaks_keeps_what_it_has(tmp_home: Path) -> None:
    import sqlite3

    from influence_nb.store.database import database_path

    records.touch("them/talker")
    with sqlite3.connect(database_path()) as db:
        db.execute("drop table peaks")
        db.execute("pragma user_version = 2")
    db.close()
    remember_peak("them/talker", "cpu", "float32", None, 1)
    assert peak_of("them/talker", "cpu", "float32") is not None
    assert records.last_used("them/talker") is not None


def test_without_a_file_nothing_is_known_and_nothing_fails(tmp_home: Path) -> None:
    tmp_home.parent.mkdir(exist_ok=True)
    tmp_home.write_text("in the way")
    remember_peak("them/talker", "cpu", "float32", None, 1)
    assert peak_of("them/talker", "cpu", "float32") is None
