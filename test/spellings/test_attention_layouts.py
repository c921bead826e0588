"""Shared heads, caches, rotary positions, layouts of queries, keys and values."""
import numpy as np

from attention_model import B, E, F, H, INF, L, S, Graph, Model, attention, draw, each, masked, softmax, table

FOUND, spelling = table()


def shared_heads(dims, spread, groups=2):
    m = Model(shared=groups, dims=dims)
    g = m.g
    k, v = (spread(g, a, groups, d) for a, d in zip(m.names[1:], (E, F)))
    p = g.Softmax(g.MatMul(g.Mul(m.names[0], np.float32(1 / np.sqrt(E))), g.Transpose(k, perm=[0, 1, 3, 2])), axis=-1)
    repeat = lambda a: np.repeat(a, H // groups, axis=1)
    return g, [g.MatMul(p, v)], [attention(m.q, repeat(m.k), repeat(m.v))[0]]


def sizes(g, x, *dims):
    return g.Concat(*[g.size(x, -d) if d < 0 else g.ints(d) for d in dims], axis=0)


@spelling
def groups_by_expand(dims):
    def spread(g, x, n, width):
        y = g.Unsqueeze(x, g.ints(2))
        y = g.Expand(y, g.Concat(g.size(x, 0), g.ints(n, H // n), g.size(x, 2), g.ints(width), axis=0))
        return g.Reshape(y, g.Concat(g.size(x, 0), g.ints(H), g.size(x, 2), g.ints(width), axis=0))
    return shared_heads(dims, spread)


@spelling
def groups_by_expand_with_minus_one(dims):
    """As the exporter of torchscript asks: where the shape is -1, one."""
    def spread(g, x, n, width):
        y = g.Unsqueeze(x, g.ints(2))
        shape = g.Concat(g.size(x, 0), g.ints(n, H // n), g.size(x, 2), g.ints(width), axis=0)
        minus = g.Mul(g.ConstantOfShape(g.ints(5), value=__import__("onnx").numpy_helper.from_array(np.ones(1, np.int64))), np.int64(-1))
        shape = g.Where(g.Equal(shape, minus), np.ones(5, np.int64), shape)
        return g.Reshape(g.Expand(y, shape), g.Concat(g.size(x, 0), g.ints(H), g.size(x, 2), g.ints(width), axis=0))
    return shared_heads(dims, spread)


@spelling
def groups_by_tile(dims):
    def spread(g, x, n, width):
        y = g.Tile(g.Unsqueeze(x, g.ints(2)), g.ints(1, 1, H // n, 1, 1))
        return g.Reshape(y, g.Concat(g.size(x, 0), g.ints(H), g.size(x, 2), g.ints(width), axis=0))
    return shared_heads(dims, spread)


@spelling
def groups_by_gather(dims):
    return shared_heads(dims, lambda g, x, n, width: g.Gather(x, np.repeat(np.arange(n), H // n), axis=1))


@spelling
def groups_by_concat(dims):
    def spread(g, x, n, width):
        heads = [g.slice(x, h, h + 1, 1) for h in range(n)]
        return g.Concat(*[h for h in heads for _ in range(H // n)], axis=1)
    return shared_heads(dims, spread)


@spelling
def groups_by_split_queries(dims):
    """Queries of a group side by side; keys and values broadcast."""
    n = 2
    m = Model(shared=n, dims=dims)
    g = m.g
    q = g.Reshape(m.names[0], g.Concat(g.ints(0, n, H // n), g.size(m.names[0], 2), g.ints(E), axis=0))
    k, v = (g.Unsqueeze(x, g.ints(2)) for x in m.names[1:])
    s = g.Div(g.MatMul(q, g.Transpose(k, perm=[0, 1, 2, 4, 3])), np.float32(np.sqrt(E)))
    y = g.MatMul(g.Softmax(s, axis=-1), v)
    y = g.Reshape(y, g.Concat(g.ints(0, H), g.size(m.names[0], 2), g.ints(F), axis=0))
    repeat = lambda a: np.repeat(a, H // n, axis=1)
    return g, [y], [attention(m.q, repeat(m.k), repeat(m.v))[0]]


@spelling
def one_shared_head(dims):
    m = Model(shared=1, dims=dims)
    return m.g, [m.finish(m.scores())], [attention(m.q, m.k, m.v)[0]]


def rotate(g, x, cos, sin):
    left, right = g.slice(x, 0, E // 2, 3), g.slice(x, E // 2, E, 3)
    return g.Add(g.Mul(x, cos), g.Mul(g.Concat(g.Neg(right), left, axis=-1), sin))


@spelling
def rotary(dims):
    m = Model(length=S, dims=False)
    g = m.g
    angle = np.arange(S)[:, None] * 10000.0 ** (-np.arange(E // 2) / (E // 2))
    angle = np.concatenate([angle, angle], -1)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = lambda x: x * cos + np.concatenate([-x[..., E // 2:], x[..., : E // 2]], -1) * sin
    q, k = (rotate(g, x, cos, sin) for x in m.names[:2])
    p = g.Softmax(g.Div(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(np.sqrt(E))), axis=-1)
    return g, [g.MatMul(p, m.names[2])], [attention(turn(m.q.astype(np.float64)), turn(m.k.astype(np.float64)), m.v)[0]]


def cached(dims, write):
    """New keys and values behind those of the cache, which is an output too."""
    m = Model(dims=dims, length=2, keys=2)
    g = m.g
    pk, pv = draw(B, H, 5, E, seed=11), draw(B, H, 5, F, seed=12)
    past = [g.input(n, a, ["B" if dims else B, H, "P" if dims else 5, a.shape[-1]]) for n, a in (("pk", pk), ("pv", pv))]
    k, v = (write(g, p, x) for p, x in zip(past, m.names[1:]))
    s = g.Mul(g.MatMul(m.names[0], g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(1 / np.sqrt(E)))
    j = g.Range(np.int64(0), g.Squeeze(g.size(k, 2), g.ints(0)), np.int64(1))
    i = g.Add(g.Range(np.int64(0), g.Squeeze(g.size(m.names[0], 2), g.ints(0)), np.int64(1)), g.size(past[0], 2))
    s = g.Where(g.LessOrEqual(g.Unsqueeze(j, g.ints(0)), g.Unsqueeze(i, g.ints(1))), s, INF)
    keys, values = np.concatenate([pk, m.k], 2), np.concatenate([pv, m.v], 2)
    keep = np.arange(7)[None] <= np.arange(2)[:, None] + 5
    return g, [g.MatMul(g.Softmax(s, axis=-1), v), k, v], [attention(m.q, keys, values, change=masked(keep))[0], keys, values]


@spelling
def cache_by_concat(dims):
    return cached(dims, lambda g, p, x: g.Concat(p, x, axis=2))


@spelling
def cache_by_scatter(dims):
    """Into a buffer of fixed size at given places."""
    m = Model(dims=False, length=1, keys=1)
    g = m.g
    pk, pv = draw(B, H, S, E, seed=11), draw(B, H, S, F, seed=12)
    at = np.array([3], np.int64)
    place = g.input("at", at)
    def write(n, a, x):
        first = g.Transpose(g.input(n, a), perm=[2, 0, 1, 3])
        y = g.ScatterND(first, g.Unsqueeze(place, g.ints(1)), g.Transpose(x, perm=[2, 0, 1, 3]))
        return g.Transpose(y, perm=[1, 2, 0, 3])
    k, v = write("pk", pk, m.names[1]), write("pv", pv, m.names[2])
    s = g.Mul(g.MatMul(m.names[0], g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(1 / np.sqrt(E)))
    j = g.constant(np.arange(S))
    s = g.Where(g.LessOrEqual(j, place), s, INF)
    keys, values = pk.copy(), pv.copy()
    keys[:, :, 3:4], values[:, :, 3:4] = m.k, m.v
    return g, [g.MatMul(g.Softmax(s, axis=-1), v), k, v], [
        attention(m.q, keys, values, change=masked(np.arange(S) <= 3))[0], keys, values]


@spelling
def cache_by_tensor_scatter(dims):
    m = Model(dims=False, length=1, keys=1, opset=24)
    g = m.g
    pk, pv = draw(B, H, S, E, seed=11), draw(B, H, S, F, seed=12)
    at = np.array([3, 5], np.int64)
    place = g.input("at", at)
    k, v = (g.TensorScatter(g.input(n, a), x, place, axis=2) for n, a, x in (("pk", pk, m.names[1]), ("pv", pv, m.names[2])))
    s = g.Mul(g.MatMul(m.names[0], g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(1 / np.sqrt(E)))
    s = g.Where(g.LessOrEqual(g.constant(np.arange(S)), g.Reshape(place, g.ints(B, 1, 1, 1))), s, INF)
    keys, values = pk.copy(), pv.copy()
    for b in range(B):
        keys[b, :, at[b]], values[b, :, at[b]] = m.k[b, :, 0], m.v[b, :, 0]
    keep = np.arange(S) <= at[:, None, None, None]
    return g, [g.MatMul(g.Softmax(s, axis=-1), v), k, v], [attention(m.q, keys, values, change=masked(keep))[0], keys, values]


# Layouts: from one projection, (B, L, H E).

def packed(dims, split):
    """q, k, v in one tensor (B, L, 3 H E)."""
    x = draw(B, L, 3 * H * E, seed=4)
    g = Graph()
    name = g.input("x", x, ["B", "L", 3 * H * E] if dims else None)
    q, k, v = split(g, name)
    s = g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), np.float32(1 / np.sqrt(E)))
    y = g.MatMul(g.Softmax(s, axis=-1), v)
    y = g.Reshape(g.Transpose(y, perm=[0, 2, 1, 3]), g.ints(0, 0, H * E))
    a = x.reshape(B, L, 3, H, E).transpose(2, 0, 3, 1, 4)
    return g, [y], [attention(*a)[0].transpose(0, 2, 1, 3).reshape(B, L, H * E)]


@spelling
def packed_split(dims):
    def split(g, x):
        parts = g.node("Split", [x], outputs=3, axis=-1, num_outputs=3)
        return [g.Transpose(g.Reshape(p, g.ints(0, 0, H, E)), perm=[0, 2, 1, 3]) for p in parts]
    return packed(dims, split)


@spelling
def packed_gather(dims):
    def split(g, x):
        y = g.Transpose(g.Reshape(x, g.ints(0, 0, 3, H, E)), perm=[2, 0, 3, 1, 4])
        return [g.Gather(y, np.int64(c), axis=0) for c in range(3)]
    return packed(dims, split)


@spelling
def packed_slice(dims):
    def split(g, x):
        y = g.Reshape(x, g.ints(0, 0, 3 * H, E))
        return [g.Transpose(g.slice(y, c * H, (c + 1) * H, 2), perm=[0, 2, 1, 3]) for c in range(3)]
    return packed(dims, split)


@spelling
def heads_folded_into_batch(dims):
    """(B H, L, E), as torch's multi_head_attention_forward; time first outside."""
    x = [draw(L, B, H * E, seed=s) for s in (1, 2, 3)]
    g = Graph()
    names = [g.input(n, a, ["L", "B", H * E] if dims else None) for n, a in zip("qkv", x)]
    fold = lambda a: g.Transpose(g.Reshape(a, g.Concat(g.size(a, 0), g.Mul(g.size(a, 1), g.ints(H)), g.ints(E), axis=0)), perm=[1, 0, 2])
    q, k, v = (fold(a) for a in names)
    q = g.Mul(q, np.float32(1 / np.sqrt(E)))
    p = g.Softmax(g.MatMul(q, g.Transpose(k, perm=[0, 2, 1])), axis=-1)
    y = g.Reshape(g.Transpose(g.MatMul(p, v), perm=[1, 0, 2]), g.Concat(g.size(names[0], 0), g.size(names[0], 1), g.ints(H * E), axis=0))
    a = [t.reshape(L, B, H, E).transpose(1, 2, 0, 3) for t in x]
    return g, [y], [attention(*a)[0].transpose(2, 0, 1, 3).reshape(L, B, H * E)]


@spelling
def einsum_with_heads_behind(dims):
    x = [draw(B, n, H, w, seed=s) for s, n, w in ((1, L, E), (2, S, E), (3, S, F))]
    g = Graph()
    names = [g.input(n, a, ["B", t, H, a.shape[-1]] if dims else None) for n, t, a in zip("qkv", "LSS", x)]
    s = g.Einsum(*names[:2], equation="blhe,bshe->bhls")
    y = g.Einsum(g.Softmax(g.Mul(np.float32(1 / np.sqrt(E)), s), axis=-1), names[2], equation="bhls,bshf->blhf")
    return g, [y], [attention(*[a.transpose(0, 2, 1, 3) for a in x])[0].transpose(0, 2, 1, 3)]


@spelling
def columns_of_keys(dims):
    """Transposed throughout: softmax over axis -2 of (S, L)."""
    m = Model(dims=dims)
    g = m.g
    s = g.MatMul(m.names[1], g.Transpose(m.names[0], perm=[0, 1, 3, 2]))
    p = g.Softmax(g.Mul(s, np.float32(1 / np.sqrt(E))), axis=-2)
    y = g.MatMul(g.Transpose(m.names[2], perm=[0, 1, 3, 2]), p)
    return g, [g.Transpose(y, perm=[0, 1, 3, 2])], [attention(m.q, m.k, m.v)[0]]


@spelling
def multiplied_and_summed(dims):
    m = Model(dims=dims)
    g = m.g
    q, k, v = m.names
    s = g.ReduceSum(g.Mul(g.Unsqueeze(q, g.ints(3)), g.Unsqueeze(k, g.ints(2))), g.ints(-1), keepdims=0)
    p = g.Softmax(g.Div(s, np.float32(np.sqrt(E))), axis=-1)
    y = g.ReduceSum(g.Mul(g.Unsqueeze(p, g.ints(4)), g.Unsqueeze(v, g.ints(2))), g.ints(3), keepdims=0)
    return g, [y], [attention(m.q, m.k, m.v)[0]]


@spelling
def decode_step(dims):
    m = Model(length=1, dims=False)
    g = m.g
    q = g.Squeeze(m.names[0], g.ints(2))
    s = g.Einsum(q, m.names[1], equation="bhe,bhse->bhs")
    y = g.Einsum(g.Softmax(g.Mul(s, np.float32(1 / np.sqrt(E))), axis=-1), m.names[2], equation="bhs,bhsf->bhf")
    return g, [y], [attention(m.q, m.k, m.v)[0][:, :, 0]]


@spelling
def window_partition(dims):
    """Swin: an 4 x 4 image cut into 2 x 2 windows, shifted by one, with a mask of regions and a relative bias."""
    side, w = 4, 2
    x = [draw(B, side, side, H * E, seed=s) for s in (1, 2, 3)]
    g = Graph()
    names = [g.input(n, a, ["B", side, side, H * E] if dims else None) for n, a in zip("qkv", x)]
    n = side // w

    def roll(a, by):
        for axis in (1, 2):
            a = g.Concat(g.slice(a, by, side, axis), g.slice(a, 0, by, axis), axis=axis)
        return a

    def windows(a):
        a = g.Reshape(roll(a, 1), g.ints(-1, n, w, n, w, H * E))
        a = g.Reshape(g.Transpose(a, perm=[0, 1, 3, 2, 4, 5]), g.ints(-1, w * w, H, E))
        return g.Transpose(a, perm=[0, 2, 1, 3])

    region = np.zeros((side, side), np.int64)
    for a, rows in enumerate((slice(0, 2), slice(2, 3), slice(3, 4))):
        for b, columns in enumerate((slice(0, 2), slice(2, 3), slice(3, 4))):
            region[rows, columns] = 3 * a + b
    region = region.reshape(n, w, n, w).transpose(0, 2, 1, 3).reshape(n * n, w * w)
    mask = np.where(region[:, :, None] == region[:, None], 0, -100).astype(np.float32)
    bias = draw(H, w * w, w * w, seed=9)
    q, k, v = (windows(a) for a in names)
    s = g.Add(g.MatMul(g.Mul(q, np.float32(1 / np.sqrt(E))), g.Transpose(k, perm=[0, 1, 3, 2])), bias)
    s = g.Add(g.Reshape(s, g.ints(-1, n * n, H, w * w, w * w)), g.constant(mask[:, None]))
    p = g.Softmax(g.Reshape(s, g.ints(-1, H, w * w, w * w)), axis=-1)
    y = g.Reshape(g.Transpose(g.MatMul(p, v), perm=[0, 2, 1, 3]), g.ints(-1, n, n, w, w, H * E))
    y = g.Reshape(g.Transpose(y, perm=[0, 1, 3, 2, 4, 5]), g.ints(-1, side, side, H * E))
    y = roll(y, side - 1)
    def cut(a):
        a = np.roll(a, (-1, -1), (1, 2)).reshape(B, n, w, n, w, H, E).transpose(0, 1, 3, 5, 2, 4, 6)
        return a.reshape(B, n * n, H, w * w, E)
    out = attention(*[cut(a) for a in x], add=bias + mask[:, None])[0]
    out = out.reshape(B, n, n, H, w, w, E).transpose(0, 1, 4, 2, 5, 3, 6).reshape(B, side, side, H * E)
    return g, [y], [np.roll(out, (1, 1), (1, 2))]


test_attention = each(FOUND, ["attention"])
