"""Recurrences that go on where another one ended, and some that only nearly do."""
import numpy as np
import pytest
from onnx import TensorProto, helper

from spelling import Graph, check

B, D = 2, 3
CHUNKS = (4, 4, 3)


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    shape = (B, sum(CHUNKS), D)
    return -rng.uniform(0.05, 0.6, shape).astype(np.float32), rng.standard_normal(shape).astype(np.float32), rng.standard_normal((B, D)).astype(np.float32)


def states(decay, u, h):
    out = []
    for t in range(u.shape[1]):
        h = np.exp(decay[:, t].astype(np.float64)) * h + u[:, t]
        out.append(h)
    return np.stack(out, 1)


def scan(g, decay, u, h):
    """One Scan over axis 1: all states, and the last."""
    inner = Graph()
    inner.count = 1000 * (1 + g.count)
    next_state = inner.Add(inner.Mul(inner.Exp("d_in"), "h_in"), "u_in")
    copy = inner.Identity(next_state)
    info = lambda n: helper.make_tensor_value_info(n, TensorProto.FLOAT, None)
    body = helper.make_graph(inner.nodes, "step", [info(n) for n in ("h_in", "d_in", "u_in")], [info(next_state), info(copy)])
    last, every = g.node("Scan", [h, decay, u], 2, body=body, num_scan_inputs=2, scan_input_axes=[1, 1], scan_output_axes=[1])
    return every, last


def closed(g, decay, u, h):
    """The same by cumulative sums."""
    e = g.Exp(g.CumSum(decay, np.int64(1)))
    every = g.Mul(e, g.Add(g.CumSum(g.Div(u, e), np.int64(1)), g.Unsqueeze(h, g.ints(1))))
    return every, g.Gather(every, np.int64(-1), axis=1)


def chunks(g, piece, decay, u, h, between=lambda g, k, h, u, y: (h, u)):
    start, out = 0, []
    for k, size in enumerate(CHUNKS):
        part = lambda x: g.slice(x, start, start + size, 1)
        inputs = part(u)
        if k:
            h, inputs = between(g, k, h, inputs, out[-1])
        y, h = piece(g, part(decay), inputs, h)
        out.append(y)
        start += size
    return g.Concat(*out, axis=1), h


@pytest.mark.parametrize("batch, features", [(B, D), (1, D), (B, 1), (1, 1)])
@pytest.mark.parametrize("first", [scan, closed])
def test_chunks_are_joined(tmp_path, first, batch, features):
    values = [v[:batch, ..., :features] for v in drawn()]
    g = Graph()
    y, last = chunks(g, first, *(g.input(n, v) for n, v in zip("duh", values)))
    expected = states(*values)
    check(tmp_path, g, [y, last], [expected, expected[:, -1]], ["selective_scan"])


def test_stacked_chunks_are_joined(tmp_path):
    """Chunks of one size, cut by Reshape and Gather and stacked again."""
    decay, u, h = (v[:, :8] if v.ndim == 3 else v for v in drawn())
    g = Graph()
    cut = [g.Reshape(g.input(n, v), g.ints(B, 2, 4, D)) for n, v in (("d", decay), ("u", u))]
    state, out = g.input("h", h), []
    for k in range(2):
        y, state = closed(g, *(g.Gather(c, np.int64(k), axis=1) for c in cut), state)
        out.append(g.Unsqueeze(y, g.ints(1)))
    y = g.Reshape(g.Concat(*out, axis=1), g.ints(B, 8, D))
    check(tmp_path, g, [y], [states(decay, u, h)], ["selective_scan"])


def test_state_changes_in_between(tmp_path):
    decay, u, h = values = drawn()
    g = Graph()
    halved = lambda g, k, h, u, y: (g.Mul(h, np.float32(0.5)), u) if k == 1 else (h, u)
    y, _ = chunks(g, closed, *(g.input(n, v) for n, v in zip("duh", values)), halved)
    first = states(decay[:, :4], u[:, :4], h)
    rest = states(decay[:, 4:], u[:, 4:], 0.5 * first[:, -1])
    check(tmp_path, g, [y], [np.concatenate([first, rest], 1)], ["selective_scan", "selective_scan"])


def test_inputs_depend_on_earlier_outputs(tmp_path):
    decay, u, h = values = drawn()
    g = Graph()
    fed = lambda g, k, h, u, y: (h, g.Add(u, g.Tanh(g.slice(y, 0, CHUNKS[k], 1))))
    y, _ = chunks(g, closed, *(g.input(n, v) for n, v in zip("duh", values)), fed)
    expected, start = [], 0
    for k, size in enumerate(CHUNKS):
        inputs = u[:, start : start + size].astype(np.float64)
        inputs = inputs + np.tanh(expected[-1][:, :size]) if k else inputs
        expected.append(states(decay[:, start : start + size], inputs, h))
        h, start = expected[-1][:, -1], start + size
    check(tmp_path, g, [y], [np.concatenate(expected, 1)], ["selective_scan"] * 3)


def test_two_go_on_from_one(tmp_path):
    decay, u, h = values = drawn()
    g = Graph()
    d, x, s = (g.input(n, v) for n, v in zip("duh", values))
    part = lambda v, a, e: g.slice(v, a, e, 1)
    one, state = closed(g, part(d, 0, 4), part(x, 0, 4), s)
    two, _ = closed(g, part(d, 4, 8), part(x, 4, 8), state)
    three, _ = closed(g, part(d, 8, 11), part(x, 8, 11), state)
    a = states(decay[:, :4], u[:, :4], h)
    expected = [a, states(decay[:, 4:8], u[:, 4:8], a[:, -1]), states(decay[:, 8:], u[:, 8:], a[:, -1])]
    check(tmp_path, g, [one, two, three], expected, ["selective_scan"] * 3)
