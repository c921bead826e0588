"""Decay matrices spelled without a cumulative sum: the sums behind them are recurrences."""
import numpy as np
import pytest

from spelling import Graph, check

B, H, K, V = 2, 3, 4, 5


def inputs(length):
    rng = np.random.default_rng(length)
    arrays = [rng.standard_normal((B, H, length, d)).astype(np.float32) for d in (K, K, V)]
    g = Graph()
    return g, [g.input(n, x, [B, H, "length", x.shape[3]]) for n, x in zip("qkv", arrays)], arrays, rng


def scores(g, names):
    return g.MatMul(names[0], g.Transpose(names[1], perm=[0, 1, 3, 2]))


def expected(arrays, decay):
    q, k, v = (x.astype(np.float64) for x in arrays)
    return np.tril(q @ k.swapaxes(2, 3) * decay) @ v


@pytest.mark.parametrize("length", [1, 3, 70])
@pytest.mark.parametrize("slopes", [(-0.5, -0.01, -2), (-0.1, 0, -0.1)])
def test_infinite_distance(tmp_path, length, slopes):
    """As in RetNet: infinity outside of the mask, zero for what is no number."""
    g, names, arrays, _ = inputs(length)
    size = g.size(names[0], 2)
    place = g.Cast(g.Range(np.int64(0), g.Squeeze(size, g.ints(0)), np.int64(1)), to=1)
    distance = g.Sub(g.Unsqueeze(place, g.ints(1)), g.Unsqueeze(place, g.ints(0)))
    ones = g.Trilu(g.Expand(np.float32(1), g.Concat(size, size, axis=0)), upper=0)
    distance = g.Where(g.Equal(ones, np.float32(0)), np.float32(np.inf), distance)
    power = g.Exp(g.Mul(distance, np.array(slopes, np.float32).reshape(H, 1, 1)))
    infinite = g.IsInf(power)
    decay = g.Where(g.IsNaN(power), np.float32(0), power)
    decay = g.Where(g.And(g.Less(power, np.float32(0)), infinite), np.float32(-3e38), decay)
    decay = g.Where(g.And(g.Greater(power, np.float32(0)), infinite), np.float32(3e38), decay)
    y = g.MatMul(g.Mul(scores(g, names), decay), names[2])
    t = np.arange(length)
    table = np.exp(np.array(slopes).reshape(H, 1, 1) * np.maximum(t[:, None] - t, 0))
    check(tmp_path, g, [y], [expected(arrays, table)], ["semiseparable"])


@pytest.mark.parametrize("length", [1, 3, 70])
def test_any_difference(tmp_path, length):
    """The same value at t and at s, computed by whatever the graph likes."""
    g, names, arrays, rng = inputs(length)
    steps = (100 - rng.uniform(0, 1, (B, H, length))).astype(np.float32)
    total = g.Mul(g.input("f", steps, [B, H, "length"]), np.float32(2))
    difference = g.Sub(g.Unsqueeze(total, g.ints(3)), g.Unsqueeze(total, g.ints(2)))
    y = g.MatMul(g.Trilu(g.Mul(scores(g, names), g.Exp(difference)), upper=0), names[2])
    f = 2 * steps.astype(np.float64)
    check(tmp_path, g, [y], [expected(arrays, np.exp(f[..., :, None] - f[..., None, :]))], ["semiseparable"], atol=1e-4)


@pytest.mark.parametrize("slopes", [None, (-0.5, 0, -2)])
@pytest.mark.parametrize("length", [1, 3, 70])
def test_absolute_sum(tmp_path, length, slopes):
    """A retention divided by the sum of its absolute weights: no matrix of all pairs of times is made for it."""
    g, names, arrays, _ = inputs(length)
    weights, table = scores(g, names), 1
    if slopes:
        size = g.size(names[0], 2)
        place = g.Cast(g.Range(np.int64(0), g.Squeeze(size, g.ints(0)), np.int64(1)), to=1)
        distance = g.Sub(g.Unsqueeze(place, g.ints(1)), g.Unsqueeze(place, g.ints(0)))
        weights = g.Mul(weights, g.Exp(g.Mul(distance, np.array(slopes, np.float32).reshape(H, 1, 1))))
        t = np.arange(length)
        table = np.exp(np.array(slopes).reshape(H, 1, 1) * np.maximum(t[:, None] - t, 0))
    weights = g.Trilu(weights, upper=0)
    total = g.ReduceSum(g.Abs(weights), g.ints(3), keepdims=1)
    y = g.MatMul(g.Div(weights, g.Max(total, np.float32(1))), names[2])
    q, k, _ = (x.astype(np.float64) for x in arrays)
    sums = np.abs(np.tril(q @ k.swapaxes(2, 3) * table)).sum(3, keepdims=True)
    check(tmp_path, g, [y, total], [expected(arrays, table) / np.maximum(sums, 1), sums], ["attention", "semiseparable"])


def test_absolute_sum_of_all(tmp_path):
    """Without a mask it is no sum over the past."""
    g, names, arrays, _ = inputs(5)
    total = g.ReduceSum(g.Abs(scores(g, names)), g.ints(3), keepdims=1)
    q, k, _ = (x.astype(np.float64) for x in arrays)
    check(tmp_path, g, [total], [np.abs(q @ k.swapaxes(2, 3)).sum(3, keepdims=True)], [])
