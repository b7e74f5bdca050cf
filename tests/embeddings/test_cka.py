"""CKA is what its definition says, and blind to what it should not see."""

from __future__ import annotations

import numpy as np
import pytest

from influence_nb.embeddings import cka as module
from influence_nb.embeddings.cka import cka
from influence_nb.embeddings.encode import Encoder
from influence_nb.embeddings.layers import layer_similarity
from influence_nb.errors import InvalidData

rng = np.random.default_rng(0)


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with the centring matrix, Kornblith et al. 2019."""
    n = len(x)
    h = np.eye(n) - 1 / n

    def hsic(k: np.ndarray, other: np.ndarray) -> float:
        return float(np.trace(k @ h @ other @ h))

    k, other = x @ x.T, y @ y.T
    return hsic(k, other) / np.sqrt(hsic(k, k) * hsic(other, other))


def debiased_by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """The same with the estimator of Song et al. 2012, equation 5."""
    n = len(x)
    one = np.ones(n)

    def hsic(k: np.ndarray, other: np.ndarray) -> float:
        k, other = k - np.diag(k.diagonal()), other - np.diag(other.diagonal())
        both = np.trace(k @ other) + (one @ k @ one) * (one @ other @ one) / ((n - 1) * (n - 2))
        return float((both - 2 / (n - 2) * one @ k @ other @ one) / (n * (n - 3)))

    k, other = x @ x.T, y @ y.T
    return hsic(k, other) / np.sqrt(hsic(k, k) * hsic(other, other))


@pytest.mark.parametrize("at_once", [1, 100, 2**24])
def test_it_is_the_definition(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(module, "_NUMBERS", at_once)
    x = rng.normal(2, 1, (9, 4))
    y = x @ rng.normal(size=(4, 6)) + rng.normal(size=(9, 6))
    assert cka(x, y, debiased=False)[0, 0] == pytest.approx(by_definition(x, y), abs=1e-12)
    assert cka(x, y)[0, 0] == pytest.approx(debiased_by_definition(x, y), abs=1e-12)


def test_a_case_worked_by_hand() -> None:
    # Around their means: x = (-1, -1, 1, 1), y = (-1, 1, -1, 1) and z = (-1, -1, -1, 3).
    x, y, z = np.array([[0, 0, 2, 2], [0, 2, 0, 2], [0, 0, 0, 4]], float)[:, :, None]
    assert cka(x, y, debiased=False)[0, 0] == pytest.approx(0)
    assert cka(x, z, debiased=False)[0, 0] == pytest.approx(4**2 / (4 * 12))


@pytest.mark.parametrize("debiased", [True, False])
def test_turns_scales_and_shifts_do_not_matter(debiased: bool) -> None:
    x, y = rng.normal(size=(30, 8)), rng.normal(size=(30, 5))
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    before = cka(x, y, debiased)[0, 0]
    assert cka(7 * x @ turn + 3, y, debiased)[0, 0] == pytest.approx(before, abs=1e-10)
    assert cka(x, 7 * x @ turn + 3, debiased)[0, 0] == pytest.approx(1)
    assert cka(x * [9, 1, 1, 1, 1, 1, 1, 1], x, debiased)[0, 0] < 0.9  # but which direction is long does


def test_by_chance_only_the_debiased_one_is_near_zero() -> None:
    x, y = rng.normal(size=(20, 400)), rng.normal(size=(20, 400))
    assert cka(x, y, debiased=False)[0, 0] > 0.8
    assert abs(cka(x, y)[0, 0]) < 0.1


def test_layers_against_layers_and_a_layer_without_differences() -> None:
    layers, others = rng.normal(size=(3, 12, 5)).astype(np.float32), rng.normal(size=(2, 12, 7))
    layers[1] = 0.1  # one vector for all texts
    both = cka(layers, others)
    assert both.shape == (3, 2)
    assert np.isnan(both[1]).all()
    assert both[2, 1] == pytest.approx(cka(layers[2], others[1])[0, 0])
    itself = cka(layers)
    np.testing.assert_allclose(itself[[0, 2], [0, 2]], 1)
    np.testing.assert_allclose(itself, itself.T)


def test_what_it_refuses() -> None:
    x = rng.normal(size=(6, 3))
    with pytest.raises(InvalidData, match="6 texts and the other 5"):
        cka(x, x[:5])
    with pytest.raises(InvalidData, match="by 3 texts"):
        cka(x[:3])
    with pytest.raises(InvalidData, match="no layers"):
        cka(x[0])
    with pytest.raises(InvalidData, match="debiased"):
        cka(x, debiased="yes")


@pytest.mark.starter
def test_the_layers_of_the_starter(starter: Encoder) -> None:
    texts = [
        f"{who} {what}"
        for who in ("The cat", "My bank", "A python", "Rain")
        for what in ("sat", "fell", "ran")
    ]
    found = layer_similarity(starter, texts)
    assert found.cka.shape == (7, 7)
    frame = found.to_frame()
    assert frame.index.name == frame.columns.name == "layer"
    np.testing.assert_allclose(np.diag(frame), 1)
    assert frame.loc[0, 1] > frame.loc[0, 6]
    axes = found.plot(mark=3).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [str(i) for i in range(7)]
    assert axes.get_ylabel() == "layer of starter/embedding"
    assert found._repr_html_().count("<img") == 1
    with pytest.raises(InvalidData, match="mark=7"):
        found.plot(mark=7)
    plain = layer_similarity(starter, texts, other=starter, debiased=False)
    assert plain.cka[0, 6] > found.cka[0, 6]
