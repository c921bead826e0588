"""Linear attention with a decay, chunk by chunk: whatever way the chunks are spelled and stacked, one recurrence over time."""
import numpy as np
import pytest

from spelling import Graph, check

B, H, K, V = 2, 2, 4, 6


def reference(q, k, v, g, initial=None):
    """S_t = exp(g_t) S_{t-1} + k_t v_t^T, o_t = S_t^T q_t, in float64; and the last state."""
    q, k, v, g = (np.asarray(a, np.float64) for a in (q, k, v, g))
    g = np.broadcast_to(g if g.ndim == 4 else g[..., None], k.shape)
    s = np.zeros((B, H, K, v.shape[-1])) if initial is None else np.asarray(initial, np.float64)
    out = np.zeros(v.shape)
    for t in range(q.shape[2]):
        s = np.exp(g[:, :, t, :, None]) * s + k[:, :, t, :, None] * v[:, :, t, None, :]
        out[:, :, t] = np.einsum("bhkv,bhk->bhv", s, q[:, :, t])
    return out, s


def drawn(length, seed=0):
    rng = np.random.default_rng(length + seed)
    q, k, v = (rng.standard_normal((B, H, length, d)).astype(np.float32) for d in (K, K, V))
    return q, k, v, -rng.uniform(0.05, 1.5, (B, H, length)).astype(np.float32)


class Chunks:
    """The parts of one chunk after the other; `decay` gives the cumulative logarithm inside of a chunk."""

    def __init__(self, length, chunk):
        self.g, self.chunk, self.count = Graph(), chunk, length // chunk
        self.arrays = drawn(length)
        self.q, self.k, self.v, self.decay = (self.g.input(n, a) for n, a in zip("qkvg", self.arrays))
        self.mask = self.g.constant(np.tril(np.ones((chunk, chunk), bool)))

    def part(self, x, c):
        return self.g.slice(x, c * self.chunk, (c + 1) * self.chunk, 2)

    def step(self, c, state):
        """Output of the chunk, and the state behind it."""
        g = self.g
        q, k, v = (self.part(x, c) for x in (self.q, self.k, self.v))
        total = g.CumSum(self.part(self.decay, c), np.int64(2))
        last = g.slice(total, self.chunk - 1, self.chunk, 2)
        column = lambda x: g.Unsqueeze(x, g.ints(3))
        distance = g.Where(self.mask, g.Sub(column(total), g.Unsqueeze(total, g.ints(2))), np.float32(-np.inf))
        scores = g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), g.Exp(distance))
        out = g.Add(g.MatMul(scores, v), g.Mul(column(g.Exp(total)), g.MatMul(q, state)))
        kept = g.Mul(k, column(g.Exp(g.Sub(last, total))))
        return out, g.Add(g.Mul(column(g.Exp(last)), state), g.MatMul(g.Transpose(kept, perm=[0, 1, 3, 2]), v))

    def pieces(self):
        state = self.g.constant(np.zeros((B, H, K, V)))
        outs = []
        for c in range(self.count):
            out, state = self.step(c, state)
            outs.append(out)
        return outs


def stacked(chunks, pieces, way, places):
    """Chunk c goes to place places[c] of a buffer of zeros."""
    g, q = chunks.g, chunks.chunk
    length = q * chunks.count
    if way == "slots":
        y = g.Expand(np.float32(0), g.ints(B, H, chunks.count, q, V))
        for piece, c in zip(pieces, places):
            where = g.Expand(np.int64(c), g.ints(B, H, 1, q, V))
            y = g.ScatterElements(y, where, g.Unsqueeze(piece, g.ints(2)), axis=2)
        return g.Reshape(y, g.ints(B, H, length, V))
    y = g.ConstantOfShape(g.ints(B, H, length, V))
    turn = dict(perm=[2, 1, 0, 3])
    for piece, c in zip(pieces, places):
        rows = np.arange(c * q, (c + 1) * q)[:, None]
        y = g.Transpose(g.ScatterND(g.Transpose(y, **turn), rows, g.Transpose(piece, **turn)), **turn)
    return y


@pytest.mark.parametrize("chunk", [3, 4])
@pytest.mark.parametrize("way", ["slots", "rows"])
def test_written_to_a_buffer(tmp_path, way, chunk):
    chunks = Chunks(12, chunk)
    y = stacked(chunks, chunks.pieces(), way, range(chunks.count))
    check(tmp_path, chunks.g, [y], [reference(*chunks.arrays)[0]], ["semiseparable"])


@pytest.mark.parametrize("way", ["slots", "rows"])
@pytest.mark.parametrize("places", [[0, 2, 1], [0, 1, 1]])
def test_written_to_other_places_is_no_recurrence_over_time(tmp_path, way, places):
    chunks = Chunks(12, 4)
    y = stacked(chunks, chunks.pieces(), way, places)
    out, expected = reference(*chunks.arrays)[0], np.zeros((B, H, 12, V))
    for c, p in enumerate(places):
        expected[:, :, p * 4:(p + 1) * 4] = out[:, :, c * 4:(c + 1) * 4]
    # Every chunk by itself is one.
    check(tmp_path, chunks.g, [y], [expected], ["semiseparable"] * 3)
