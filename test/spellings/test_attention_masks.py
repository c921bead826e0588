"""Masks, biases and other changes of scores."""
import numpy as np

from attention_model import B, E, H, I, INF, J, L, S, Model, attention, draw, each, masked, positions, table

FOUND, spelling = table()


@spelling
def causal(dims):
    m = Model(dims=dims)
    i, j = positions(m.g, m, dims)
    s = m.g.Where(m.g.LessOrEqual(j, i), m.scores(), INF)
    return m.g, [m.finish(s)], [attention(m.q, m.k, m.v, change=masked(J <= I))[0]]


@spelling
def causal_at_the_end(dims):
    """The last query sees the last key."""
    m = Model(dims=dims)
    g = m.g
    i, j = positions(g, m, dims)
    i = g.Add(i, g.Sub(g.size(m.names[1], 2), g.size(m.names[0], 2)))
    s = g.Add(m.scores(), g.Where(g.Greater(j, i), INF, np.float32(0)))
    return g, [m.finish(s)], [attention(m.q, m.k, m.v, change=masked(J <= I + S - L))[0]]


@spelling
def causal_by_trilu_of_ones(dims):
    m = Model(dims=dims)
    g = m.g
    ones = g.Expand(np.bool_(True), g.Concat(g.size(m.names[0], 2), g.size(m.names[1], 2), axis=0))
    keep = g.Cast(g.Trilu(g.Cast(ones, to=1), upper=0), to=9)
    return g, [m.finish(g.Where(keep, m.scores(), INF))], [attention(m.q, m.k, m.v, change=masked(J <= I))[0]]


@spelling
def causal_by_trilu_of_minus_infinity(dims):
    m = Model(dims=dims)
    g = m.g
    filled = g.Expand(np.float32(-3.4028234663852886e38), g.Concat(g.size(m.names[0], 2), g.size(m.names[1], 2), axis=0))
    return g, [m.finish(g.Add(m.scores(), g.Trilu(filled, np.int64(1), upper=1)))], [
        attention(m.q, m.k, m.v, change=masked(J <= I))[0]]


@spelling
def causal_multiplied(dims):
    """(1 - mask) * -10000 added."""
    m = Model(dims=dims)
    g = m.g
    i, j = positions(g, m, dims)
    keep = g.Cast(g.GreaterOrEqual(i, j), to=1)
    s = g.Add(m.scores(), g.Mul(g.Sub(np.float32(1), keep), np.float32(-10000)))
    return g, [m.finish(s)], [attention(m.q, m.k, m.v, change=masked(J <= I))[0]]


@spelling
def window_of_three(dims):
    m = Model(dims=dims)
    g = m.g
    i, j = positions(g, m, dims)
    d = g.Sub(i, j)
    keep = g.And(g.GreaterOrEqual(d, np.int64(0)), g.Less(d, np.int64(3)))
    return g, [m.finish(g.Where(keep, m.scores(), INF))], [
        attention(m.q, m.k, m.v, change=masked((J <= I) & (I - J < 3)))[0]]


@spelling
def window_on_both_sides(dims):
    m = Model(dims=dims)
    g = m.g
    i, j = positions(g, m, dims)
    keep = g.LessOrEqual(g.Abs(g.Sub(i, j)), np.int64(2))
    return g, [m.finish(g.Where(g.Not(keep), np.float32(-1e9), m.scores()))], [
        attention(m.q, m.k, m.v, change=masked(abs(I - J) <= 2))[0]]


@spelling
def blocks(dims):
    m = Model(dims=dims)
    g = m.g
    i, j = positions(g, m, dims)
    keep = g.Equal(g.Div(i, np.int64(3)), g.Div(j, np.int64(3)))
    return g, [m.finish(g.Where(keep, m.scores(), INF))], [attention(m.q, m.k, m.v, change=masked(I // 3 == J // 3))[0]]


@spelling
def chunks_of_keys_behind(dims):
    """Blocks that see all before them."""
    m = Model(dims=dims)
    g = m.g
    i, j = positions(g, m, dims)
    keep = g.LessOrEqual(g.Div(j, np.int64(2)), g.Div(i, np.int64(2)))
    return g, [m.finish(g.Where(keep, m.scores(), INF))], [attention(m.q, m.k, m.v, change=masked(J // 2 <= I // 2))[0]]


@spelling
def prefix(dims):
    """Bidirectional over the first keys, causal after them."""
    m = Model(dims=dims)
    g = m.g
    i, j = positions(g, m, dims)
    keep = g.Or(g.LessOrEqual(j, i), g.Less(j, np.int64(3)))
    return g, [m.finish(g.Where(keep, m.scores(), INF))], [attention(m.q, m.k, m.v, change=masked((J <= I) | (J < 3)))[0]]


@spelling
def key_padding_lengths(dims):
    m = Model(dims=dims)
    g = m.g
    lengths = np.array([4, 7], np.int64)
    _, j = positions(g, m, dims)
    keep = g.Less(j, g.Unsqueeze(g.input("lengths", lengths, ["B" if dims else B]), g.ints(1)))
    s = g.Where(g.Unsqueeze(keep, g.ints(1, 2)), m.scores(), INF)
    return g, [m.finish(s)], [attention(m.q, m.k, m.v, change=masked(J < lengths[:, None, None, None]))[0]]


@spelling
def key_padding_mask(dims):
    m = Model(dims=dims)
    g = m.g
    mask = np.array([[1, 1, 1, 1, 0, 0, 0], [1] * 7], np.int64)
    given = g.input("mask", mask, ["B", "S"] if dims else [B, S])
    add = g.Mul(g.Sub(np.float32(1), g.Cast(g.Unsqueeze(given, g.ints(1, 2)), to=1)), np.float32(-3.4028234663852886e38))
    return g, [m.finish(g.Add(m.scores(), add))], [attention(m.q, m.k, m.v, change=masked(mask[:, None, None] > 0))[0]]


@spelling
def key_padding_and_causal(dims):
    m = Model(dims=dims)
    g = m.g
    mask = np.array([[1, 1, 1, 1, 0, 0, 0], [1] * 7], np.bool_)
    given = g.Unsqueeze(g.input("mask", mask, ["B", "S"] if dims else [B, S]), g.ints(1, 2))
    i, j = positions(g, m, dims)
    keep = g.And(g.LessOrEqual(j, i), given)
    return g, [m.finish(g.Where(keep, m.scores(), INF))], [
        attention(m.q, m.k, m.v, change=masked(mask[:, None, None] & (J <= I)))[0]]


@spelling
def rows_without_keys_are_zero(dims):
    m = Model(dims=dims)
    g = m.g
    mask = np.array([[0] * 7, [1] * 7], np.bool_)
    given = g.Unsqueeze(g.input("mask", mask, ["B", "S"] if dims else [B, S]), g.ints(1, 2))
    p = g.Softmax(g.Where(given, m.scores(), INF), axis=-1)
    p = g.Where(g.IsNaN(p), np.float32(0), p)
    y = attention(m.q, m.k, m.v)[0]
    y[0] = 0
    return g, [g.MatMul(p, m.names[2])], [y]


def masked_twice(dims, least, before):
    """As in DeBERTa: the scores, then the weights; a row without keys is zero."""
    m = Model(dims=dims)
    g = m.g
    mask = np.array([[0] * 7, [1, 1, 0, 1, 1, 0, 0]], np.bool_)
    given = g.Unsqueeze(g.input("mask", mask, ["B", "S"] if dims else [B, S]), g.ints(1, 2))
    if before:
        p = g.Where(given, g.Softmax(g.Where(given, m.scores(), np.float32(least)), axis=-1), np.float32(0))
    else:
        no = g.Not(given)
        p = g.Where(no, np.float32(0), g.Softmax(g.Where(no, np.float32(least), m.scores()), axis=-1))
    y = attention(m.q, m.k, m.v, change=masked(mask[:, None, None]))[0]
    y[0] = 0
    return g, [g.MatMul(p, m.names[2])], [y]


@spelling
def masked_twice_where_kept(dims):
    return masked_twice(dims, -3.4028234663852886e38, True)


@spelling
def masked_twice_where_masked(dims):
    return masked_twice(dims, -np.inf, False)


@spelling
def soft_cap(dims):
    m = Model(dims=dims)
    g = m.g
    s = g.Mul(g.Tanh(g.Div(m.scores(), np.float32(2))), np.float32(2))
    return g, [m.finish(s)], [attention(m.q, m.k, m.v, change=lambda s: 2 * np.tanh(s / 2))[0]]


@spelling
def soft_cap_and_causal(dims):
    m = Model(dims=dims)
    g = m.g
    i, j = positions(g, m, dims)
    s = g.Where(g.Greater(j, i), INF, g.Mul(np.float32(2), g.Tanh(g.Mul(m.scores(), np.float32(0.5)))))
    return g, [m.finish(s)], [attention(m.q, m.k, m.v, change=lambda s: np.where(J <= I, 2 * np.tanh(s / 2), -np.inf))[0]]


@spelling
def alibi(dims):
    m = Model(dims=dims)
    g = m.g
    slopes = (2.0 ** -np.arange(1, H + 1)).astype(np.float32)
    i, j = positions(g, m, dims)
    d = g.Cast(g.Sub(j, i), to=1)
    s = g.Add(g.Mul(g.Reshape(g.constant(slopes), g.ints(H, 1, 1)), d), m.scores())
    return g, [m.finish(s)], [attention(m.q, m.k, m.v, add=slopes[:, None, None] * (J - I))[0]]


@spelling
def alibi_symmetric(dims):
    m = Model(dims=dims)
    g = m.g
    slopes = (2.0 ** -np.arange(1, H + 1)).astype(np.float32)
    i, j = positions(g, m, dims)
    d = g.Neg(g.Abs(g.Cast(g.Sub(j, i), to=1)))
    s = g.Add(m.scores(), g.Mul(d, g.Reshape(g.constant(slopes), g.ints(1, H, 1, 1))))
    return g, [m.finish(s)], [attention(m.q, m.k, m.v, add=-slopes[:, None, None] * abs(J - I))[0]]


@spelling
def bias_input(dims):
    m = Model(dims=dims)
    bias = draw(H, L, S, seed=7)
    b = m.g.input("bias", bias, [H, "L", "S"] if dims else [H, L, S])
    return m.g, [m.finish(m.g.Add(m.scores(), b))], [attention(m.q, m.k, m.v, add=bias)[0]]


@spelling
def relative_bias_table(dims):
    """T5: a table of buckets read at clipped distances."""
    m = Model(dims=dims)
    g = m.g
    table = draw(5, H, seed=7)
    i, j = positions(g, m, dims)
    bucket = g.Add(g.Clip(g.Sub(j, i), np.int64(-2), np.int64(2)), np.int64(2))
    bias = g.Transpose(g.Gather(g.constant(table), bucket, axis=0), perm=[2, 0, 1])
    add = table[np.clip(J - I, -2, 2) + 2].transpose(2, 0, 1)
    return g, [m.finish(g.Add(m.scores(), g.Unsqueeze(bias, g.ints(0))))], [attention(m.q, m.k, m.v, add=add)[0]]


@spelling
def relative_products(dims):
    """Another product with the query is added: the first is the score, the other a bias."""
    m = Model(dims=dims)
    g = m.g
    r = draw(H, E, 9, seed=7)
    other = g.MatMul(m.names[0], g.constant(r))
    i, j = positions(g, m, dims)
    index = g.Add(g.Clip(g.Sub(j, i), np.int64(-4), np.int64(4)), np.int64(4))
    shape = g.Concat(g.size(m.names[0], 0), g.ints(H), g.size(m.names[0], 2), g.size(m.names[1], 2), axis=0)
    bias = g.GatherElements(other, g.Expand(index, shape), axis=3)
    products = (m.q.astype(np.float64) @ r)
    add = np.take_along_axis(products, np.broadcast_to(np.clip(J - I, -4, 4) + 4, (B, H, L, S)), 3)
    s = g.Div(g.Add(m.scores(False), bias), np.float32(np.sqrt(E)))
    return g, [m.finish(s)], [attention(m.q, m.k, m.v, add=add / np.sqrt(E))[0]]


@spelling
def two_products_of_the_same_shape(dims):
    """Content and position scores (as in DeBERTa and disentangled attention)."""
    m = Model(dims=dims)
    g = m.g
    extra = draw(B, H, S, E, seed=8)
    p = g.input("p", extra, ["B" if dims else B, H, "S" if dims else S, E])
    s = g.Add(m.scores(), g.MatMul(m.names[0], g.Transpose(p, perm=[0, 1, 3, 2])))
    return g, [m.finish(s)], [attention(m.q, m.k, m.v, add=m.q.astype(np.float64) @ extra.swapaxes(-1, -2))[0]]


test_attention = each(FOUND, ["attention"])
