"""Exponential input gates under a running maximum (mLSTM, Beck et al. 2024, in its parallel form) are one operation that keeps
its own maximum: gates too large for an exponential give finite numbers."""
import numpy as np
import pytest

from spelling import Graph, check

B, H, K, V = 2, 3, 4, 6


def reference(q, k, v, i, f):
    """The recurrence in float64, one step after the other."""
    q, k, v, i, f = (np.asarray(x, np.float64) for x in (q, k, v, i, f))
    c, n, m = np.zeros((B, H, K, V)), np.zeros((B, H, K)), np.full((B, H), -np.inf)
    result = np.zeros(v.shape)
    for t in range(q.shape[2]):
        decay = -np.logaddexp(0, -f[:, :, t])
        top = np.maximum(decay + m, i[:, :, t])
        a, g = np.exp(decay + m - top), np.exp(i[:, :, t] - top)
        c = a[..., None, None] * c + g[..., None, None] * k[:, :, t, :, None] * v[:, :, t, None, :]
        n, m = a[..., None] * n + g[..., None] * k[:, :, t], top
        read = np.einsum("bhkv,bhk->bhv", c, q[:, :, t])
        result[:, :, t] = read / np.maximum(np.abs(np.einsum("bhk,bhk->bh", n, q[:, :, t])), np.exp(-m))[..., None]
    return result


def parallel(length, offset, bias=None):
    rng = np.random.default_rng(length)
    # Positive queries and keys: the normaliser does not cancel, so that the result is as exact as its terms.
    q, k = (rng.uniform(0.2, 1, (B, H, length, K)).astype(np.float32) for _ in range(2))
    v = rng.standard_normal((B, H, length, V)).astype(np.float32)
    i, f = (rng.standard_normal((B, H, length)).astype(np.float32) for _ in range(2))
    i += np.float32(offset)
    g = Graph()
    names = [g.input(n, x) for n, x in zip("qkvif", (q, k, v, i, f))]
    if bias is not None:
        names[3] = g.Add(names[3], bias)
        i = i + bias
    total = g.CumSum(g.Neg(g.Softplus(g.Neg(names[4]))), np.int64(2))
    score = g.Add(g.Sub(g.Unsqueeze(total, g.ints(3)), g.Unsqueeze(total, g.ints(2))), g.Unsqueeze(names[3], g.ints(2)))
    mask = np.tril(np.ones((length, length), bool))
    score = g.Where(mask, score, np.float32(-np.inf))
    top = g.ReduceMax(score, g.ints(3), keepdims=1)
    weights = g.Mul(g.MatMul(names[0], g.Transpose(names[1], perm=[0, 1, 3, 2])), g.Exp(g.Sub(score, top)))
    normaliser = g.Max(g.Abs(g.ReduceSum(weights, g.ints(3), keepdims=1)), g.Exp(g.Neg(top)))
    return g, g.Div(g.MatMul(weights, names[2]), normaliser), reference(q, k, v, i, f)


@pytest.mark.parametrize("offset", [0, 100, -60])
@pytest.mark.parametrize("length", [2, 5, 70])
def test_parallel(tmp_path, length, offset):
    g, y, expected = parallel(length, offset)
    check(tmp_path, g, [y], [expected], ["semiseparable"])


def test_bias(tmp_path):
    """A part of the gate that knows no time."""
    g, y, expected = parallel(70, 0, np.array([20, -90, 100], np.float32).reshape(H, 1))
    check(tmp_path, g, [y], [expected], ["semiseparable"])
