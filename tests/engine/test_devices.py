"""Where a model goes, how it is warmed up, and what is said and given back when memory runs out."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import influence_nb as inb
from influence_nb.engine import device as devices
from influence_nb.engine.device import Place
from influence_nb.errors import DeviceUnavailable, OutOfMemory, SettingsError
from influence_nb.memory.budget import DeviceBudget
from influence_nb.settings import settings


@pytest.fixture
def folder(tiny_folder: Callable[..., Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder("llama"), tmp_path / "model"))


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    settings.cache_clear()
    for model in inb.loaded():
        model.unload()


def say(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    settings.cache_clear()


@pytest.mark.parametrize(("said", "steps"), [(None, 1), ("0", 0), ("5", 5)])
def test_warm_up_steps(folder: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, steps: int) -> None:
    from influence_nb.engine.runtimes.transformers import TransformersModel

    ran: list[int] = []
    generate = TransformersModel.generate

    def watched(self: TransformersModel, *given: object, **how: object) -> object:
        completion = generate(self, *given, **how)
        ran.append(len(completion.ids))
        return completion

    monkeypatch.setattr(TransformersModel, "generate", watched)
    if said is not None:
        say(monkeypatch, "INFLUENCE_WARMUP_TOKENS", said)
    model = inb.load(folder, device="cpu")
    assert ran == ([steps] if steps else [])
    assert model.forwards == 0
    assert model.memory_peak >= model.weights_size


def test_gpus_are_warmed_up_longer() -> None:
    assert devices.warmup_tokens(torch.device("cuda:0")) == 6


@pytest.mark.parametrize(
    ("name", "value"),
    [("INFLUENCE_WARMUP_TOKENS", "-1"), ("INFLUENCE_WARMUP_TOKENS", "many"), ("INFLUENCE_THREADS", "0")],
)
def test_settings_out_of_range(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    say(monkeypatch, name, value)
    with pytest.raises(SettingsError, match=name):
        inb.load(folder, device="cpu")
    assert inb.loaded() == []


def test_threads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, "INFLUENCE_THREADS", "1")
    inb.load(folder, device="cpu")
    assert torch.get_num_threads() == 1


def gpus(monkeypatch: pytest.MonkeyPatch, *free: int) -> None:
    names = [f"cuda:{index}" for index in range(len(free))]
    monkeypatch.setattr(devices, "available", lambda: [*names, "cpu"])
    rooms = dict(zip(names, free, strict=True))
    monkeypatch.setattr(devices, "budget", lambda name: DeviceBudget(name, rooms[name], rooms[name]))


def test_one_gpu_if_one_has_room_all_if_none_has(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 100, 300)
    assert devices.place("auto", 90) == Place(torch.device("cuda:0"))
    assert devices.place("auto", 200) == Place(torch.device("cuda:1"))
    assert devices.place("auto", 350) == Place(torch.device("cuda:0"), {0: 90, 1: 270})
    assert devices.place("auto", 350).options() == {"device_map": "auto", "max_memory": {0: 90, 1: 270}}
    assert devices.place("auto", 400) == Place(torch.device("cuda:0"))
    assert devices.place("cuda:1", 400) == Place(torch.device("cuda:1"))
    assert devices.place("cuda:0", 350).options() == {}
    with pytest.raises(DeviceUnavailable):
        devices.place("cuda:2", 1)
    gpus(monkeypatch, 100)
    assert devices.place("auto", 1000) == Place(torch.device("cuda:0"))


def test_laid_out_by_accelerate_it_says_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code path of several GPUs, with the CPU for all of them."""
    plain = inb.load(folder, device="cpu", dtype="float32")
    expected = plain.generate("The quick", temperature=0, max_new_tokens=6).ids
    plain.unload()
    import transformers

    laid_out = Place(torch.device("cpu"), {"cpu": 1 << 34})
    asked: list[object] = []
    read = transformers.AutoModelForCausalLM.from_pretrained

    def watched(*given: object, **how: object) -> object:
        asked.append((how["device_map"], how["max_memory"]))
        return read(*given, **how)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", watched)
    monkeypatch.setattr(devices, "place", lambda name, needed: laid_out)
    model = inb.load(folder, device="cpu", dtype="float32")
    assert asked == [("auto", {"cpu": 1 << 34})]
    assert model.devices == ("cpu",)
    assert model.generate("The quick", temperature=0, max_new_tokens=6).ids == expected


@pytest.mark.gpu
def test_laid_out_over_several_gpus(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")
    here = (
        inb.load(folder, device="cpu", dtype="float32").generate("The", temperature=0, max_new_tokens=6).ids
    )
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    shares = Place(torch.device("cuda:0"), {0: size * 2 // 3, 1: size * 2})
    monkeypatch.setattr(devices, "place", lambda name, needed: shares)
    model = inb.load(folder, device="auto", dtype="float32")
    assert model.devices == ("cuda:0", "cuda:1")
    assert model.generate("The", temperature=0, max_new_tokens=6).ids == here


def test_out_of_memory_while_loading_says_what_would_fit(
    folder: Path, tmp_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    def full(*args: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 96.00 GiB.")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", full)
    need = inb.fit(folder, device="cpu", dtype="float32", context=512).total
    monkeypatch.setattr(devices, "budget", lambda name="auto": DeviceBudget("cpu", 1 << 40, need))
    with pytest.raises(OutOfMemory, match="loading") as refused:
        inb.load(folder, device="cpu", dtype="float32")
    assert "It would fit with" in refused.value.hint
    assert "context of up to" in refused.value.hint
    assert refused.value.hint in str(refused.value)


def test_out_of_memory_while_generating_says_what_would_fit_and_gives_it_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = inb.load(folder, device="cpu", dtype="float32")
    expected = model.generate("The quick", temperature=0, max_new_tokens=6).ids
    held: list[weakref.ref[torch.Tensor]] = []

    def full(*_: object) -> None:
        scratch = torch.zeros(1 << 20)
        held.append(weakref.ref(scratch))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 96.00 GiB.")

    room = DeviceBudget("cpu", 1 << 40, 1000)
    with monkeypatch.context() as patch:
        patch.setattr(devices, "budget", lambda name="auto": room)
        hook = model.network.model.layers[1].register_forward_pre_hook(full)
        with pytest.raises(OutOfMemory, match="generating") as refused:
            model.generate("The quick", max_new_tokens=100)
        hook.remove()
    assert "It needs" in refused.value.hint
    assert held
    assert all(one() is None for one in held), "the error keeps tensors alive"
    assert model.generate("The quick", temperature=0, max_new_tokens=6).ids == expected
