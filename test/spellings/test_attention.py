"""Spellings of softmax, and scores without a value."""
import numpy as np

from attention_model import B, E, F, H, I, INF, J, L, S, Model, attention, draw, each, masked, positions, rng, softmax, table

FOUND, spelling = table()


@spelling
def plain(dims):
    m = Model(dims=dims)
    return m.g, [m.finish(m.scores())], [attention(m.q, m.k, m.v)[0]]


def stable_parts(m, s, order):
    g, v = m.g, m.names[2]
    largest = g.ReduceMax(s, g.ints(-1), keepdims=1)
    e = g.Exp(g.Sub(s, largest))
    total = g.ReduceSum(e, g.ints(-1), keepdims=1)
    if order == "div":
        return g.MatMul(g.Div(e, total), v)
    if order == "div_after":
        return g.Div(g.MatMul(e, v), total)
    if order == "reciprocal":
        return g.MatMul(g.Mul(g.Reciprocal(total), e), v)
    if order == "reciprocal_after":
        return g.Mul(g.MatMul(e, v), g.Reciprocal(total))
    if order == "one_over_after":
        return g.Mul(g.Div(np.float32(1), total), g.MatMul(e, v))
    if order == "power":
        return g.MatMul(g.Mul(e, g.Pow(total, np.float32(-1))), v)
    if order == "log":
        return g.MatMul(g.Exp(g.Sub(g.Sub(s, largest), g.Log(total))), v)
    if order == "log_sum":
        return g.MatMul(g.Exp(g.Sub(s, g.Add(g.Log(total), largest))), v)
    if order == "guarded":  # a row without keys takes off nothing
        e = g.Exp(g.Sub(s, g.Where(g.IsInf(largest), np.float32(0), largest)))
        return g.MatMul(g.Div(e, g.ReduceSum(e, g.ints(-1), keepdims=1)), v)
    if order == "log_sum_exp":
        return g.MatMul(g.Exp(g.Sub(s, g.ReduceLogSumExp(s, g.ints(-1), keepdims=1))), v)
    if order == "detour":
        ones = g.Expand(np.float32(1), g.Concat(g.size(m.names[1], 2), g.ints(1), axis=0))
        return g.Div(g.MatMul(e, v), g.MatMul(e, ones))
    if order == "unstable":
        e = g.Exp(s)
        return g.Div(g.MatMul(e, v), g.ReduceSum(e, g.ints(-1), keepdims=1))
    if order == "mean":
        e = g.Mul(e, g.Exp(largest))  # what is the same for all keys goes again
        return g.MatMul(g.Div(e, g.ReduceSum(e, g.ints(-1), keepdims=1)), v)
    if order == "log_softmax":
        return g.MatMul(g.Exp(g.LogSoftmax(s, axis=-1)), v)
    if order == "squeezed":
        total = g.Unsqueeze(g.ReduceSum(e, g.ints(-1), keepdims=0), g.ints(-1))
        return g.MatMul(g.Div(e, total), v)
    raise ValueError(order)


for _order in ("div", "div_after", "reciprocal", "reciprocal_after", "one_over_after", "power", "log", "log_sum", "log_sum_exp",
               "detour", "unstable", "mean", "log_softmax", "squeezed", "guarded"):
    def _parts(dims, order=_order):
        m = Model(dims=dims)
        return m.g, [stable_parts(m, m.scores(), order)], [attention(m.q, m.k, m.v)[0]]
    FOUND[f"parts_{_order}"] = _parts


@spelling
def sink_per_head(dims):
    """A learned extra logit takes part in the softmax and is dropped."""
    m = Model(dims=dims)
    g, sink = m.g, draw(H, seed=5)
    s = m.scores()
    rows = g.Concat(g.size(m.names[0], 0), g.ints(H), g.size(m.names[0], 2), g.ints(1), axis=0)
    p = g.Softmax(g.Concat(s, g.Expand(g.Reshape(g.constant(sink), g.ints(1, H, 1, 1)), rows), axis=-1), axis=-1)
    p = g.slice(p, 0, -1, 3)
    scores = m.q.astype(np.float64) @ m.k.astype(np.float64).swapaxes(-1, -2) / np.sqrt(E)
    wide = np.concatenate([scores, np.broadcast_to(sink[:, None, None].astype(np.float64), (B, H, L, 1))], -1)
    return g, [g.MatMul(p, m.names[2])], [softmax(wide)[..., :-1] @ m.v.astype(np.float64)]


@spelling
def sink_in_front(dims):
    """A zero logit: softmax with one more in the denominator."""
    m = Model(dims=dims)
    g = m.g
    s = m.scores()
    rows = g.Concat(g.size(m.names[0], 0), g.ints(H), g.size(m.names[0], 2), g.ints(1), axis=0)
    zero = g.Expand(np.zeros((1, 1, 1, 1), np.float32), rows)
    p = g.slice(g.Softmax(g.Concat(zero, s, axis=-1), axis=-1), 1, 2**62, 3)
    scores = m.q.astype(np.float64) @ m.k.astype(np.float64).swapaxes(-1, -2) / np.sqrt(E)
    wide = np.concatenate([np.zeros((B, H, L, 1)), scores], -1)
    return g, [g.MatMul(p, m.names[2])], [softmax(wide)[..., 1:] @ m.v.astype(np.float64)]


@spelling
def sink_added_to_the_sum(dims):
    m = Model(dims=dims)
    g, sink = m.g, draw(H, 1, 1, seed=5)
    s = m.scores()
    largest = g.Max(g.ReduceMax(s, g.ints(-1), keepdims=1), g.constant(sink))
    e = g.Exp(g.Sub(s, largest))
    total = g.Add(g.ReduceSum(e, g.ints(-1), keepdims=1), g.Exp(g.Sub(g.constant(sink), largest)))
    scores = m.q.astype(np.float64) @ m.k.astype(np.float64).swapaxes(-1, -2) / np.sqrt(E)
    wide = np.concatenate([np.broadcast_to(sink.astype(np.float64), (B, H, L, 1)), scores], -1)
    return g, [g.MatMul(g.Div(e, total), m.names[2])], [softmax(wide)[..., 1:] @ m.v.astype(np.float64)]


@spelling
def softmax_off_by_one(dims):
    """exp(s) / (1 + sum exp(s))"""
    m = Model(dims=dims)
    g = m.g
    e = g.Exp(m.scores())
    total = g.Add(np.float32(1), g.ReduceSum(e, g.ints(-1), keepdims=1))
    e64 = np.exp(m.q.astype(np.float64) @ m.k.astype(np.float64).swapaxes(-1, -2) / np.sqrt(E))
    return g, [g.MatMul(g.Div(e, total), m.names[2])], [e64 / (1 + e64.sum(-1, keepdims=True)) @ m.v.astype(np.float64)]


@spelling
def weights_are_an_output(dims):
    m = Model(dims=dims)
    p = m.g.Softmax(m.scores(), axis=-1)
    y, w = attention(m.q, m.k, m.v)
    return m.g, [m.g.MatMul(p, m.names[2]), p], [y, w]


@spelling
def mean_of_weights_over_heads(dims):
    m = Model(dims=dims)
    p = m.g.Softmax(m.scores(), axis=-1)
    y, w = attention(m.q, m.k, m.v)
    return m.g, [m.g.MatMul(p, m.names[2]), m.g.ReduceMean(p, m.g.ints(1), keepdims=0)], [y, w.mean(1)]


@spelling
def scores_are_an_output(dims):
    m = Model(dims=dims)
    s = m.scores()
    return m.g, [m.finish(s), s], [attention(m.q, m.k, m.v)[0], m.q.astype(np.float64) @ m.k.swapaxes(-1, -2) / np.sqrt(E)]


# Masked between the exponential and the sum.

def masked_exponentials(dims, mask):
    m = Model(dims=dims)
    g = m.g
    i, j = positions(g, m, dims)
    s = m.scores()
    e = mask(g, g.Exp(g.Sub(s, g.ReduceMax(s, g.ints(-1), keepdims=1))), g.LessOrEqual(j, i))
    y = g.MatMul(g.Div(e, g.ReduceSum(e, g.ints(-1), keepdims=1)), m.names[2])
    return g, [y], [attention(m.q, m.k, m.v, change=masked(J <= I))[0]]


@spelling
def exponentials_selected(dims):
    return masked_exponentials(dims, lambda g, e, keep: g.Where(keep, e, np.float32(0)))


@spelling
def exponentials_multiplied(dims):
    return masked_exponentials(dims, lambda g, e, keep: g.Mul(g.Cast(keep, to=1), e))


@spelling
def masked_after_softmax_and_normalised(dims):
    m = Model(dims=dims)
    g = m.g
    i, j = positions(g, m, dims)
    p = g.Where(g.LessOrEqual(j, i), g.Softmax(m.scores(), axis=-1), np.float32(0))
    y = g.MatMul(g.Div(p, g.ReduceSum(p, g.ints(-1), keepdims=1)), m.names[2])
    return g, [y], [attention(m.q, m.k, m.v, change=masked(J <= I))[0]]


@spelling
def sink_with_weights(dims):
    """The weights without the sink's are an output too."""
    m = Model(dims=dims)
    g, sink = m.g, draw(H, seed=5)
    rows = g.Concat(g.size(m.names[0], 0), g.ints(H), g.size(m.names[0], 2), g.ints(1), axis=0)
    s = g.Concat(m.scores(), g.Expand(g.Reshape(g.constant(sink), g.ints(1, H, 1, 1)), rows), axis=-1)
    p = g.slice(g.Softmax(s, axis=-1), 0, -1, 3)
    scores = m.q.astype(np.float64) @ m.k.astype(np.float64).swapaxes(-1, -2) / np.sqrt(E)
    wide = np.concatenate([scores, np.broadcast_to(sink[:, None, None].astype(np.float64), (B, H, L, 1))], -1)
    w = softmax(wide)[..., :-1]
    return g, [g.MatMul(p, m.names[2]), p], [w @ m.v.astype(np.float64), w]


@spelling
def sink_and_padding(dims):
    """A row that sees only the sink gives zero."""
    m = Model(dims=dims)
    g, sink = m.g, draw(H, seed=5)
    mask = np.array([[0] * 7, [1] * 4 + [0] * 3], np.bool_)
    given = g.Unsqueeze(g.input("mask", mask, ["B", "S"] if dims else [B, S]), g.ints(1, 2))
    rows = g.Concat(g.size(m.names[0], 0), g.ints(H), g.size(m.names[0], 2), g.ints(1), axis=0)
    s = g.Concat(g.Where(given, m.scores(), INF), g.Expand(g.Reshape(g.constant(sink), g.ints(1, H, 1, 1)), rows), axis=-1)
    largest = g.ReduceMax(s, g.ints(-1), keepdims=1)
    p = g.slice(g.Softmax(g.Sub(s, largest), axis=-1), 0, -1, 3)
    scores = np.where(mask[:, None, None], m.q.astype(np.float64) @ m.k.swapaxes(-1, -2) / np.sqrt(E), -np.inf)
    wide = np.concatenate([scores, np.broadcast_to(sink[:, None, None].astype(np.float64), (B, H, L, 1))], -1)
    return g, [g.MatMul(p, m.names[2])], [softmax(wide)[..., :-1] @ m.v.astype(np.float64)]


@spelling
def scale_of_each_head(dims):
    """Cosine attention: unit queries and keys, a learned scale."""
    m = Model(dims=dims)
    g, scale = m.g, np.exp(draw(H, 1, 1, seed=5))
    unit = lambda x: g.Div(x, g.Clip(g.ReduceL2(x, g.ints(-1), keepdims=1), np.float32(1e-12)))
    q, k = (unit(x) for x in m.names[:2])
    s = g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), g.constant(scale))
    a, b = (x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=-1, keepdims=True) for x in (m.q, m.k))
    return g, [m.finish(s)], [attention(a * scale, b, m.v, scale=1)[0]]


@spelling
def groups_in_rows(dims):
    """The queries of a group one below the other, against one head of keys; causal by the row modulo L."""
    n = 2
    m = Model(shared=n, length=S, dims=False)
    g = m.g
    q = g.Reshape(m.names[0], g.ints(B, n, H // n * S, E))
    i = g.Mod(g.constant(np.arange(H // n * S)), np.int64(S))
    keep = g.LessOrEqual(g.constant(np.arange(S)), g.Unsqueeze(i, g.ints(1)))
    s = g.MatMul(g.Mul(q, np.float32(1 / np.sqrt(E))), g.Transpose(m.names[1], perm=[0, 1, 3, 2]))
    y = g.MatMul(g.Softmax(g.Where(keep, s, INF), axis=-1), m.names[2])
    repeat = lambda a: np.repeat(a, H // n, axis=1)
    expected = attention(m.q, repeat(m.k), repeat(m.v), change=masked(np.arange(S)[None] <= np.arange(S)[:, None]))[0]
    return g, [g.Reshape(y, g.ints(B, H, S, F))], [expected]


@spelling
def half_precision_around(dims):
    m = Model(dims=dims)
    g = m.g
    q, k, v = (g.Cast(x, to=10) for x in m.names)
    s = g.Cast(g.MatMul(g.Cast(q, to=1), g.Transpose(g.Cast(k, to=1), perm=[0, 1, 3, 2])), to=1)
    p = g.Softmax(g.Mul(s, np.float32(1 / np.sqrt(E))), axis=-1)
    y = g.MatMul(p, g.Cast(v, to=1))
    half = [x.astype(np.float16) for x in (m.q, m.k, m.v)]
    return g, [y], [attention(*half)[0]]


@spelling
def learned_queries(dims):
    m = Model(dims=dims)
    g, q = m.g, draw(H, 3, E, seed=15)
    s = g.MatMul(g.constant(q), g.Transpose(m.names[1], perm=[0, 1, 3, 2]))
    return g, [m.finish(g.Mul(s, np.float32(0.5)))], [attention(q, m.k, m.v, scale=0.5)[0]]


@spelling
def relative_shift(dims):
    """Transformer-XL: the products with relative positions are moved by padding and reshaping."""
    m = Model(length=S, dims=False)
    g, r = m.g, draw(H, E, S, seed=7)
    b = g.MatMul(m.names[0], g.constant(r))
    b = g.Reshape(g.Pad(b, g.ints(0, 0, 0, 1, 0, 0, 0, 0)), g.ints(B, H, S + 1, S))
    b = g.Reshape(g.slice(b, 1, S + 1, 2), g.ints(B, H, S, S))
    s = g.Mul(g.Add(m.scores(False), b), np.float32(1 / np.sqrt(E)))
    products = m.q.astype(np.float64) @ r
    add = np.pad(products, ((0, 0), (0, 0), (0, 0), (1, 0))).reshape(B, H, S + 1, S)[:, :, 1:].reshape(B, H, S, S)
    return g, [m.finish(s)], [attention(m.q, m.k, m.v, add=add / np.sqrt(E))[0]]


@spelling
def zero_attention(dims):
    """A key and a value of zeros behind the others (torch's add_zero_attn)."""
    m = Model(dims=False)
    g = m.g
    k, v = (g.Concat(x, np.zeros((B, H, 1, w), np.float32), axis=2) for x, w in ((m.names[1], E), (m.names[2], F)))
    s = g.Mul(g.MatMul(m.names[0], g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(1 / np.sqrt(E)))
    wide = lambda a: np.concatenate([a, np.zeros((B, H, 1, a.shape[-1]))], 2)
    return g, [g.MatMul(g.Softmax(s, axis=-1), v)], [attention(m.q, wide(m.k), wide(m.v))[0]]


@spelling
def mask_for_each_batch(dims):
    m = Model(dims=dims)
    g = m.g
    mask = rng(4).random((B, 1, L, S)) < 0.7
    mask[..., 0] = True
    given = g.input("mask", mask, ["B", 1, "L", "S"] if dims else None)
    return g, [m.finish(g.Add(m.scores(), g.Where(given, np.float32(0), INF)))], [
        attention(m.q, m.k, m.v, change=masked(mask))[0]]


test_attention = each(FOUND, ["attention"])
