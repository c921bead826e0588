"""Products with constant matrices: convolutions of few taps, of as many as there are times, decays, and none."""
import numpy as np
import pytest

from spelling import Compiled, Graph, check

B, D, L = 2, 3, 12


def toeplitz(taps, length=L):
    m = np.zeros((D, length, length), np.float32)
    for t in range(length):
        for s in range(max(0, t + 1 - taps.shape[1]), t + 1):
            m[:, t, s] = taps[:, t - s]
    return m


def build(matrix, seed=0):
    g = Graph()
    x = np.random.default_rng(seed).standard_normal((B, D, matrix.shape[-1])).astype(np.float32)
    y = g.Squeeze(g.MatMul(matrix, g.Unsqueeze(g.input("x", x), g.ints(3))), g.ints(3))
    return g, y, np.einsum("dts,bds->bdt", matrix.astype(np.float64), x)


def drawn(taps):
    return np.random.default_rng(1).standard_normal((D, taps)).astype(np.float32)


@pytest.mark.parametrize("taps, raised", [(2, "causal_conv"), (4, "causal_conv"), (L - 1, "causal_conv"), (L, "long_conv")])
def test_convolution(tmp_path, taps, raised):
    g, y, expected = build(toeplitz(drawn(taps)))
    check(tmp_path, g, [y], [expected], [raised])


def test_decay_is_no_convolution(tmp_path):
    g, y, expected = build(toeplitz(np.array([[2.0], [1.0], [0.5]]) * np.array([[0.9], [0.5], [1.0]]) ** np.arange(L)))
    compiled = Compiled(tmp_path, g, [y])
    assert "long_conv" not in compiled.raised and "causal_conv" not in compiled.raised
    np.testing.assert_allclose(compiled({n: x for _, n, x in g.inputs})[0], expected, atol=2e-5, rtol=2e-4)


@pytest.mark.parametrize("place", [(1, 5, 3), (0, 3, 7), (2, 11, 0)])
def test_one_element_is_another(tmp_path, place):
    matrix = toeplitz(drawn(4))
    matrix[place] += 0.25
    g, y, expected = build(matrix)
    check(tmp_path, g, [y], [expected], [])


def test_kernel_as_long_as_the_sequence(tmp_path):
    g = Graph()
    x, w = np.random.default_rng(2).standard_normal((B, D, L)).astype(np.float32), drawn(L)
    y = g.Conv(g.input("x", x), w[:, None, ::-1].copy(), group=D, pads=[L - 1, 0])
    check(tmp_path, g, [y], [np.einsum("dts,bds->bdt", toeplitz(w).astype(np.float64), x)], ["long_conv"])
