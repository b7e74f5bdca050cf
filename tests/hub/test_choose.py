"""Which files make a model: one format of weights, one quantization, the tokenizer, and nothing else."""

from __future__ import annotations

import pytest

from influence_nb.errors import InvalidData
from influence_nb.hub.choose import RemoteFile, choose, gguf_kind

SMALL = ["README.md", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
BINS = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]


def chosen(*names: str, **how: object) -> set[str]:
    """What is chosen beside the small files that every model has."""
    choice = choose([RemoteFile(name, 1) for name in [*SMALL, *names]], **how)
    taken = {file.name for file, _ in choice.chosen}
    left = {name for name, _ in choice.left_out}
    assert taken | left == {*SMALL, *names}
    assert not taken & left
    assert all(why for _, why in (*choice.chosen, *choice.left_out))
    return taken - set(SMALL)


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (
            ["model.safetensors", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"],
            ["model.safetensors"],
        ),
        (["pytorch_model.bin", "tf_model.h5", "rust_model.ot"], ["pytorch_model.bin"]),
        (
            [*SHARDS, "model.safetensors.index.json", *BINS, "pytorch_model.bin.index.json"],
            [*SHARDS, "model.safetensors.index.json"],
        ),
        ([*BINS, "pytorch_model.bin.index.json"], [*BINS, "pytorch_model.bin.index.json"]),
        (["model.safetensors", *SHARDS, "model.safetensors.index.json"], ["model.safetensors"]),
        (["model.safetensors", "consolidated.safetensors", "model.fp16.safetensors"], ["model.safetensors"]),
        ([*SHARDS, "consolidated.safetensors"], SHARDS),
        (["weights.safetensors", "consolidated.safetensors"], ["weights.safetensors"]),
        (
            ["adapter_model.safetensors", "adapter_config.json"],
            ["adapter_model.safetensors", "adapter_config.json"],
        ),
        (["model.safetensors", "model.Q4_K_M.gguf"], ["model.safetensors"]),
        (
            ["model.safetensors", "original/consolidated.00.pth", "original/params.json"],
            ["model.safetensors"],
        ),
        (
            ["model.safetensors", "onnx/model.onnx", "onnx/model.onnx_data", "openvino/x.bin"],
            ["model.safetensors"],
        ),
        (["model.safetensors", "openvino_model.bin", "openvino_model.xml"], ["model.safetensors"]),
        (["model.safetensors", "training_args.bin", "optimizer.pt", "scheduler.pt"], ["model.safetensors"]),
        (["model.safetensors", "checkpoint-500/model.safetensors"], ["model.safetensors"]),
        (
            ["model.safetensors", "picture.png", "paper.pdf", ".gitattributes", "data.csv"],
            ["model.safetensors"],
        ),
        (["model.safetensors", "modeling_x.py"], ["model.safetensors"]),
        (
            [
                "model.safetensors",
                "LICENSE",
                "vocab.json",
                "merges.txt",
                "spiece.model",
                "chat_template.jinja",
            ],
            [
                "model.safetensors",
                "LICENSE",
                "vocab.json",
                "merges.txt",
                "spiece.model",
                "chat_template.jinja",
            ],
        ),
    ],
)
def test_one_set_of_weights_is_taken(there: list[str], taken: list[str]) -> None:
    assert chosen(*there) == set(taken)


def test_sentence_transformers_folders_belong_to_the_model() -> None:
    there = [
        *("modules.json", "model.safetensors", "1_Pooling/config.json"),
        *("2_Dense/config.json", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin"),
    ]
    assert chosen(*there) == set(there) - {"2_Dense/pytorch_model.bin"}
    assert chosen("model.safetensors", "unet/diffusion.safetensors", "unet/config.json") == {
        "model.safetensors"
    }


def test_code_is_taken_only_where_the_model_needs_it() -> None:
    assert chosen("model.safetensors", "modeling_x.py", needs_code=True) == {
        "model.safetensors",
        "modeling_x.py",
    }


@pytest.mark.parametrize(
    ("kinds", "taken"),
    [
        (["Q2_K", "Q4_K_M", "Q8_0"], "Q4_K_M"),
        (["Q2_K", "Q5_K_M", "Q8_0"], "Q5_K_M"),
        (["Q4_0", "Q4_K_S"], "Q4_K_S"),
        (["Q3_K_M", "Q2_K"], "Q3_K_M"),
        (["Q3_K_M", "Q6_K"], "Q6_K"),
        (["F16", "BF16"], "BF16"),
        (["IQ1_S"], "IQ1_S"),
    ],
)
def test_of_a_gguf_repository_the_quantization_nearest_four_bits_is_taken(
    kinds: list[str], taken: str
) -> None:
    assert chosen(*(f"model-{kind}.gguf" for kind in kinds)) == {f"model-{taken}.gguf"}


def test_all_parts_of_a_quantization_are_taken_and_no_other() -> None:
    parts = [f"Q8_0/model-Q8_0-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    there = [*parts, "model-Q4_K_M.gguf", "mmproj-model-f16.gguf", "imatrix.gguf"]
    assert chosen(*there, quantization="Q8_0") == set(parts)
    assert chosen(*there) == {"model-Q4_K_M.gguf"}


def test_a_wish_for_a_quantization_wins_over_safetensors() -> None:
    assert chosen("model.safetensors", "model.Q4_0.gguf", quantization="q4-0") == {"model.Q4_0.gguf"}


def test_a_file_without_a_quantization_in_its_name_is_taken_where_there_is_no_other() -> None:
    assert chosen("model.gguf") == {"model.gguf"}


def test_two_models_of_one_quantization_are_not_mixed() -> None:
    assert chosen("a-Q4_K_M.gguf", "b-Q4_K_M.gguf") == {"a-Q4_K_M.gguf"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1"),
        ("ggml-model-q4_0.gguf", "Q4_0"),
        ("Model-UD-Q4_K_XL.gguf", "Q4_K_XL"),
        ("Q8_0/Model-Q8_0-00001-of-00002.gguf", "Q8_0"),
        ("IQ2_XXS/model-00001-of-00002.gguf", "IQ2_XXS"),
        ("model-bf16.gguf", "BF16"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("Llama-3-8B-TQ1_0.gguf", "TQ1_0"),
        ("model.gguf", None),
        ("iq3000.gguf", None),
    ],
)
def test_the_quantization_is_read_from_the_name(name: str, kind: str | None) -> None:
    assert gguf_kind(name) == kind


def test_a_quantization_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidData, match="Q9") as caught:
        chosen("m-Q4_0.gguf", "m-Q8_0.gguf", quantization="Q9")
    assert "Q4_0, Q8_0" in caught.value.hint
    with pytest.raises(InvalidData, match="no GGUF") as caught:
        chosen("model.safetensors", quantization="Q4_0")
    assert "when they are loaded" in caught.value.hint


def test_patterns_override_formats_and_an_exclusion_wins() -> None:
    there = ["model.safetensors", "model.onnx", "code.py"]
    assert chosen(*there, include=["*.onnx", "*.py"]) == {"model.onnx", "code.py"}
    assert chosen(*there, include=["*.onnx", "*.py"], exclude=["*.py"]) == {"model.onnx"}
    assert chosen(*there, exclude=["*.safetensors"]) == set()


def test_reasons_say_what_files_are_for() -> None:
    files = [
        RemoteFile(name) for name in ["config.json", "tokenizer.json", *BINS, "pytorch_model.bin.index.json"]
    ]
    reasons = {file.name: why for file, why in choose(files).chosen}
    assert reasons["config.json"] == "config"
    assert reasons["tokenizer.json"] == "tokenizer"
    assert reasons[BINS[0]] == "weights, PyTorch (no safetensors are there)"
    assert reasons["pytorch_model.bin.index.json"] == "which weights are in which file"
