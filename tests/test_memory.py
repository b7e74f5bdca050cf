"""The arithmetic of memory by itself: no model, no device, no network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from influence_nb.errors import InvalidData
from influence_nb.memory import (
    Calibration,
    DeviceBudget,
    FitReport,
    ModelShape,
    Tensor,
    Weights,
    estimate,
    verdict,
)
from influence_nb.memory.gguf import TYPES, GGUFHeader, GGUFTensor, Length
from influence_nb.memory.weights import MIXES

GB = 10**9
LLAMA_8B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "dtype": "bfloat16",
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}
"""Llama 3.1 8B as its config.json has it: 8,030,261,248 parameters."""


def llama(**changes: Any) -> ModelShape:
    return ModelShape.from_config({**LLAMA_8B, **changes})


def gpu(free: float) -> DeviceBudget:
    return DeviceBudget("cuda:0", 80 * GB, int(free))


def test_a_config_alone_gives_the_parameters_within_a_percent() -> None:
    assert llama().weights.parameters == pytest.approx(8_030_261_248, rel=0.01)
    assert llama().weights.estimated


def test_the_cache_of_grouped_heads_is_two_times_groups_times_size_a_token() -> None:
    assert llama().cache(1, 1, "bfloat16") == 32 * 2 * 8 * 128 * 2
    assert llama().cache(4096, 3, "float32") == 4096 * 3 * 32 * 2 * 8 * 128 * 4


def test_a_window_stops_the_cache_from_growing() -> None:
    windowed = llama(sliding_window=1024)
    assert windowed.cache(500) == llama().cache(500)
    assert windowed.cache(100_000) == windowed.cache(1023) == llama().cache(1023)


def test_layers_of_two_kinds_each_count_as_what_they_are() -> None:
    kinds = ["sliding_attention", "full_attention"] * 16
    mixed = llama(sliding_window=1024, layer_types=kinds)
    assert mixed.cache(8192) == (llama().cache(8192) + llama().cache(1023)) // 2


def test_latent_attention_keeps_one_vector_for_all_heads() -> None:
    latent = llama(kv_lora_rank=512, qk_rope_head_dim=64, num_key_value_heads=32)
    assert latent.cache(1000, 1, "bfloat16") == 1000 * 32 * (512 + 64) * 2


def test_a_state_space_model_keeps_the_same_whatever_the_context() -> None:
    mamba = ModelShape.from_config(
        {
            "model_type": "mamba",
            "hidden_size": 768,
            "num_hidden_layers": 24,
            "state_size": 16,
            "conv_kernel": 4,
        }
        | {"intermediate_size": 1536, "vocab_size": 50280, "expand": 2}
    )
    assert mamba.constant
    assert (
        mamba.cache(1, 1, "bfloat16") == mamba.cache(100_000, 1, "bfloat16") == 24 * 1536 * (4 * 2 + 16 * 4)
    )


def test_older_names_are_understood() -> None:
    gpt2 = ModelShape.from_config(
        {"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257, "n_ctx": 1024}
    )
    assert gpt2.cache(1024, 1, "float32") == 1024 * 12 * 2 * 768 * 4
    assert gpt2.context == 1024


def test_a_language_model_among_several_modalities_is_found() -> None:
    nested = ModelShape.from_config(
        {"model_type": "seeing", "text_config": LLAMA_8B, "vision_config": {"hidden_size": 9}}
    )
    assert nested.cache(10) == llama().cache(10)
    assert nested.dtype == "bfloat16"


def test_an_encoder_keeps_nothing() -> None:
    assert llama(architectures=["BertModel"]).cache(512) == 0


def test_all_experts_count() -> None:
    dense, sparse = llama(), llama(num_local_experts=8, num_experts_per_tok=2)
    mlp = 32 * 3 * 4096 * 14336
    assert sparse.weights.parameters - dense.weights.parameters == pytest.approx(7 * mlp, rel=0.001)


TENSORS = [
    Tensor("model.embed_tokens.weight", "BF16", (1000, 64)),
    Tensor("model.layers.0.self_attn.q_proj.weight", "BF16", (64, 64)),
    Tensor("model.layers.0.mlp.experts.0.up_proj.weight", "BF16", (96, 64)),
    Tensor("model.layers.0.input_layernorm.weight", "BF16", (64,)),
    Tensor("model.layers.1.mlp.up_proj.weight", "BF16", (96, 64)),
    Tensor("lm_head.weight", "BF16", (1000, 64)),
]


def test_weights_are_sized_by_dtype() -> None:
    weights = Weights.of(TENSORS)
    count = 2 * 64_000 + 64 * 64 + 2 * 96 * 64 + 64
    assert weights.parameters == count
    assert weights.size("bfloat16") == weights.stored == 2 * count
    assert weights.size("float32") == 4 * count


def test_only_linear_layers_are_packed_and_scales_count() -> None:
    weights = Weights.of(TENSORS)
    packed = 64 * 64 + 96 * 64
    rest = 2 * (weights.parameters - packed)
    assert weights.size("bfloat16", "int8") == rest + packed + 4 * (64 + 96)
    assert weights.size("bfloat16", "nf4") == rest + packed // 2 + 4 * packed // 64 + 2 * 64


def test_a_copy_of_tied_embeddings_is_not_counted() -> None:
    assert Weights.of(TENSORS, tied=True).parameters == Weights.of(TENSORS).parameters - 64_000


def test_layers_that_are_not_run_are_not_counted() -> None:
    assert Weights.of(TENSORS, layers=1).parameters == Weights.of(TENSORS).parameters - 96 * 64


def test_shapes_of_keys_and_values_know_better_than_the_config() -> None:
    tensors = [Tensor(f"model.layers.0.self_attn.{side}_proj.weight", "F32", (48, 64)) for side in "kv"]
    config = {"num_hidden_layers": 1, "num_attention_heads": 4, "hidden_size": 64}
    assert ModelShape.from_config(config).cache(10, 1, "float32") == 10 * 128 * 4
    assert ModelShape.from_config(config, Weights.of(tensors)).cache(10, 1, "float32") == 10 * 96 * 4


def test_gguf_types_are_those_of_the_gguf_package() -> None:
    from gguf.constants import GGML_QUANT_SIZES

    known = {int(kind): (kind.name, *size) for kind, size in GGML_QUANT_SIZES.items()}
    assert {number: TYPES[number] for number in known if number in TYPES} == {
        number: known[number] for number in known if number in TYPES
    }
    assert len(TYPES) > 30


def gguf_header(**own: Any) -> GGUFHeader:
    metadata = {
        "general.architecture": "llama",
        **{f"llama.{key.replace('__', '.')}": value for key, value in own.items()},
    }
    tensors = (
        GGUFTensor("token_embd.weight", "Q6_K", (256, 1000), 0),
        GGUFTensor("blk.0.attn_q.weight", "Q4_K", (256, 256), 0),
    )
    return GGUFHeader({**metadata, "tokenizer.ggml.tokens": Length(1000)}, tensors)


def test_a_gguf_header_gives_weights_as_they_are_packed_and_the_cache_of_its_keys() -> None:
    shape = ModelShape.from_gguf(
        gguf_header(
            block_count=2,
            embedding_length=256,
            attention__head_count=8,
            attention__head_count_kv=2,
            context_length=512,
        )
    )
    assert shape.weights.size("stored") == 1000 * 210 + 256 * 144
    assert shape.weights.size("float32") == 4 * 256 * 1256
    assert shape.cache(10, 1, "bfloat16") == 10 * 2 * 2 * 2 * 32 * 2
    assert (shape.vocabulary, shape.context, shape.architecture) == (1000, 512, "llama")


def test_it_fits_as_asked() -> None:
    report = estimate(llama(), gpu(40 * GB), context=8192, name="talker")
    assert report.fits == "yes"
    assert report.total == report.weights + report.cache + report.activations <= report.budget == 40 * GB
    assert report.weights == 2 * llama().weights.parameters
    assert "to spare" in report.suggestion
    assert 0 < report.overhead < report.activations


@pytest.mark.parametrize(("free", "fits"), [(18.5, "yes"), (12, "int8"), (8, "nf4"), (4, "no")])
def test_the_verdict_names_the_packing_that_would_fit(free: float, fits: str) -> None:
    report = estimate(llama(), gpu(free * GB), context=4096)
    assert report.fits == fits
    if fits in ("int8", "nf4"):
        assert f'quantization="{fits}"' in report.suggestion
        assert estimate(llama(), gpu(free * GB), quantization=fits, context=4096).fits == "yes"


def test_float32_is_told_of_bfloat16_first() -> None:
    report = estimate(llama(), gpu(20 * GB), "float32", context=2048)
    assert report.suggestion.index('dtype="bfloat16"') < report.suggestion.index('quantization="int8"')


def test_too_long_a_context_is_told_the_longest_that_fits() -> None:
    budget = gpu(20 * GB)
    report = estimate(llama(), budget, context=100_000)
    longest = report.longest_context
    assert report.fits != "yes"
    assert f"{longest:,} tokens" in report.suggestion
    assert estimate(llama(), budget, context=longest).fits == "yes"
    assert estimate(llama(), budget, context=longest + 1).fits != "yes"


def test_a_context_longer_than_the_models_is_said() -> None:
    assert "made for 131,072 tokens" in str(estimate(llama(), gpu(70 * GB), context=200_000))


def test_nothing_fits_is_said_so() -> None:
    report = estimate(llama(), gpu(1 * GB))
    assert (report.fits, report.longest_context) == ("no", 0)
    assert "smaller model" in report.suggestion


def test_rows_multiply_the_cache_and_a_smaller_batch_is_suggested() -> None:
    one, many = (estimate(llama(), gpu(24 * GB), context=8192, batch=rows) for rows in (1, 16))
    assert many.cache == 16 * one.cache
    assert (one.fits, many.fits) != ("yes", "yes")
    assert "smaller batch" in many.suggestion


def test_the_table_has_the_context_asked_for_and_says_where_it_ends_to_fit() -> None:
    frame = estimate(llama(), gpu(20 * GB), context=3000).by_context
    assert list(frame.columns) == ["context", "cache", "total", "fits"]
    assert 3000 in set(frame["context"])
    assert frame["total"].is_monotonic_increasing
    assert set(frame["fits"]) == {True, False}
    assert (frame["fits"] == (frame["total"] <= 20 * GB)).all()


def test_a_packed_checkpoint_stays_as_it_is() -> None:
    packed = llama(quantization_config={"quant_method": "gptq"})
    packed = replace(packed, weights=Weights.of([Tensor("a.qweight", "I32", (1000, 1000))]))
    report = estimate(packed, gpu(GB))
    assert report.weights == 4_000_000
    assert report.quantization == "gptq"
    with pytest.raises(InvalidData, match="gptq") as refused:
        estimate(packed, gpu(GB), quantization="nf4")
    assert refused.value.hint


def test_a_gguf_quantization_is_sized_by_its_bits_a_weight() -> None:
    report = estimate(llama(), gpu(40 * GB), quantization="Q4_K_M")
    assert report.weights == pytest.approx(4.92e9, rel=0.02)  # the file of that model has 4.92 GB
    assert 1.5 < MIXES["IQ1_S"] < MIXES["Q2_K"] < MIXES["Q4_0"] < MIXES["Q8_0"] < MIXES["F16"] < MIXES["F32"]


def measured(peak: int, **changes: Any) -> Calibration:
    return replace(Calibration("cuda:0", "bfloat16", None, peak, "2026-01-01T00:00:00+00:00"), **changes)


def test_a_measured_peak_corrects_the_estimate_and_is_mentioned() -> None:
    plain = estimate(llama(), gpu(40 * GB))
    took = estimate(llama(), gpu(40 * GB), context=1).total + 700_000_000
    corrected = estimate(llama(), gpu(40 * GB), calibration=measured(took))
    assert corrected.total - plain.total == corrected.correction == 700_000_000
    assert (plain.calibrated, corrected.calibrated) == (False, True)
    assert "700 MB" in str(corrected)
    assert "measured" in str(corrected)
    assert "measured" not in str(plain)


@pytest.mark.parametrize("other", [{"device": "cpu"}, {"dtype": "float16"}, {"quantization": "nf4"}])
def test_what_was_measured_otherwise_does_not_count(other: dict[str, Any]) -> None:
    assert not estimate(llama(), gpu(40 * GB), calibration=measured(50 * GB, **other)).calibrated


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"dtype": "float8"}, "float8"),
        ({"quantization": "q5"}, "q5"),
        ({"context": 0}, "context=0"),
        ({"context": 2.5}, "context=2.5"),
        ({"context": True}, "context=True"),
        ({"batch": -1}, "batch=-1"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidData, match=word) as refused:
        estimate(llama(), gpu(40 * GB), **asked)
    assert refused.value.hint


BF16_8B = {"BF16": 8_030_261_248}


@pytest.mark.parametrize(("free", "fits"), [(24, "yes"), (13, "int8"), (8, "nf4"), (3, "no")])
def test_the_quick_verdict_of_a_search_hit(free: float, fits: str) -> None:
    assert verdict(8_030_261_248, BF16_8B, gpu(free * GB)) == fits
    assert verdict(8_030_261_248, {}, gpu(free * GB)) == fits
    assert verdict(None, BF16_8B, gpu(free * GB)) == fits


def test_the_quick_verdict_knows_devices_that_compute_in_float32_only() -> None:
    wide = replace(gpu(24 * GB), halves=False)
    assert verdict(8_030_261_248, BF16_8B, wide) != "yes"
    assert verdict(8_030_261_248, BF16_8B, replace(wide, free=40 * GB)) == "yes"


def test_the_quick_verdict_knows_when_it_does_not_know() -> None:
    assert verdict(None, None, gpu(GB)) is None
    assert verdict(0, {}, gpu(GB)) is None


def test_the_quick_verdict_does_not_pack_what_is_packed() -> None:
    assert verdict(8 * GB, {"F8_E4M3": 8 * GB}, gpu(7 * GB)) == "no"
    assert verdict(8 * GB, {"F8_E4M3": 8 * GB}, gpu(10 * GB)) == "yes"


def texts(report: FitReport) -> list[str]:
    figure = report.plot()
    (axes,) = figure.axes
    return [
        axes.get_xlabel(),
        axes.get_ylabel(),
        axes.get_title(),
        *(text.get_text() for text in axes.get_legend().texts),
    ]


def test_the_plot_is_a_curve_with_the_budget_as_a_line_and_units() -> None:
    report = estimate(llama(), gpu(20 * GB), name="talker", context=4096)
    said = " ".join(texts(report))
    assert "tokens" in said
    assert "GB" in said
    assert "talker" in said
    assert "free on cuda:0" in said
    (axes,) = report.plot().axes
    curve, _, limit, _ = axes.get_lines()
    assert list(curve.get_ydata()) == [total / 1e9 for _, _, total in report.curve]
    assert set(limit.get_ydata()) == {20.0}


def test_the_report_reads_well_as_text_and_as_html_and_names_are_escaped() -> None:
    report = estimate(llama(), gpu(12 * GB), name="<b>talker</b>")
    for word in (
        "weights",
        "cache",
        "activations",
        "total",
        "16.1 GB",
        "fits with quantization int8",
        "estimated",
    ):
        assert word in str(report)
    page = report._repr_html_()
    assert "&lt;b&gt;talker" in page
    assert "<b>talker" not in page
    assert "16.1 GB" in page
