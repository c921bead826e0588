"""Parallel scans of which the states and the last of them are read in different ways."""
import numpy as np
import pytest

from spelling import Graph, check

B, L, D = 2, 9, 3


def doubled(g, a, b):
    """Each stage keeps what is before its shift and joins the rest behind it."""
    shift = 1
    while shift < L:
        tail, head = lambda x: g.slice(x, shift, 2**62, 1), lambda x: g.slice(x, 0, shift, 1)
        before = lambda x: g.slice(x, 0, -shift, 1)
        b = g.Concat(head(b), g.Add(g.Mul(tail(a), before(b)), tail(b)), axis=1)
        a = g.Concat(head(a), g.Mul(tail(a), before(a)), axis=1)
        shift *= 2
    return b


@pytest.mark.parametrize("moved", ["reversed", "transposed", "as it is"])
def test_last_state_is_read_too(tmp_path, moved):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.2, 0.95, (B, L, D)).astype(np.float32), rng.standard_normal((B, L, D)).astype(np.float32)
    g = Graph()
    states = doubled(g, g.input("a", a), g.input("b", b))
    h, expected = np.zeros((B, D)), []
    for t in range(L):
        h = a[:, t].astype(np.float64) * h + b[:, t]
        expected.append(h)
    y, want = states, np.stack(expected, 1)
    if moved == "reversed":
        y, want = g.slice(y, -1, -(2**31), 1, -1), want[:, ::-1]
    elif moved == "transposed":
        y, want = g.Transpose(y, perm=[1, 0, 2]), want.transpose(1, 0, 2)
    check(tmp_path, g, [g.Mul(y, np.float32(2)), g.Gather(states, np.int64(-1), axis=1)], [2 * want, h], ["selective_scan"])
