"""`inb.fit` of models that are here: loaded, in a folder, in the library; budgets, and what was measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import influence_nb as inb
from influence_nb.engine import device as devices
from influence_nb.engine.configs import completed
from influence_nb.errors import BrokenModel, DeviceUnavailable, InvalidData, ModelNotFound
from influence_nb.hub import starters
from influence_nb.memory.budget import Calibration
from influence_nb.store import peaks


def test_the_budget_of_the_host_is_what_can_be_had_without_swapping() -> None:
    budget = devices.budget("cpu")
    assert budget.device == "cpu"
    assert 0 < budget.free <= budget.total


def test_a_containers_limit_bounds_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, used, stat = (tmp_path / name for name in ("max", "current", "stat"))
    limit.write_text("1000000000\n")
    used.write_text("700000000\n")
    stat.write_text("anon 5\ninactive_file 200000000\n")
    monkeypatch.setattr(devices, "_CGROUPS", ((str(limit), str(used), str(stat)),))
    assert devices.budget("cpu").total == 1_000_000_000
    assert devices.budget("cpu").free == 500_000_000
    limit.write_text("max\n")
    assert devices.budget("cpu").total > 1_000_000_000


def test_an_unknown_device_has_no_budget() -> None:
    with pytest.raises(DeviceUnavailable) as refused:
        devices.budget("abacus")
    assert refused.value.hint


def test_loading_measures_what_it_took_and_the_next_fit_is_corrected_by_it(
    tmp_home: Path, tiny_folder: Callable[..., Path]
) -> None:
    folder = tiny_folder("llama")
    before = inb.fit(folder, "cpu", "float32")
    assert not before.calibrated
    model = inb.load(folder, device="cpu", dtype="float32")
    assert model.memory_peak >= model.weights_size > 0
    model.unload()
    after = inb.fit(folder, "cpu", "float32")
    assert after.calibrated
    assert "measured on this machine" in str(after)
    assert (after.weights, after.cache) == (before.weights, before.cache)
    assert after.total - before.total == after.correction
    assert not inb.fit(folder, "cpu", "float16").calibrated


def test_the_correction_is_what_was_measured_less_what_was_reckoned(
    tmp_home: Path, tiny_folder: Callable[..., Path]
) -> None:
    folder = tiny_folder("llama")
    reckoned = inb.fit(folder, "cpu", "float32", context=1).total
    peaks.remember_peak(folder.name, "cpu", "float32", None, reckoned + 3_000_000)
    assert inb.fit(folder, "cpu", "float32", context=50).correction == 3_000_000
    assert isinstance(peaks.peak_of(folder.name, "cpu", "float32"), Calibration)


def test_a_loaded_model_is_judged_where_it_is_and_what_it_holds_counts_as_free(
    tmp_home: Path, tiny_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = inb.load(tiny_folder("llama"), device="cpu", dtype="float32")
    room = devices.budget("cpu")
    monkeypatch.setattr(devices, "budget", lambda name: room)
    report = inb.fit(model)
    assert (report.device, report.dtype) == (model.device, model.dtype)
    assert report.budget == room.free + model.memory_peak
    model.unload()


def test_a_name_a_folder_and_a_local_model_give_the_same(
    tmp_home: Path, tiny_folder: Callable[..., Path]
) -> None:
    folder = tiny_folder("gpt2")
    local = inb.LocalModel.from_folder(folder)
    reports = [inb.fit(source, "cpu", context=77) for source in (folder, str(folder), local)]
    assert len({(report.weights, report.cache, report.activations) for report in reports}) == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_dtype_sizes_weights_and_cache(tiny_folder: Callable[..., Path], dtype: str) -> None:
    whole, report = (inb.fit(tiny_folder("llama"), "cpu", name) for name in ("float32", dtype))
    factor = 1 if dtype == "float32" else 2
    assert (report.weights * factor, report.cache * factor) == (whole.weights, whole.cache)


def test_what_is_no_model_is_refused(tmp_home: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        inb.fit(5)
    with pytest.raises(ModelNotFound, match="has not been fetched"):
        inb.fit("starter/chat")
    with pytest.raises(BrokenModel) as refused:
        inb.fit(tmp_path)
    assert refused.value.hint


@pytest.mark.parametrize(
    "wish", [{"dtype": "stored"}, {"dtype": "float64"}, {"quantization": "gptq"}, {"context": -1}]
)
def test_bad_wishes_are_refused(tiny_folder: Callable[..., Path], wish: dict[str, object]) -> None:
    with pytest.raises(InvalidData) as refused:
        inb.fit(tiny_folder("llama"), "cpu", **wish)
    assert refused.value.hint
    assert inb.fit(tiny_folder("llama"), "cpu").fits == "yes"


def test_a_search_hit_is_judged_by_its_id(tmp_home: Path, tiny_folder: Callable[..., Path]) -> None:
    hit = SimpleNamespace(id=str(tiny_folder("llama")))
    assert inb.fit(hit, "cpu").weights == inb.fit(tiny_folder("llama"), "cpu").weights


def test_a_config_is_completed_by_what_transformers_knows() -> None:
    fields = completed(
        {"model_type": "gemma2", "num_hidden_layers": 4, "architectures": ["Gemma2ForCausalLM"]}
    )
    assert fields["layer_types"] == ["sliding_attention", "full_attention"] * 2
    assert fields["head_dim"] == 256


@pytest.mark.parametrize(
    "config",
    [{}, {"model_type": "of-somebodys-own", "n_layer": 2}, {"model_type": "llama", "hidden_size": "wide"}],
)
def test_a_config_that_transformers_does_not_know_stays_as_it_is(config: dict[str, object]) -> None:
    assert completed(config) == config


@pytest.mark.starter
def test_the_starters_gguf_file_is_judged_by_its_own_types() -> None:
    from gguf import GGUFReader

    (file,) = starters.folder("starter/chat").glob("*.gguf")
    stored = sum(int(tensor.n_bytes) for tensor in GGUFReader(file).tensors)
    packed = inb.LocalModel.from_folder(file.parent)
    report = inb.fit(packed, "cpu", context=100)
    unpacked = inb.fit("starter/chat", "cpu", context=100)
    assert report.weights == stored
    assert report.cache in (unpacked.cache, unpacked.cache // 2)
    assert inb.fit(packed, "cpu", "float32").weights == inb.fit("starter/chat", "cpu", "float32").weights


@pytest.mark.gpu
def test_on_a_gpu_the_peak_is_measured_and_the_estimate_holds(
    tmp_home: Path, tiny_folder: Callable[..., Path]
) -> None:
    before = inb.fit(tiny_folder("llama"), "cuda", "float32", context=64)
    model = inb.load(tiny_folder("llama"), device="cuda", dtype="float32")
    assert before.weights <= model.memory_peak <= before.total
    assert inb.fit(model, context=64).calibrated
    model.unload()
