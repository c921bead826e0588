"""Closed forms with an initial state, and what stands beside one that is none."""
import numpy as np
import pytest

from spelling import Graph, check

B, L, D, N = 2, 7, 3, 4


def drawn(features=D, seed=0):
    rng = np.random.default_rng(seed)
    g = -rng.uniform(0.05, 0.6, (B, L, features, N)).astype(np.float32)
    return g, *(rng.standard_normal(s).astype(np.float32) for s in ((B, L, features, N), (B, features, N), (B, L, N), (B, L, 1, 1)))


def states(g, u, initial):
    h, out = initial.astype(np.float64), []
    for t in range(u.shape[1]):
        h = np.exp(g[:, t].astype(np.float64)) * h + u[:, t]
        out.append(h)
    return np.stack(out, 1)


class Closed:
    def __init__(self, features=D):
        self.values = drawn(features)
        self.g = g = Graph()
        self.decay, self.u, self.h, self.c, self.w = (g.input(n, v) for n, v in zip(("decay", "u", "h", "c", "w"), self.values))
        self.e = g.Exp(g.CumSum(self.decay, np.int64(1)))
        self.first = g.Unsqueeze(self.h, g.ints(1))

    def sum(self, scale=1.0):
        u = self.u if scale == 1 else self.g.Mul(self.u, np.float32(scale))
        return self.g.CumSum(self.g.Div(u, self.e), np.int64(1))

    def read(self, states):
        return self.g.Einsum(states, self.c, equation="bldn,bln->bld")

    def expected(self, initial=1.0, inputs=1.0, outputs=1.0):
        g, u, h, c, _ = self.values
        return outputs * np.einsum("bldn,bln->bld", states(g, inputs * u.astype(np.float64), initial * h), c)


@pytest.mark.parametrize("inside, outside", [(1, 1), (2.5, 1), (1, -0.5), (2.5, -0.5)])
@pytest.mark.parametrize("factored", [True, False])
def test_scaled(tmp_path, factored, inside, outside):
    f = Closed()
    g = f.g
    if factored:
        h = g.Mul(f.e, g.Add(f.sum(inside), f.first))
    else:
        h = g.Add(g.Mul(f.e, f.sum(inside)), g.Mul(f.e, f.first))
    h = h if outside == 1 else g.Mul(h, np.float32(outside))
    check(tmp_path, g, [f.read(h)], [f.expected(inputs=inside, outputs=outside)], ["selective_scan"])


def test_without_decay(tmp_path):
    f = Closed()
    f.values = (0 * f.values[0], *f.values[1:])
    h = f.g.Add(f.g.CumSum(f.u, np.int64(1)), f.first)
    check(tmp_path, f.g, [f.read(h)], [f.expected()], ["selective_scan"])


def test_sum_alone_is_gated(tmp_path):
    f = Closed()
    g = f.g
    h = g.Add(g.Mul(f.w, g.Mul(f.e, f.sum())), g.Mul(f.e, f.first))
    decay, u, first, c, w = f.values
    gated = w * states(decay, u, 0 * first) + states(decay, 0 * u, first)
    check(tmp_path, g, [f.read(h)], [np.einsum("bldn,bln->bld", gated, c)], ["selective_scan"])


def test_sum_alone_decays_more(tmp_path):
    f = Closed()
    g = f.g
    h = g.Add(g.Mul(g.Exp(g.Add(g.CumSum(f.decay, np.int64(1)), f.w)), f.sum()), g.Mul(f.e, f.first))
    decay, u, first, c, w = f.values
    gated = np.exp(w) * states(decay, u, 0 * first) + states(decay, 0 * u, first)
    check(tmp_path, g, [f.read(h)], [np.einsum("bldn,bln->bld", gated, c)], ["selective_scan"])


def test_initial_state_without_decay(tmp_path):
    f = Closed()
    h = f.g.Add(f.g.Mul(f.e, f.sum()), f.first)
    decay, u, first, c, _ = f.values
    expected = np.einsum("bldn,bln->bld", states(decay, u, 0 * first) + first[:, None], c)
    check(tmp_path, f.g, [f.read(h)], [expected], ["selective_scan"])


@pytest.mark.parametrize("features", [1, D])
def test_mask(tmp_path, features):
    """A constant mask over times only, beside features of any number."""
    f = Closed(features)
    g = f.g
    cs = g.CumSum(f.decay, np.int64(1))
    between = g.Sub(g.Unsqueeze(cs, g.ints(2)), g.Unsqueeze(cs, g.ints(1)))
    mask = np.tril(np.ones((L, L), bool)).reshape(L, L, 1, 1)
    kernel = g.Exp(g.Where(mask, between, np.float32(-np.inf)))
    h = g.ReduceSum(g.Mul(kernel, g.Unsqueeze(f.u, g.ints(1))), g.ints(2), keepdims=0)
    h = g.Add(h, g.Mul(f.e, f.first))
    check(tmp_path, g, [f.read(h)], [f.expected()], ["selective_scan"])


def test_reversed_outer_product(tmp_path):
    """The input is a product that an Einsum writes, and reversed as a whole."""
    f = Closed()
    g = f.g
    decay, _, _, c, _ = f.values
    x = np.random.default_rng(3).standard_normal((B, L, D)).astype(np.float32)
    back = lambda v: g.slice(v, -1, -(2**31), 1, -1)
    u = back(g.Einsum(g.input("x", x), f.c, equation="bld,bln->bldn"))
    cs = g.CumSum(back(f.decay), np.int64(1))
    between = g.Sub(g.Unsqueeze(cs, g.ints(2)), g.Unsqueeze(cs, g.ints(1)))
    mask = np.tril(np.ones((L, L), bool)).reshape(L, L, 1, 1)
    kernel = g.Exp(g.Where(mask, between, np.float32(-np.inf)))
    h = back(g.ReduceSum(g.Mul(kernel, g.Unsqueeze(u, g.ints(1))), g.ints(2), keepdims=0))
    h64 = states(decay[:, ::-1], np.einsum("bld,bln->bldn", x, c)[:, ::-1], np.zeros((B, D, N)))[:, ::-1]
    check(tmp_path, g, [f.read(h)], [np.einsum("bldn,bln->bld", h64, c)], ["selective_scan"])
