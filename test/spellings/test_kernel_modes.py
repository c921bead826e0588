"""Kernels made in the graph from modes are recurrences; other generated kernels are long convolutions."""
import numpy as np
import pytest

from spelling import Graph, check

B, D, N = 2, 3, 4


def modes(slow=1.0, seed=0):
    rng = np.random.default_rng(seed)
    a = (-slow * rng.uniform(0.1, 0.5, (D, N))).astype(np.float32)
    b = (slow * rng.uniform(0.2, 2.0, (D, N))).astype(np.float32)
    return a, b, rng.standard_normal((D, N)).astype(np.float32), rng.standard_normal((D, N)).astype(np.float32)


def convolved(u, k):
    n = 2 * u.shape[-1]
    return np.fft.irfft(np.fft.rfft(u.astype(np.float64), n) * np.fft.rfft(k, n), n)[..., : u.shape[-1]]


def steps(g, x):
    return g.Cast(g.Range(np.int64(0), g.Squeeze(g.size(x, 2), g.ints(0)), np.int64(1)), to=1)


def causal_conv(g, x, kernel):
    """The kernel (D, L) against x (B, D, L), behind L - 1 zeros."""
    front = g.Sub(g.size(x, 2), g.ints(1))
    padded = g.Pad(x, g.Concat(g.ints(0, 0), front, g.ints(0, 0, 0), axis=0))
    return g.Conv(padded, g.Unsqueeze(g.slice(kernel, -1, -(2**63) + 1, 1, -1), g.ints(1)), group=D)


def build(length, make, slow=1.0):
    g = Graph()
    u = np.random.default_rng(1).standard_normal((B, D, length)).astype(np.float32)
    x = g.input("u", u, ["B", D, "L"])
    a, b, p, q = modes(slow)
    kernel, values = make(g, steps(g, x), a, b, p, q, np.arange(length))
    return g, causal_conv(g, x, kernel), convolved(u, values)


def complex_modes(g, j, a, b, p, q, t):
    wide = lambda v: g.constant(v[:, :, None])
    size = g.Exp(g.Mul(wide(a), j))
    cosine, sine = g.Mul(size, g.Cos(g.Mul(wide(b), j))), g.Mul(size, g.Sin(g.Mul(wide(b), j)))
    part = lambda c, v: g.Einsum(g.constant(c), v, equation="dn,dnl->dl")
    kernel = g.Mul(g.Sub(part(p, cosine), part(q, sine)), np.float32(2))
    z = np.exp((a + 1j * b).astype(np.complex128)[:, :, None] * t)
    return kernel, 2 * ((p + 1j * q)[:, :, None] * z).real.sum(1)


def summed_at_once(g, j, a, b, p, q, t):
    wide = lambda v: g.constant(v[:, :, None])
    turn = g.Mul(j, wide(b))
    both = g.Sub(g.Mul(wide(p), g.Cos(turn)), g.Mul(g.Sin(turn), wide(q)))
    kernel = g.ReduceSum(g.Mul(both, g.Exp(g.Mul(j, wide(a)))), g.ints(1), keepdims=0)
    z = np.exp((a + 1j * b).astype(np.complex128)[:, :, None] * t)
    return kernel, ((p + 1j * q)[:, :, None] * z).real.sum(1)


def real_modes(g, j, a, b, p, q, t):
    kernel = g.Einsum(g.constant(p), g.Exp(g.Mul(g.constant(a[:, :, None]), j)), equation="dn,dnl->dl")
    return kernel, (p.astype(np.float64)[:, :, None] * np.exp(a.astype(np.float64)[:, :, None] * t)).sum(1)


def modes_of_two_kinds(g, j, a, b, p, q, t):
    first, x = real_modes(g, j, a, b, p, q, t)
    second, y = real_modes(g, j, 2 * a, b, q, p, t)
    return g.Add(first, second), x + y


def gaussian(g, j, a, b, p, q, t):
    kernel = g.Einsum(g.constant(p), g.Exp(g.Mul(g.constant(a[:, :, None]), g.Mul(j, j))), equation="dn,dnl->dl")
    return kernel, (p.astype(np.float64)[:, :, None] * np.exp(a.astype(np.float64)[:, :, None] * t * t)).sum(1)


@pytest.mark.parametrize("length", [1, 2, 7, 200])
@pytest.mark.parametrize("make", [complex_modes, summed_at_once, real_modes])
def test_modes(tmp_path, make, length):
    g, y, expected = build(length, make)
    check(tmp_path, g, [y], [expected], ["selective_scan"])


def test_slow_modes(tmp_path):
    """Modes that live as long as the sequence keep their phase."""
    g, y, expected = build(1000, complex_modes, slow=1e-3)
    check(tmp_path, g, [y], [expected], ["selective_scan"], atol=8 * 1.2e-7 * np.sqrt(1000) * abs(expected).max(), rtol=0)


@pytest.mark.parametrize("make", [modes_of_two_kinds, gaussian])
def test_other_kernels(tmp_path, make):
    g, y, expected = build(40, make)
    check(tmp_path, g, [y], [expected], ["long_conv"])
