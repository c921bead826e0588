"""What chunks of a recurrence may be made of: decays from one cumulative sum over all time or from powers of a constant,
a first chunk without a state, more than one state or output, states that are a vector for each channel."""
import numpy as np
import pytest

from spelling import Compiled, Graph, check
from test_chunks import B, H, K, V, drawn, reference

Q = 4  # positions of a chunk
MASK = np.tril(np.ones((Q, Q), bool))


def sequences(count):
    g, arrays = Graph(), drawn(Q * count)
    return g, arrays, [g.input(n, a) for n, a in zip("qkvg", arrays)]


def unrolled(g, count, tensors, states, step, bare=None):
    """The outputs of all chunks, joined over time, and the last states. `bare`: the first step, without states."""
    outs = []
    for c in range(count):
        now = [g.slice(x, c * Q, (c + 1) * Q, 2) for x in tensors]
        made, states = bare(g, *now) if bare and c == 0 else step(g, *now, *states)
        outs.append(made)
    return [g.Concat(*o, axis=2) for o in zip(*outs)], states


def scanned(g, count, tensors, ranks, states, step, sizes):
    """The same with a Scan over chunks; `ranks` of the tensors, `sizes` of the outputs' last axes."""
    cut = [g.Reshape(x, g.constant(np.array([B, H, count, Q] + ([-1] if r == 4 else []), np.int64)))
           for x, r in zip(tensors, ranks)]
    cut = [g.Transpose(x, perm=[2, 0, 1, 3, 4][:r + 1]) for x, r in zip(cut, ranks)]
    body = Graph()
    body.count = 1000
    inner = [body.input(f"s{i}", np.zeros(s.shape, np.float32)) for i, s in enumerate(states)]
    widths = [{4: (B, H, Q, w), 3: (B, H, Q)}[r] for r, w in zip(ranks, (K, K, V, 1, 1))]
    now = [body.input(f"x{i}", np.zeros(w, np.float32)) for i, w in enumerate(widths)]
    made, after = step(body, *now, *inner)
    results = g.node("Scan", [*[g.constant(s) for s in states], *cut], outputs=len(states) + len(made),
                     body=body.model([*after, *made]).graph, num_scan_inputs=len(cut))
    outs = []
    for y, size in zip(results[len(states):], sizes):
        y = g.Transpose(y, perm=[1, 2, 0, 3, 4])
        outs.append(g.Reshape(y, g.ints(B, H, count * Q, size)))
    return outs, results[:len(states)]


def column(g, x):
    return g.Unsqueeze(x, g.ints(3))


def turned(g, x):
    return g.Transpose(x, perm=[0, 1, 3, 2])


def weights(g, total, mask=MASK):
    distance = g.Sub(column(g, total), g.Unsqueeze(total, g.ints(2)))
    return g.Exp(g.Where(mask, distance, np.float32(-np.inf)))


def chunk(g, q, k, v, inside, before, behind, through, state):
    """From the decays: between positions, from the start, to the end, and of the whole chunk."""
    out = g.MatMul(g.Mul(g.MatMul(q, turned(g, k)), inside), v)
    after = g.MatMul(turned(g, g.Mul(k, behind)), v)
    if state is None:
        return out, after
    return g.Add(out, g.Mul(before, g.MatMul(q, state))), g.Add(g.Mul(through, state), after)


def own_sum(g, q, k, v, decay, state=None, mask=MASK):
    total = g.CumSum(decay, np.int64(2))
    last = g.slice(total, Q - 1, Q, 2)
    y, s = chunk(g, q, k, v, weights(g, total, mask), column(g, g.Exp(total)), column(g, g.Exp(g.Sub(last, total))),
                 column(g, g.Exp(last)), state)
    return [y], [s]


def check_kept(tmp, g, outputs, expected, reason):
    """Chunks that are no recurrence over time; each by itself may be one."""
    compiled = Compiled(tmp, g, outputs)
    assert "chunks: " + reason in compiled.missed
    for y, e in zip(compiled({name: array for _, name, array in g.inputs}), expected):
        np.testing.assert_allclose(y, e, atol=2e-5, rtol=2e-4)


def zeros(*last):
    return np.zeros((B, H, *last), np.float32)


#===- a first chunk without a state -------------------------------------------===#


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_first_chunk_without_state(tmp_path, count):
    g, arrays, x = sequences(count)
    (y,), (s,) = unrolled(g, count, x, None, own_sum, own_sum)
    check(tmp_path, g, [y, s], list(reference(*arrays)), ["semiseparable"])


def test_first_chunk_with_another_mask(tmp_path):
    g, arrays, x = sequences(3)
    first = lambda *a: own_sum(*a, mask=np.tril(MASK, -1))
    (y,), (s,) = unrolled(g, 3, x, None, own_sum, first)
    expected, last = reference(*arrays)
    q, k, v = (a[:, :, :Q].astype(np.float64) for a in arrays[:3])
    expected[:, :, :Q] -= np.einsum("bhtk,bhtk,bhtv->bhtv", q, k, v)
    check_kept(tmp_path, g, [y, s], [expected, last], "the state is read with another decay")


#===- one cumulative sum over all time ----------------------------------------===#


def of_time(g, q, k, v, total, before, state, late=False):
    """`total` runs over all time, `before` is the same without the position itself."""
    last, first = g.slice(total, Q - 1, Q, 2), g.slice(before, 0, 1, 2)
    start = g.slice(total, 0, 1, 2) if late else first
    y, s = chunk(g, q, k, v, weights(g, total), column(g, g.Exp(g.Sub(total, first))),
                 column(g, g.Exp(g.Sub(last, total))), column(g, g.Exp(g.Sub(last, start))), state)
    return [y], [s]


def cumulative(g, decay, count, exclusive):
    total = g.CumSum(decay, np.int64(2))
    if exclusive == "cumsum":
        return total, g.CumSum(decay, np.int64(2), exclusive=1)
    if exclusive == "difference":
        return total, g.Sub(total, decay)
    return total, g.slice(g.Pad(total, g.ints(0, 0, 1, 0, 0, 0)), 0, Q * count, 2)


@pytest.mark.parametrize("form", ["unrolled", "scan"])
@pytest.mark.parametrize("exclusive", ["pad", "cumsum", "difference"])
def test_sum_over_all_time(tmp_path, exclusive, form):
    g, arrays, x = sequences(3)
    tensors = x[:3] + list(cumulative(g, x[3], 3, exclusive))
    if form == "unrolled":
        (y,), (s,) = unrolled(g, 3, tensors, [g.constant(zeros(K, V))], of_time)
    else:
        (y,), (s,) = scanned(g, 3, tensors, [4, 4, 4, 3, 3], [zeros(K, V)], of_time, [V])
    check(tmp_path, g, [y, s], list(reference(*arrays)), ["semiseparable"])


def test_sum_over_all_time_from_another_start(tmp_path):
    g, arrays, x = sequences(3)
    late = lambda *a: of_time(*a, late=True)
    tensors = x[:3] + list(cumulative(g, x[3], 3, "pad"))
    (y,), _ = unrolled(g, 3, tensors, [g.constant(zeros(K, V))], late)
    q, k, v, decay = (a.astype(np.float64) for a in arrays)
    expected, state = [], np.zeros((B, H, K, V))
    for c in range(3):
        part = [a[:, :, c * Q:(c + 1) * Q] for a in (q, k, v, decay)]
        expected.append(reference(*part, state)[0])
        first = np.exp(part[3][:, :, :1, None])
        state = state * np.exp(part[3][:, :, 1:].sum(2))[..., None, None] + reference(*part)[1]
    check_kept(tmp_path, g, [y], [np.concatenate(expected, 2)], "the state's decay does not run over the whole chunk")


#===- more than one state or output --------------------------------------------===#


def normalised(g, q, k, v, decay, state, keys, kept_keys=False):
    total = g.CumSum(decay, np.int64(2))
    last = g.slice(total, Q - 1, Q, 2)
    inside = g.Mul(g.MatMul(q, turned(g, k)), weights(g, total))
    before, through = column(g, g.Exp(total)), column(g, g.Exp(last))
    kept = g.Mul(k, column(g, g.Exp(g.Sub(last, total))))
    above = g.Add(g.MatMul(inside, v), g.Mul(before, g.MatMul(q, state)))
    below = g.Add(g.ReduceSum(inside, g.ints(3), keepdims=1), g.Mul(before, g.MatMul(q, keys)))
    ones = np.ones((Q, 1), np.float32)
    return [g.Div(above, below)], [g.Add(g.Mul(through, state), g.MatMul(turned(g, kept), v)),
                                   g.Add(keys if kept_keys else g.Mul(through, keys), g.MatMul(turned(g, kept), ones))]


def positive(arrays):
    return [np.abs(a) + np.float32(0.1) if n < 2 else a for n, a in enumerate(arrays)]


def inputs_of(g, arrays):
    return [g.input(n, a) for n, a in zip("qkvg", arrays)]


@pytest.mark.parametrize("form", ["unrolled", "scan"])
def test_normalised(tmp_path, form):
    arrays, g = positive(drawn(3 * Q)), Graph()
    x = inputs_of(g, arrays)
    if form == "unrolled":
        (y,), _ = unrolled(g, 3, x, [g.constant(zeros(K, V)), g.constant(zeros(K, 1))], normalised)
    else:
        (y,), _ = scanned(g, 3, x, [4, 4, 4, 3], [zeros(K, V), zeros(K, 1)], normalised, [V])
    above, below = reference(*arrays)[0], reference(arrays[0], arrays[1], np.ones(arrays[2].shape), arrays[3])[0]
    check(tmp_path, g, [y], [above / below], ["semiseparable", "selective_scan"])


@pytest.mark.parametrize("form", ["unrolled", "scan"])
def test_normaliser_that_does_not_decay(tmp_path, form):
    arrays, g = positive(drawn(3 * Q)), Graph()
    x, step = inputs_of(g, arrays), lambda *a: normalised(*a, kept_keys=True)
    if form == "unrolled":
        (y,), _ = unrolled(g, 3, x, [g.constant(zeros(K, V)), g.constant(zeros(K, 1))], step)
    else:
        (y,), _ = scanned(g, 3, x, [4, 4, 4, 3], [zeros(K, V), zeros(K, 1)], step, [V])
    q, k, v, decay = (a.astype(np.float64) for a in arrays)
    below, keys = [], np.zeros((B, H, K, 1))
    for c in range(3):
        part = [a[:, :, c * Q:(c + 1) * Q] for a in (q, k, np.ones((*v.shape[:3], 1)), decay)]
        below.append(reference(*part, keys)[0])
        keys = keys + reference(*part)[1]
    check_kept(tmp_path, g, [y], [reference(*arrays)[0] / np.concatenate(below, 2)],
               "the state is read with another decay" if form == "unrolled" else
               "a chunk's output and state do not both depend on the state before and on the chunk")


def two_outputs(g, q, k, v, decay, state):
    (y,), after = own_sum(g, q, k, v, decay, state)
    (z,), _ = own_sum(g, k, k, v, decay, state)
    return [y, z], after


@pytest.mark.parametrize("form", ["unrolled", "scan"])
def test_two_outputs(tmp_path, form):
    g, arrays, x = sequences(3)
    if form == "unrolled":
        (y, z), (s,) = unrolled(g, 3, x, [g.constant(zeros(K, V))], two_outputs)
    else:
        (y, z), (s,) = scanned(g, 3, x, [4, 4, 4, 3], [zeros(K, V)], two_outputs, [V, V])
    q, k, v, decay = arrays
    check(tmp_path, g, [y, z, s], [reference(*arrays)[0], *reference(k, k, v, decay)], ["semiseparable"] * 2)


#===- a vector for each channel --------------------------------------------------===#

D, N = 3, 4


def selective(count, started):
    """x [B, L, D], dt [B, L, D], b and c [B, L, N], a [D, N], the first state [B, D, N]."""
    rng = np.random.default_rng(count)
    length = Q * count
    x, b, c = (rng.standard_normal((B, length, d)).astype(np.float32) for d in (D, N, N))
    dt = rng.uniform(0.05, 0.5, (B, length, D)).astype(np.float32)
    a = -rng.uniform(0.5, 2, (D, N)).astype(np.float32)
    h0 = rng.standard_normal((B, D, N)).astype(np.float32) if started else np.zeros((B, D, N), np.float32)
    h, out = h0.astype(np.float64), np.zeros((B, length, D))
    for t in range(length):
        h = np.exp(dt[:, t, :, None] * a.astype(np.float64)) * h + (dt[:, t] * x[:, t])[..., None] * b[:, t, None]
        out[:, t] = np.einsum("bdn,bn->bd", h, c[:, t])
    return (x, dt, b, c, a, h0), out, h


def masked_channels(g, dta, u, c, h):
    """Everything between two positions at once: [B, t, s, D, N]."""
    total = g.CumSum(dta, np.int64(1))
    distance = g.Sub(g.Unsqueeze(total, g.ints(2)), g.Unsqueeze(total, g.ints(1)))
    decay = g.Exp(g.Where(MASK[:, :, None, None], distance, np.float32(-np.inf)))
    inside = g.ReduceSum(g.Mul(decay, g.Unsqueeze(u, g.ints(1))), g.ints(2), keepdims=0)
    states = g.Add(inside, g.Mul(g.Exp(total), g.Unsqueeze(h, g.ints(1))))
    return states, g.Squeeze(g.slice(states, Q - 1, Q, 1), g.ints(1))


def divided_channels(g, dta, u, c, h):
    """A cumulative sum of what is divided by its decay."""
    total = g.CumSum(dta, np.int64(1))
    sums = g.CumSum(g.Mul(u, g.Exp(g.Neg(total))), np.int64(1))
    states = g.Mul(g.Exp(total), g.Add(g.Unsqueeze(h, g.ints(1)), sums))
    return states, g.Squeeze(g.slice(states, Q - 1, Q, 1), g.ints(1))


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("step", [masked_channels, divided_channels])
def test_channels(tmp_path, step, inside):
    started = step == masked_channels
    arrays, expected, last = selective(3, started)
    g = Graph()
    x, dt, b, c, a = (g.input(n, v) for n, v in zip(["x", "dt", "b", "c", "a"], arrays))
    dta = g.Mul(g.Unsqueeze(dt, g.ints(3)), a)
    u = g.Mul(g.Unsqueeze(g.Mul(dt, x), g.ints(3)), g.Unsqueeze(b, g.ints(2)))
    h, outs = g.input("h", arrays[5]) if started else g.constant(arrays[5]), []
    read = lambda s, c: g.ReduceSum(g.Mul(s, g.Unsqueeze(c, g.ints(2))), g.ints(3), keepdims=0)
    for n in range(3):
        part = [g.slice(t, n * Q, (n + 1) * Q, 1) for t in (dta, u, c)]
        states, h = step(g, *part, h)
        outs.append(read(states, part[2]) if inside else states)
    y = g.Concat(*outs, axis=1)
    y = y if inside else read(y, c)
    check(tmp_path, g, [y, h], [expected, last], ["selective_scan"])


def test_channels_from_the_last_but_one(tmp_path):
    """The next chunk starts from the state before the last position."""
    arrays, _, _ = selective(3, True)
    g = Graph()
    dta_, u_ = arrays[1][..., None] * arrays[4], (arrays[1] * arrays[0])[..., None] * arrays[2][:, :, None]
    dta, u, h = g.input("dta", dta_), g.input("u", u_), g.input("h", arrays[5])
    outs, expected, state = [], [], arrays[5].astype(np.float64)
    for n in range(3):
        part = [g.slice(t, n * Q, (n + 1) * Q, 1) for t in (dta, u)]
        states, _ = masked_channels(g, *part, None, h)
        h = g.Squeeze(g.slice(states, Q - 2, Q - 1, 1), g.ints(1))
        outs.append(states)
        for t in range(n * Q, (n + 1) * Q):
            before, state = state, np.exp(dta_[:, t].astype(np.float64)) * state + u_[:, t]
            expected.append(state)
        state = before
    check_kept(tmp_path, g, [g.Concat(*outs, axis=1)], [np.stack(expected, 1)],
               "a chunk's output or state is no sum of a few products")


#===- few chunks, and as many as run time says ---------------------------------------===#


def test_one_chunk(tmp_path):
    g, arrays, x = sequences(1)
    (y,), (s,) = scanned(g, 1, x, [4, 4, 4, 3], [zeros(K, V)], own_sum, [V])
    check(tmp_path, g, [y, s], list(reference(*arrays)), ["semiseparable"])


@pytest.mark.parametrize("length", [1, 4, 7, 12])
def test_padded_to_chunks(tmp_path, length):
    """Of a length that run time says: padded to a multiple of a chunk, the padding cut off again."""
    arrays, g, cut = drawn(length), Graph(), []
    x = [g.input(n, a, [B, H, "L", *a.shape[3:]]) for n, a in zip("qkvg", arrays)]
    size = g.size(x[0], 2)
    rest = g.Mod(g.Sub(g.ints(Q), g.Mod(size, g.ints(Q))), g.ints(Q))
    for t, width in zip(x, [K, K, V, None]):
        zero = g.ints(*[0] * (5 if width is None else 6))
        behind = [zero, rest] if width is None else [zero, rest, g.ints(0)]
        t = g.Reshape(g.Pad(t, g.Concat(*behind, axis=0)), g.ints(B, H, -1, Q, *([] if width is None else [width])))
        cut.append(g.Transpose(t, perm=[2, 0, 1, 3] if width is None else [2, 0, 1, 3, 4]))
    body = Graph()
    body.count = 1000
    state = body.input("s", zeros(K, V))
    now = [body.input(f"x{i}", zeros(Q, *w)) for i, w in enumerate([(K,), (K,), (V,), ()])]
    made, after = own_sum(body, *now, state)
    s, y = g.node("Scan", [g.constant(zeros(K, V)), *cut], outputs=2, body=body.model([*after, *made]).graph,
                  num_scan_inputs=4)
    y = g.slice(g.Reshape(g.Transpose(y, perm=[1, 2, 0, 3, 4]), g.ints(B, H, -1, V)), 0, size, 2)
    check(tmp_path, g, [y, s], list(reference(*arrays)), ["semiseparable"])
