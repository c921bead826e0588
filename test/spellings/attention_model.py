"""What spellings of attention share: the graph's inputs, attention in float64, tables of spellings."""
import numpy as np
import pytest

from spelling import Graph, check

B, H, L, S, E, F = 2, 4, 5, 7, 8, 6
INF = np.float32(-np.inf)


def rng(seed=0):
    return np.random.default_rng(seed)


def draw(*shape, seed=0):
    return rng(seed).standard_normal(shape).astype(np.float32)


def softmax(s):
    with np.errstate(all="ignore"):
        e = np.exp(s - s.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)


def attention(q, k, v, scale=None, add=0.0, change=lambda s: s):
    """In float64; `add` after the scale, `change` of all scores last."""
    q, k, v = (a.astype(np.float64) for a in (q, k, v))
    scale = 1 / np.sqrt(q.shape[-1]) if scale is None else scale
    p = softmax(change(q @ k.swapaxes(-1, -2) * scale + add))
    return p @ v, p


class Model:
    """q (B, H, L, E), k (B, H, S, E) and v (B, H, S, F) as inputs of a graph."""

    def __init__(self, heads=H, shared=None, length=L, keys=S, opset=21, dims=True):
        self.g = Graph(opset)
        shared = shared or heads
        self.q, self.k, self.v = draw(B, heads, length, E, seed=1), draw(B, shared, keys, E, seed=2), draw(B, shared, keys, F, seed=3)
        name = lambda d, size: d if dims else size
        self.names = [self.g.input("q", self.q, [name("B", B), heads, name("L", length), E]),
                      self.g.input("k", self.k, [name("B", B), shared, name("S", keys), E]),
                      self.g.input("v", self.v, [name("B", B), shared, name("S", keys), F])]

    def scores(self, scale=True):
        q, k, _ = self.names
        s = self.g.MatMul(q, self.g.Transpose(k, perm=[0, 1, 3, 2]))
        return self.g.Mul(s, np.float32(1 / np.sqrt(E))) if scale else s

    def finish(self, scores):
        return self.g.MatMul(self.g.Softmax(scores, axis=-1), self.names[2])


def table():
    """A dictionary of spellings, and what adds one."""
    found = {}

    def add(f):
        assert f.__name__ not in found
        found[f.__name__] = f
        return f
    return found, add


def positions(g, m, dims):
    """i as a column, j as a row, of integers."""
    q, k, _ = m.names
    i = g.Range(np.int64(0), g.Squeeze(g.size(q, 2), g.ints(0)), np.int64(1))
    j = g.Range(np.int64(0), g.Squeeze(g.size(k, 2), g.ints(0)), np.int64(1))
    return g.Unsqueeze(i, g.ints(1)), g.Unsqueeze(j, g.ints(0))


def masked(keep):
    return lambda s: np.where(keep, s, -np.inf)


I, J = np.arange(L)[:, None], np.arange(S)[None]


def each(found, raised):
    """A test of every spelling, of any sizes and of fixed ones: each gives a graph, its outputs and what they are."""
    @pytest.mark.parametrize("dims", [True, False], ids=["any", "fixed"])
    @pytest.mark.parametrize("name", found)
    def test(tmp_path, name, dims):
        g, outputs, expected = found[name](dims)
        check(tmp_path, g, outputs, expected, raised)
    return test
