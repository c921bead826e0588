"""Matrix-valued states written step by step or chunk by chunk, and steps of which one is another."""
import numpy as np
import pytest
from onnx import TensorProto, helper

from spelling import Graph, check

B, H, K, V = 2, 3, 4, 5


def drawn(steps, *widths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((B, steps, H, w)).astype(np.float32) for w in widths]


def erasing(q, k, v, decay, erase, write, odd=None):
    """S = diag(exp(decay)) S + write (erase^T S) + k v^T, read by q; at step `odd` nothing is erased."""
    S, out = np.zeros((B, H, K, V)), []
    for t in range(q.shape[1]):
        seen = np.einsum("bhkv,bhk->bhv", S, erase[:, t]) * (t != odd)
        S = np.exp(decay[:, t, ..., None]) * S + write[:, t, ..., None] * seen[:, :, None] + k[:, t, ..., None] * v[:, t, :, None]
        out.append(np.einsum("bhkv,bhk->bhv", S, q[:, t]))
    return np.stack(out, 1)


def two_additions(g, names, steps, odd=None):
    """A step adds twice to the state, which two operators of the next step read; the last state is only read out."""
    q, k, v, decay, erase, write = names
    S, out = g.constant(np.zeros((B, H, K, V), np.float32)), []
    at = lambda x, t: g.Gather(x, np.int64(t), axis=1)
    column, row = lambda x: g.Unsqueeze(x, g.ints(3)), lambda x: g.Unsqueeze(x, g.ints(2))
    for t in range(steps):
        kept = g.Mul(S, column(g.Exp(at(decay, t))))
        if t != odd:
            seen = g.Squeeze(g.MatMul(row(at(erase, t)), S), g.ints(2))
            kept = g.Add(kept, g.MatMul(column(at(write, t)), row(seen)))
        S = g.Add(kept, g.MatMul(column(at(k, t)), row(at(v, t))))
        out.append(g.Unsqueeze(g.Squeeze(g.MatMul(row(at(q, t)), S), g.ints(2)), g.ints(1)))
    return g.Concat(*out, axis=1)


@pytest.mark.parametrize("steps, odd, raised", [(5, None, ["semiseparable"]), (9, None, ["semiseparable"]), (6, 3, [])])
def test_state_is_added_to_twice(tmp_path, steps, odd, raised):
    q, k, v, decay, erase, write = drawn(steps, K, K, V, K, K, K)
    values = [q, k, v, -np.abs(decay), 0.3 * erase, 0.3 * write]
    g = Graph()
    names = [g.input(n, x.astype(np.float32)) for n, x in zip("qkvdew", values)]
    check(tmp_path, g, [two_additions(g, names, steps, odd)], [erasing(*values, odd)], raised)


def linear(q, k, v, chunk, alike=True):
    S, out = np.zeros((B, H, K, V)), []
    for t in range(q.shape[1]):
        if not alike and t == 2 * chunk:
            S = S * 0.5
        S = S + k[:, t, ..., None].astype(np.float64) * v[:, t, :, None]
        out.append(np.einsum("bhkv,bhk->bhv", S, q[:, t]))
    return np.stack(out, 1)


def through_nothing(g, x):
    return g.Squeeze(g.Unsqueeze(x, g.ints(1)), g.ints(1))


def through_transpositions(g, x):
    return g.Transpose(g.Transpose(x, perm=[0, 1, 3, 2]), perm=[0, 1, 3, 2])


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("between", [through_nothing, through_transpositions])
def test_moved_between_chunks(tmp_path, between, alike):
    """The state is moved on its way from one chunk to the next, and each element comes back to its place."""
    chunk, count = 4, 4
    q, k, v = drawn(chunk * count, K, K, V)
    g = Graph()
    names = [g.Transpose(g.input(n, x), perm=[0, 2, 1, 3]) for n, x in zip("qkv", (q, k, v))]
    S, out = g.constant(np.zeros((B, H, K, V), np.float32)), []
    for c in range(count):
        cq, ck, cv = (g.slice(x, c * chunk, (c + 1) * chunk, 2) for x in names)
        kt = g.Transpose(ck, perm=[0, 1, 3, 2])
        S = between(g, S)
        if c == 2 and not alike:
            S = g.Mul(S, np.float32(0.5))
        inside = g.MatMul(g.Trilu(g.MatMul(cq, kt), upper=0), cv)
        out.append(g.Add(inside, g.MatMul(cq, S)))
        S = g.Add(S, g.MatMul(kt, cv))
    y = g.Transpose(g.Concat(*out, axis=2), perm=[0, 2, 1, 3])
    raised = ["semiseparable"] if alike else ["semiseparable"] * count
    check(tmp_path, g, [y], [linear(q, k, v, chunk, alike)], raised)


@pytest.mark.parametrize("flipped", [("d", "u", "y"), ("u",), ("d", "y"), ()])
def test_chunks_of_reversed_sequences(tmp_path, flipped):
    """A Scan over chunks with the steps of each written out: step k of chunk c is at -(chunk c + k) of what was flipped."""
    chunk, count, width = 3, 4, 5
    rng = np.random.default_rng(1)
    decay = -rng.uniform(0.05, 0.6, (B, chunk * count, width)).astype(np.float32)
    u, h = rng.standard_normal(decay.shape).astype(np.float32), rng.standard_normal((B, width)).astype(np.float32)
    g = Graph()
    back = lambda x, name: g.slice(x, -1, -(2**31), 1, -1) if name in flipped else x
    cut = [g.Reshape(back(g.input(n, v), n), g.ints(B, count, chunk, width)) for n, v in (("d", decay), ("u", u))]
    inner = Graph()
    inner.count = 1000
    state, every = "h_in", []
    for k in range(chunk):
        at = lambda x: inner.Gather(x, np.int64(k), axis=1)
        state = inner.Add(inner.Mul(inner.Exp(at("d_in")), state), at("u_in"))
        every.append(inner.Unsqueeze(state, inner.ints(1)))
    info = lambda n: helper.make_tensor_value_info(n, TensorProto.FLOAT, None)
    stacked = inner.Concat(*every, axis=1)
    body = helper.make_graph(inner.nodes, "chunk", [info(n) for n in ("h_in", "d_in", "u_in")], [info(state), info(stacked)],
                             inner.initializers)
    _, y = g.node("Scan", [g.input("h", h), *cut], 2, body=body, num_scan_inputs=2, scan_input_axes=[1, 1], scan_output_axes=[1])
    y = back(g.Reshape(y, g.ints(B, chunk * count, width)), "y")
    order = lambda v, name: v[:, ::-1] if name in flipped else v
    expected, S = [], h.astype(np.float64)
    for t in range(chunk * count):
        S = np.exp(order(decay, "d")[:, t]) * S + order(u, "u")[:, t]
        expected.append(S)
    check(tmp_path, g, [y], [order(np.stack(expected, 1), "y")], ["selective_scan"])
