from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import influence_nb as inb
from influence_nb.engine import device as devices
from influence_nb.engine import registry
from influence_nb.errors import (
    BrokenModel,
    DeviceUnavailable,
    InfluenceError,
    MissingExtra,
    ModelNotFound,
    OutOfMemory,
    UnsupportedModel,
)
from tests import tiny


@pytest.fixture
def folder(tiny_folder: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of a whole tiny model, to break."""
    return Path(shutil.copytree(tiny_folder("llama"), tmp_path / "broken"))


def cut(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(BrokenModel) as refused:
        inb.load(folder)
    assert missing.split(".")[0] in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize("keep", [0, 4, 100, 5000])
def test_cut_off_weights_are_refused(folder: Path, keep: int) -> None:
    cut(folder / "model.safetensors", keep)
    with pytest.raises(BrokenModel, match="safetensors"):
        inb.load(folder)


def test_damaged_weights_are_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[8:40] = b"\xff" * 32
    file.write_bytes(bytes(data))
    with pytest.raises(BrokenModel, match="safetensors"):
        inb.load(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    with pytest.raises(BrokenModel):
        inb.load(folder)


def test_missing_weights_are_named_and_never_made_up(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    with pytest.raises(BrokenModel, match=r"layers\.[23]\."):
        inb.load(folder)


@pytest.mark.parametrize("model", [5, "a" * 5000, ""])
def test_what_is_no_name_is_not_found(tmp_home: Path, model: object) -> None:
    with pytest.raises(ModelNotFound) as refused:
        inb.load(model)
    assert refused.value.hint


def test_a_listener_that_fails_does_not_break_a_load(folder: Path) -> None:
    stop = registry.subscribe(lambda: 1 / 0)
    model = inb.load(folder)
    stop()
    assert inb.loaded() == [model]
    model.unload()


def test_a_gguf_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"not a model at all" * 10)
    with pytest.raises(BrokenModel, match=r"model\.gguf"):
        inb.load(tmp_path)


def test_a_config_that_is_no_json_is_refused(folder: Path) -> None:
    cut(folder / "config.json", 20)
    with pytest.raises(BrokenModel, match=r"config\.json"):
        inb.load(folder)


def test_an_unknown_architecture_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "llama_from_the_future"}))
    with pytest.raises(UnsupportedModel, match="llama_from_the_future"):
        inb.load(folder)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"model_type": "llama_future"}, UnsupportedModel, r"'llama_future', which transformers \d"),
        (
            {
                "model_type": "own",
                "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
            },
            UnsupportedModel,
            "needs Python code",
        ),
        ({"attn_implementation": "flash_attention_2"}, MissingExtra, "not installed.*[Ff]lash"),
    ],
)
def test_what_a_checkpoint_asks_for_and_is_not_here_is_said(
    folder: Path, changes: dict[str, object], error: type[InfluenceError], words: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(error, match=words) as refused:
        inb.load(folder, device="cpu")
    assert refused.value.hint


def test_code_beside_an_architecture_that_transformers_knows_is_left_alone(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": own}))
    (folder / "own.py").write_text("raise SystemExit('this must not run')")
    model = inb.load(folder, device="cpu")
    assert model.generate("hello", max_new_tokens=2).ids
    model.unload()


def test_an_encoder_is_told_what_it_is_for(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    small = BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=400
    )
    BertModel(small).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModel, match="BertModel") as refused:
        inb.load(tmp_path)
    assert "load_encoder" in refused.value.hint


def test_a_name_that_is_not_there(tmp_home: Path) -> None:
    with pytest.raises(ModelNotFound, match="owner/nothing"):
        inb.load("owner/nothing")
    with pytest.raises(BrokenModel, match="no folder or file"):
        inb.load("./nothing-here")


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "", "gpu", None])
def test_an_unknown_device(folder: Path, device: str) -> None:
    with pytest.raises(DeviceUnavailable, match="not a device") as refused:
        inb.load(folder, device=device)
    assert "cpu" in refused.value.hint


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_where_there_is_none(folder: Path, device: str) -> None:
    with pytest.raises(DeviceUnavailable, match=device) as refused:
        inb.load(folder, device=device)
    assert "cpu" in refused.value.hint


def test_an_unknown_dtype(folder: Path) -> None:
    with pytest.raises(UnsupportedModel, match="int3"):
        inb.load(folder, dtype="int3")


def test_running_out_of_memory_while_loading(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    def full(*args: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 96.00 GiB.")

    with monkeypatch.context() as patch:
        patch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", full)
        with pytest.raises(OutOfMemory, match="loading"):
            inb.load(folder)
    assert inb.loaded() == []
    model = inb.load(folder)
    assert model.generate("hello", max_new_tokens=2).ids
    model.unload()


def test_a_refusal_leaves_the_loaded_models_alone(folder: Path, tmp_path: Path) -> None:
    model = inb.load(folder)
    with pytest.raises(InfluenceError):
        inb.load(tmp_path / "nothing")
    assert inb.loaded() == [model]
    assert model.generate("hello", max_new_tokens=2).ids
    model.unload()


def test_one_copy_serves_everybody_and_stages_are_told(folder: Path) -> None:
    stages: list[tuple[str, float | None]] = []
    changes: list[int] = []
    stop = registry.subscribe(lambda: changes.append(len(inb.loaded())))
    model = inb.load(folder, device="cpu", on_progress=lambda stage, done: stages.append((stage, done)))
    assert inb.load(folder, device="cpu") is model
    assert inb.load(folder) is model
    other = inb.load(folder, dtype="bfloat16")
    assert inb.loaded() == [model, other]
    assert (model.dtype, other.dtype) == ("float32", "bfloat16")
    model.unload()
    other.unload()
    stop()
    assert [stage for stage, _ in stages] == ["files", "weights", "warm-up", "ready"]
    assert changes == [1, 2, 1, 1, 0, 0]  # an unload tells twice: off the list, and memory back


def test_a_report_says_what_is_loaded(folder: Path) -> None:
    model = inb.load(folder, device="cpu", dtype="float32")
    report = model.report()
    assert report["weights"] == sum(weight.nbytes for weight in model.network.parameters())
    assert (report["dtype"], report["device"], report["context_length"]) == ("float32", "cpu", 256)
    assert 0 < report["memory_used"] < report["memory_total"]
    model.unload()


@pytest.mark.parametrize(
    ("checkpoint", "native", "expected"),
    [
        (torch.bfloat16, True, torch.bfloat16),
        (torch.bfloat16, False, torch.float32),
        (torch.float16, True, torch.bfloat16),
        (torch.float16, False, torch.float32),
        (torch.float32, True, torch.float32),
        (None, True, torch.float32),
    ],
)
def test_dtype_auto_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, checkpoint: torch.dtype | None, native: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(devices, "_cpu_has_bfloat16", lambda: native)
    assert devices.resolve_dtype("auto", torch.device("cpu"), checkpoint) == expected
    assert devices.resolve_dtype("float16", torch.device("cpu"), checkpoint) == torch.float16


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_dtype_auto_on_a_gpu_asks_whether_it_has_bfloat16(
    monkeypatch: pytest.MonkeyPatch, native: bool, expected: torch.dtype
) -> None:
    from contextlib import nullcontext

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    assert devices.resolve_dtype("auto", torch.device("cuda:0"), torch.bfloat16) == expected


def test_auto_takes_cuda_then_mps_then_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.available() == ["cuda:0", "cuda:1", "mps", "cpu"]
    assert devices.resolve("auto") == torch.device("cuda:0")
    assert devices.resolve("cuda") == torch.device("cuda:0")
    assert devices.resolve("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceUnavailable):
        devices.resolve("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.resolve("auto") == torch.device("mps")


@pytest.mark.gpu
def test_on_a_gpu_it_loads_generates_and_gives_the_memory_back(folder: Path) -> None:
    before = torch.cuda.memory_allocated()
    model = inb.load(folder, device="cuda", dtype="float32")
    there = model.generate("The quick", temperature=0, max_new_tokens=8).ids
    assert model.device == "cuda:0"
    model.unload()
    assert torch.cuda.memory_allocated() <= before + 2**20
    here = inb.load(folder, device="cpu", dtype="float32")
    assert here.generate("The quick", temperature=0, max_new_tokens=8).ids == there
    here.unload()


@pytest.mark.starter
def test_the_starter_was_unpacked_to_bfloat16_safetensors() -> None:
    model = inb.load()
    assert model.name == "starter/chat"
    local = inb.library()["starter/chat"]
    assert (local.format, local.dtype, local.architecture) == ("safetensors", "bfloat16", "LlamaForCausalLM")
    assert list(local.path.parent.glob("*.gguf")), "the GGUF is kept"
    assert model.context_length == 8192


def test_a_configuration_of_fewer_layers_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] -= 1
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BrokenModel, match="knows nothing of") as refused:
        inb.load(folder)
    assert "layers" in refused.value.message


def test_a_configuration_of_another_width_says_which_weight_and_both_shapes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["intermediate_size"] *= 2
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BrokenModel, match=r"of shape \(\d+, \d+\); its config.json asks for \(\d+, \d+\)"):
        inb.load(folder)


def test_an_end_of_turn_that_is_no_token_is_refused(folder: Path) -> None:
    (folder / "generation_config.json").write_text('{"eos_token_id": "x"}')
    with pytest.raises(BrokenModel, match="'x' as an end of its turns"):
        inb.load(folder)
    assert folder.name not in [model.name for model in inb.loaded()]


def test_a_reason_that_goes_on_in_the_next_line_is_told_whole(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["hidden_size"] = "abc"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InfluenceError) as refused:
        inb.load(folder)
    assert not refused.value.message.endswith(":")


@pytest.mark.starter
def test_a_damaged_copy_of_unpacked_weights_is_unpacked_again(tmp_path: Path) -> None:
    from influence_nb.engine.convert import gguf_to_safetensors
    from influence_nb.hub import starters

    gguf = next(starters.folder("starter/chat").glob("*.gguf"))
    unpacked = shutil.copytree(gguf.parent / "safetensors", tmp_path / "safetensors")
    whole = (unpacked / "model.safetensors").read_bytes()
    cut(unpacked / "model.safetensors", 1000)
    assert gguf_to_safetensors(gguf, unpacked) == unpacked
    assert (unpacked / "model.safetensors").read_bytes() == whole
