"""Every family of encoders and decoders gives what transformers gives, and what sentence-transformers gives of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from influence_nb.embeddings.encode import Encoder, open_encoder
from influence_nb.embeddings.pooling import POOLINGS
from influence_nb.errors import BrokenModel, InvalidData, UnsupportedModel
from tests import tiny
from tests.embeddings import families

TEXTS = [
    "the cat sat on the mat",
    "rain",
    "python code",
    "the bank on the river",
    "a dog sat",
    "sun sun sun rain " * 3,
]
ENCODERS = ("bert", "roberta", "albert", "distilbert", "mpnet", "t5")
DECODERS = ("llama", "gpt2", "qwen3", "gemma3_text", "mamba", "phi3")
THEIRS = {"mean": "mean", "cls": "cls", "last": "lasttoken", "weighted_mean": "weightedmean"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("families")
    made = {kind: families.build(place / kind, kind) for kind in ENCODERS}
    return made | {kind: tiny.build(place / kind, kind) for kind in DECODERS}


def by_hand(folder: Path, text: str, pooling: str, layer: int | None) -> np.ndarray:
    """One text alone, so that nothing is padded, through transformers' own classes."""
    import torch
    import transformers as t

    kind = t.T5EncoderModel if folder.name == "t5" else t.AutoModel
    model, tokenizer = kind.from_pretrained(folder).eval(), t.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        output = model(torch.tensor([tokenizer(text)["input_ids"]]), output_hidden_states=True)
    hidden = (output.last_hidden_state if layer is None else output.hidden_states[layer])[0].double()
    weights = torch.arange(1, len(hidden) + 1)[:, None]
    pooled = {
        "mean": hidden.mean(0), "cls": hidden[0], "last": hidden[-1],
        "weighted_mean": (hidden * weights).sum(0) / weights.sum(),
    }  # fmt: skip
    return pooled[pooling].numpy()


@pytest.mark.parametrize("kind", [*ENCODERS, *DECODERS])
@pytest.mark.parametrize(
    ("pooling", "layer"), [*((one, None) for one in POOLINGS), ("mean", 0), ("last", 1), ("mean", -1)]
)
def test_it_is_what_transformers_computes(
    folders: dict[str, Path], kind: str, pooling: str, layer: int | None
) -> None:
    encoder = Encoder.open(folders[kind], dtype="float32", pooling=pooling, layer=layer)
    expected = np.array([by_hand(folders[kind], text, pooling, layer) for text in TEXTS])
    found = encoder.encode(TEXTS)  # all in one batch, padded
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_it_is_what_sentence_transformers_computes(
    folders: dict[str, Path], tmp_path: Path, kind: str, pooling: str
) -> None:
    theirs = pytest.importorskip("sentence_transformers")
    folder = with_modules(folders[kind], tmp_path, pooling)
    model = theirs.SentenceTransformer(str(folder), device="cpu")
    encoder = Encoder.open(folder, dtype="float32")
    assert (encoder.pooling, encoder.max_tokens, encoder.dimension) == (pooling, 9, 6)
    for prompt in (None, "query", "", "the dog "):
        asked = {"prompt_name": prompt} if prompt == "query" else {"prompt": prompt}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = encoder.encode(TEXTS, prompt=prompt)
        np.testing.assert_allclose(found, model.encode(TEXTS, **asked), atol=1e-5)


def with_modules(source: Path, place: Path, pooling: str, include_prompt: bool = False, **dense: Any) -> Path:
    """A folder as sentence-transformers saves it: a dense layer after pooling, then scaled; two prompts."""
    import shutil

    import torch
    from safetensors.torch import save_file

    folder = place / "sentences"
    shutil.copytree(source, folder)
    config = {"in_features": 16, "out_features": 6, "bias": True}
    families.say(
        folder,
        ("Transformer", {"max_seq_length": 9, "do_lower_case": False}),
        (
            "Pooling",
            {"embedding_dimension": 16, "pooling_mode": THEIRS[pooling], "include_prompt": include_prompt},
        ),
        ("Dense", {**config, "activation_function": "torch.nn.modules.activation.Tanh", **dense}),
        ("Normalize", {}),
        prompts={"query": "a cat on ", "document": ""},
        default_prompt_name="document",
    )
    torch.manual_seed(1)
    layer = torch.nn.Linear(16, 6)
    save_file(
        {f"linear.{name}": weight.detach() for name, weight in layer.named_parameters()},
        folder / "2_Dense" / "model.safetensors",
    )
    return folder


def test_a_dense_layer_and_scaling_follow_pooling(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    folder = with_modules(folders["bert"], tmp_path, "mean")
    weights = load_file(folder / "2_Dense" / "model.safetensors")
    pooled = np.array([by_hand(folders["bert"], text, "mean", None) for text in TEXTS[:5]])
    dense = np.tanh(pooled @ weights["linear.weight"].T + weights["linear.bias"])
    found = Encoder.open(folder, dtype="float32").encode(TEXTS[:5])
    np.testing.assert_allclose(found, dense / np.linalg.norm(dense, axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize(
    ("harm", "error", "words"),
    [
        ({"activation_function": "torch.nn.modules.activation.Softshrink"}, UnsupportedModel, "Softshrink"),
        ({"activation_function": "os.system"}, UnsupportedModel, "system"),
        ({"use_residual": True}, UnsupportedModel, "residual"),
        ({"in_features": 5}, BrokenModel, "dense layer"),
        ({"in_features": "x"}, BrokenModel, "dense layer"),
    ],
)
def test_dense_layers_that_cannot_be_run(
    folders: dict[str, Path], tmp_path: Path, harm: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Encoder.open(with_modules(folders["bert"], tmp_path, "mean", **harm))


def test_prompts_stand_before_texts(folders: dict[str, Path], tmp_path: Path) -> None:
    encoder = Encoder.open(
        with_modules(folders["bert"], tmp_path, "mean", include_prompt=True), dtype="float32"
    )
    assert encoder.prompts == {"query": "a cat on ", "document": ""}
    assert encoder.default_prompt == "document"
    expected = encoder.encode("a cat on rain")
    for prompt in ("query", "a cat on "):
        np.testing.assert_array_equal(encoder.encode("rain", prompt=prompt), expected)
    assert not np.allclose(encoder.encode("rain"), expected)
    with pytest.raises(InvalidData, match="no prompt called 'qury'") as caught:
        encoder.encode("rain", prompt="qury")
    assert "query, document" in caught.value.hint
    with pytest.raises(InvalidData, match="prompt=5 is not text"):
        encoder.encode("rain", prompt=5)


def test_a_default_prompt_is_used(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = with_modules(folders["bert"], tmp_path, "mean", include_prompt=True)
    settings = folder / "config_sentence_transformers.json"
    settings.write_text('{"prompts": {"query": "a cat on "}, "default_prompt_name": "query"}')
    encoder = Encoder.open(folder, dtype="float32")
    np.testing.assert_array_equal(encoder.encode("rain"), encoder.encode("a cat on rain", prompt=""))
    settings.write_text('{"prompts": {"query": "a cat on "}, "default_prompt_name": "other"}')
    with pytest.raises(BrokenModel, match="'other'"):
        Encoder.open(folder)


def test_a_decoder_where_an_encoder_is_needed_says_so(folders: dict[str, Path]) -> None:
    with pytest.warns(UserWarning, match=r"continue texts, not to compare them \(LlamaForCausalLM\)"):
        guessed = open_encoder(folders["llama"], device="cpu")
    assert guessed.pooling == "mean"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_encoder(folders["llama"], device="cpu", pooling="last")
        open_encoder(folders["bert"], device="cpu")
