"""What is no attention of queries with keys, or no softmax of it."""
import numpy as np

from attention_model import B, E, F, H, I, J, L, S, Model, attention, draw, each, positions, softmax, table

MISSED, spelling = table()


# What is no attention of queries with keys, or no softmax of it.

@spelling
def softmax_over_queries(dims):
    m = Model(dims=dims)
    p = m.g.Softmax(m.scores(), axis=-2)
    s = m.q.astype(np.float64) @ m.k.swapaxes(-1, -2) / np.sqrt(E)
    return m.g, [m.g.MatMul(p, m.names[2])], [softmax(s.swapaxes(-1, -2)).swapaxes(-1, -2) @ m.v]


@spelling
def softmax_over_heads(dims):
    m = Model(dims=dims)
    p = m.g.Softmax(m.scores(), axis=1)
    s = m.q.astype(np.float64) @ m.k.swapaxes(-1, -2) / np.sqrt(E)
    return m.g, [m.g.MatMul(p, m.names[2])], [np.moveaxis(softmax(np.moveaxis(s, 1, -1)), -1, 1) @ m.v]


@spelling
def masked_after_softmax(dims):
    m = Model(dims=dims)
    i, j = positions(m.g, m, dims)
    p = m.g.Where(m.g.LessOrEqual(j, i), m.g.Softmax(m.scores(), axis=-1), np.float32(0))
    return m.g, [m.g.MatMul(p, m.names[2])], [np.where(J <= I, attention(m.q, m.k, m.v)[1], 0) @ m.v]


@spelling
def sum_over_other_scores(dims):
    """The sum that is divided by is that of another score."""
    m = Model(dims=dims)
    g = m.g
    e, other = g.Exp(m.scores()), g.Exp(m.scores(False))
    s = m.q.astype(np.float64) @ m.k.swapaxes(-1, -2)
    y = g.Div(g.MatMul(e, m.names[2]), g.ReduceSum(other, g.ints(-1), keepdims=1))
    return g, [y], [np.exp(s / np.sqrt(E)) @ m.v / np.exp(s).sum(-1, keepdims=True)]


@spelling
def divided_by_the_largest(dims):
    m = Model(dims=dims)
    g = m.g
    e = g.Exp(m.scores())
    s = np.exp(m.q.astype(np.float64) @ m.k.swapaxes(-1, -2) / np.sqrt(E))
    return g, [g.MatMul(g.Div(e, g.ReduceMax(e, g.ints(-1), keepdims=1)), m.names[2])], [s / s.max(-1, keepdims=True) @ m.v]


@spelling
def sink_that_has_a_value(dims):
    """The extra column is not dropped: its value is the first row of the values."""
    m = Model(dims=False)
    g = m.g
    sink = draw(B, H, L, 1, seed=5)
    p = g.Softmax(g.Concat(m.scores(), g.constant(sink), axis=-1), axis=-1)
    v = g.Concat(m.names[2], g.constant(draw(B, H, 1, F, seed=6)), axis=2)
    s = np.concatenate([m.q.astype(np.float64) @ m.k.swapaxes(-1, -2) / np.sqrt(E), sink], -1)
    return g, [g.MatMul(p, v)], [softmax(s) @ np.concatenate([m.v, draw(B, H, 1, F, seed=6)], 2)]


@spelling
def more_in_the_sum(dims):
    """An epsilon is no exponential of a score less the same maximum."""
    m = Model(dims=dims)
    g = m.g
    s = m.scores()
    e = g.Exp(g.Sub(s, g.ReduceMax(s, g.ints(-1), keepdims=1)))
    total = g.Add(g.ReduceSum(e, g.ints(-1), keepdims=1), np.float32(0.5))
    x = m.q.astype(np.float64) @ m.k.swapaxes(-1, -2) / np.sqrt(E)
    x = np.exp(x - x.max(-1, keepdims=True))
    return g, [g.MatMul(g.Div(e, total), m.names[2])], [x / (x.sum(-1, keepdims=True) + 0.5) @ m.v]


@spelling
def sink_of_each_key(dims):
    """The term added to the sum is another for each key."""
    m = Model(dims=False)
    g, t = m.g, np.exp(draw(1, 1, 1, S, seed=5))
    e = g.Exp(m.scores())
    total = g.Add(g.ReduceSum(e, g.ints(-1), keepdims=1), g.constant(t))
    x = np.exp(m.q.astype(np.float64) @ m.k.swapaxes(-1, -2) / np.sqrt(E))
    return g, [g.MatMul(g.Div(e, total), m.names[2])], [x / (x.sum(-1, keepdims=True) + t) @ m.v]


@spelling
def two_scores_dropped(dims):
    m = Model(dims=False)
    g = m.g
    extra = draw(B, H, L, 2, seed=5)
    p = g.slice(g.Softmax(g.Concat(m.scores(), g.constant(extra), axis=-1), axis=-1), 0, S, 3)
    s = np.concatenate([m.q.astype(np.float64) @ m.k.swapaxes(-1, -2) / np.sqrt(E), extra], -1)
    return g, [g.MatMul(p, m.names[2])], [softmax(s)[..., :S] @ m.v]


@spelling
def sigmoid_weights(dims):
    m = Model(dims=dims)
    x = m.q.astype(np.float64) @ m.k.swapaxes(-1, -2) / np.sqrt(E)
    return m.g, [m.g.MatMul(m.g.Sigmoid(m.scores()), m.names[2])], [(1 / (1 + np.exp(-x))) @ m.v]


@spelling
def weights_mixed_between_heads(dims):
    m = Model(dims=dims)
    mix = draw(H, H, seed=5)
    p = m.g.Einsum(m.g.constant(mix), m.g.Softmax(m.scores(), axis=-1), equation="gh,bhls->bgls")
    w = np.einsum("gh,bhls->bgls", mix.astype(np.float64), attention(m.q, m.k, m.v)[1])
    return m.g, [m.g.MatMul(p, m.names[2])], [w @ m.v]


@spelling
def weights_multiplied_by_a_gate(dims):
    m = Model(dims=dims)
    gate = m.g.input("gate", draw(B, H, L, S, seed=6), ["B", H, "L", "S"] if dims else None)
    p = m.g.Mul(m.g.Softmax(m.scores(), axis=-1), gate)
    return m.g, [m.g.MatMul(p, m.names[2])], [(attention(m.q, m.k, m.v)[1] * draw(B, H, L, S, seed=6)) @ m.v]


test_no_attention = each(MISSED, [])
