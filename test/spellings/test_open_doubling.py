"""Hillis-Steele doubling with a fixed number of stages over a length that is known at run time only: the recurrence up to
2^stages steps, and a sum over the last 2^stages beyond, which is what the graph says."""
import numpy as np
import pytest

from spelling import Compiled, Graph

B, D, STAGES = 2, 3, 4
REACH = 1 << STAGES


def delayed(g, x, by, fill):
    """x `by` steps later behind as many elements of `fill`, no longer than x."""
    head = g.Mul(g.slice(x, 0, by, 1), np.float32(0))
    return g.Concat(g.Add(head, np.float32(fill)), g.slice(x, 0, -by, 1), axis=1)


def scan(g, a, u):
    """Real and imaginary parts, or one part."""
    for stage in range(STAGES):
        by = 1 << stage
        before = [delayed(g, p, by, 0) for p in u]
        decay = [delayed(g, p, by, 1 - k) for k, p in enumerate(a)]
        u = [g.Add(p, q) for p, q in zip(u, times(g, a, before))]
        a = times(g, a, decay)
    return u


def times(g, a, b):
    if len(a) == 1:
        return [g.Mul(a[0], b[0])]
    return [g.Sub(g.Mul(a[0], b[0]), g.Mul(a[1], b[1])), g.Add(g.Mul(a[0], b[1]), g.Mul(a[1], b[0]))]


def expected(a, u):
    h = np.zeros_like(u)
    for t in range(u.shape[1]):
        for s in range(max(0, t - REACH + 1), t + 1):
            h[:, t] += np.prod(a[:, s + 1:t + 1], axis=1) * u[:, s]
    return h


@pytest.mark.parametrize("parts", [1, 2])
def test_lengths(tmp_path, parts):
    g = Graph()
    dims = ["batch", "length", D]
    sample = np.zeros((B, 2, D), np.float32)
    a = [g.input(f"a{k}", sample, dims) for k in range(parts)]
    u = [g.input(f"u{k}", sample, dims) for k in range(parts)]
    outputs = scan(g, a, u)
    model = Compiled(tmp_path, g, outputs, ["--verify-raise"])
    assert model.raised == ["selective_scan"], model.missed
    rng = np.random.default_rng(parts)
    for length in (1, 2, 5, REACH - 1, REACH, REACH + 1, 40):
        values = [rng.uniform(-0.9, 0.9, (B, length, D)).astype(np.float32) for _ in range(2 * parts)]
        got = model(dict(zip(a + u, values)))
        joined = [sum(np.float64(v) * (1, 1j)[k] for k, v in enumerate(values[n:n + parts])) for n in (0, parts)]
        h = expected(*joined)
        for value, part in zip(got, (np.real(h), np.imag(h))):
            np.testing.assert_allclose(value, part, atol=2e-5, rtol=2e-4)


def test_few_stages(tmp_path):
    """A sum over four steps is a convolution rather than a recurrence over four."""
    g = Graph()
    dims = ["batch", "length", D]
    a, u = (g.input(n, np.zeros((B, 2, D), np.float32), dims) for n in "au")
    y, decay = u, a
    for by in (1, 2):
        y = g.Add(y, g.Mul(decay, delayed(g, y, by, 0)))
        decay = g.Mul(decay, delayed(g, decay, by, 1))
    assert Compiled(tmp_path, g, [y]).raised == []


def test_read_out(tmp_path):
    """Only a sum over the states and the last one are read; the choice is between these."""
    g = Graph()
    a, u, c = (g.input(n, np.zeros((B, 2, D), np.float32), ["batch", "length", D]) for n in "auc")
    h, = scan(g, [a], [u])
    last = g.slice(h, -1, np.iinfo(np.int64).max, 1)
    outputs = [g.ReduceSum(g.Mul(h, c), g.ints(2), keepdims=0), last]
    model = Compiled(tmp_path, g, outputs, ["--verify-raise"])
    assert model.raised == ["selective_scan"], model.missed
    rng = np.random.default_rng(0)
    for length in (1, REACH, 40):
        values = [rng.uniform(-0.9, 0.9, (B, length, D)).astype(np.float32) for _ in range(3)]
        states = expected(*(v.astype(np.float64) for v in values[:2]))
        for got, want in zip(model(dict(zip("auc", values))), ((states * values[2]).sum(2), states[:, -1:])):
            np.testing.assert_allclose(got, want, atol=2e-5, rtol=2e-4)
