"""Steps with several states, written one after the other: what each value of the first step is shows in what the step
behind it makes of it, however many orders there are."""
import numpy as np
import pytest

from spelling import Graph, check

B, D, L = 2, 4, 5


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(x, r, first, states, swapped):
    """sLSTM (Beck et al. 2024) in float64."""
    x, r, first, (c, n, h, m) = (np.asarray(a, np.float64) for a in (x, r, first, states))
    out = []
    for t in range(L):
        i, f, z, o = np.split(x[:, t] + h @ (first if t == 0 else r), 4, axis=1)
        decay = np.log(sigmoid(f)) + m
        m = np.maximum(decay, i)
        keep, add = np.exp(decay - m), np.exp(i - m)
        if t == swapped:
            c, n = n, c
        c, n = keep * c + add * np.tanh(z), keep * n + add
        h = sigmoid(o) * c / np.maximum(n, 0.5)
        out.append(h)
    return np.stack(out, 1)


def unrolled(start, flaw=None):
    rng = np.random.default_rng(L)
    x, r = rng.standard_normal((B, L, 4 * D)).astype(np.float32), rng.standard_normal((D, 4 * D)).astype(np.float32)
    first = r[::-1].copy() if flaw == "first" else r
    swapped = 2 if flaw == "swapped" else -1
    states = [np.zeros((B, D), np.float32) for _ in range(4)]
    g = Graph()
    names = [g.input("x", x), g.constant(r)]
    names.append(g.constant(first) if flaw == "first" else names[1])
    if start == "zeros":
        c, n, h, m = [g.ConstantOfShape(g.Concat(g.size(names[0], 0), g.ints(D), axis=0))] * 4
    else:
        states = [rng.uniform(0.5, 1, (B, D)).astype(np.float32) for _ in range(4)]
        c, n, h, m = (g.input(k, s) for k, s in zip("cnhm", states))
    out = []
    for t in range(L):
        gates = g.Add(g.Gather(names[0], np.int64(t), axis=1), g.MatMul(h, names[2 if t == 0 else 1]))
        i, f, z, o = (g.slice(gates, j * D, (j + 1) * D, 1) for j in range(4))
        decay = g.Add(g.Log(g.Sigmoid(f)), m)
        m = g.Max(decay, i)
        keep, add = g.Exp(g.Sub(decay, m)), g.Exp(g.Sub(i, m))
        if t == swapped:
            c, n = n, c
        c = g.Add(g.Mul(keep, c), g.Mul(add, g.Tanh(z)))
        n = g.Add(g.Mul(keep, n), add)
        h = g.Div(g.Mul(g.Sigmoid(o), c), g.Clip(n, np.float32(0.5)))
        out.append(g.Unsqueeze(h, g.ints(1)))
    return g, g.Concat(*out, axis=1), reference(x, r, first, states, swapped)


@pytest.mark.parametrize("start", ["zeros", "inputs"])
def test_states(tmp_path, start):
    g, y, expected = unrolled(start)
    check(tmp_path, g, [y], [expected], ["recurrence"])


@pytest.mark.parametrize("start", ["zeros", "inputs"])
def test_states_that_change_places_are_kept(tmp_path, start):
    g, y, expected = unrolled(start, "swapped")
    check(tmp_path, g, [y], [expected], [])


def test_another_matrix_of_the_first_step_is_kept(tmp_path):
    g, y, expected = unrolled("inputs", "first")
    check(tmp_path, g, [y], [expected], [])
