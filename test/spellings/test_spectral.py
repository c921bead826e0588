"""Convolutions written as products of spectra, and products that are none."""
import numpy as np
import pytest

from spelling import Graph, check

B, D, L = 2, 3, 11


def sequences(length=L, taps=None, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((B, D, length)).astype(np.float32), rng.standard_normal((D, taps or length)).astype(np.float32)


def causal(u, k, length=None):
    u, k = u.astype(np.float64), k.astype(np.float64)
    y = np.zeros((*u.shape[:-1], length or u.shape[-1]))
    for t in range(y.shape[-1]):
        for j in range(min(t + 1, k.shape[-1])):
            if t - j < u.shape[-1]:
                y[..., t] += k[..., j] * u[..., t - j]
    return y


class Spectra:
    """Transforms along the last axis (the one before the parts); n is a number or the name of a scalar."""

    def __init__(self, g, half=True, axis=None):
        self.g, self.half, self.axis = g, half, axis

    def dft(self, x, n, rank, **attributes):
        axis = rank - 2 if self.axis is None else self.axis
        n = n if isinstance(n, str) or n is None else np.int64(n)
        if self.g.opset < 20:
            return self.g.DFT(x, n, axis=axis, **attributes)
        return self.g.DFT(x, n, np.int64(axis), **attributes)

    def forward(self, x, n, rank):
        y = self.dft(self.g.Unsqueeze(x, self.g.ints(rank)), n, rank + 1, onesided=int(self.half))
        return [self.g.Squeeze(self.g.slice(y, p, p + 1, rank), self.g.ints(rank)) for p in (0, 1)]

    def join(self, re, im, rank):
        return self.g.Concat(*[self.g.Unsqueeze(p, self.g.ints(rank)) for p in (re, im)], axis=rank)

    def inverse(self, re, im, n, rank):
        y = self.dft(self.join(re, im, rank), n if self.half else None, rank + 1, inverse=1, onesided=int(self.half))
        return self.g.Squeeze(self.g.slice(y, 0, 1, rank), self.g.ints(rank))


def times(g, a, b):
    return g.Sub(g.Mul(a[0], b[0]), g.Mul(a[1], b[1])), g.Add(g.Mul(a[0], b[1]), g.Mul(a[1], b[0]))


def three_products(g, a, b):
    p, q, r = g.Mul(a[0], b[0]), g.Mul(a[1], b[1]), g.Mul(g.Add(a[0], a[1]), g.Add(b[1], b[0]))
    return g.Sub(p, q), g.Sub(g.Sub(r, p), q)


def other_order(g, a, b):
    return g.Add(g.Neg(g.Mul(b[1], a[1])), g.Mul(b[0], a[0])), g.Add(g.Mul(b[0], a[1]), g.Mul(a[0], b[1]))


def with_conjugate(g, a, b):
    return times(g, a, (b[0], g.Neg(b[1])))


def with_wrong_sign(g, a, b):
    return g.Add(g.Mul(a[0], b[0]), g.Mul(a[1], b[1])), g.Add(g.Mul(a[0], b[1]), g.Mul(a[1], b[0]))


def build(u, k, n, product=times, half=True, opset=20, dims=None):
    g = Graph(opset)
    s = Spectra(g, half)
    x = g.input("u", u, dims)
    re, im = product(g, s.forward(x, n, 3), s.forward(g.input("k", k), n, 2))
    return g, s, g.slice(s.inverse(re, im, n, 3), 0, u.shape[-1], 2)


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("n", [2 * L - 1, 2 * L, 32])
def test_long_enough(tmp_path, n, half, opset):
    u, k = sequences()
    g, _, y = build(u, k, n, half=half, opset=opset)
    check(tmp_path, g, [y], [causal(u, k)], ["long_conv"])


@pytest.mark.parametrize("half", [True, False])
def test_wraps_around(tmp_path, half):
    u, k = sequences()
    n = 2 * L - 2
    g, _, y = build(u, k, n, half=half)
    spectrum = np.fft.fft(u.astype(np.float64), n) * np.fft.fft(k.astype(np.float64), n)
    check(tmp_path, g, [y], [np.fft.ifft(spectrum).real[..., :L]], [])


def test_short_kernel(tmp_path):
    u, k = sequences(taps=4)
    g, _, y = build(u, k, L + 3)
    check(tmp_path, g, [y], [causal(u, k)], ["long_conv"])


@pytest.mark.parametrize("product", [three_products, other_order])
def test_products(tmp_path, product):
    u, k = sequences()
    g, _, y = build(u, k, 2 * L, product)
    check(tmp_path, g, [y], [causal(u, k)], ["long_conv"])


@pytest.mark.parametrize("product", [with_conjugate, with_wrong_sign])
def test_other_products(tmp_path, product):
    u, k = sequences()
    n = 2 * L
    g, _, y = build(u, k, n, product)
    a, b = np.fft.fft(u.astype(np.float64), n), np.fft.fft(k.astype(np.float64), n)
    if product is with_conjugate:
        expected = np.fft.ifft(a * b.conj()).real
    else:
        re, im = a.real * b.real + a.imag * b.imag, a.real * b.imag + a.imag * b.real
        expected = np.fft.irfft((re + 1j * im)[..., : n // 2 + 1], n)
    check(tmp_path, g, [y], [expected[..., :L]], [])


def mirrored(g, re, im, n):
    """The other half of a spectrum: elements n/2 - 1 ... 1, conjugate."""
    def back(v):
        return g.slice(v, n // 2 - 1, 0, 2, -1)
    return g.Concat(re, back(re), axis=2), g.Concat(im, g.Neg(back(im)), axis=2)


@pytest.mark.parametrize("right", [True, False])
def test_other_half_by_hand(tmp_path, right):
    u, k = sequences()
    n = 2 * L
    g = Graph()
    s = Spectra(g)
    re, im = times(g, s.forward(g.input("u", u), n, 3), s.forward(g.input("k", k), n, 2))
    s.half = False
    re, im = mirrored(g, re, im, n)
    if not right:  # not the conjugate
        im = g.Concat(g.slice(im, 0, n // 2 + 1, 2), g.Neg(g.slice(im, n // 2 + 1, n, 2)), axis=2)
    y = g.slice(s.inverse(re, im, n, 3), 0, L, 2)
    expected = causal(u, k)
    if not right:
        half = np.fft.rfft(u.astype(np.float64), n) * np.fft.rfft(k.astype(np.float64), n)
        expected = np.fft.ifft(np.concatenate([half, half[..., -2:0:-1]], axis=-1)).real[..., :L]
    check(tmp_path, g, [y], [expected], ["long_conv"] if right else [])


def test_scaled(tmp_path):
    """rfft(k) / n, and n times the inverse."""
    u, k = sequences()
    n = 2 * L
    g = Graph()
    s = Spectra(g)
    kernel = [g.Div(p, np.float32(n)) for p in s.forward(g.input("k", k), n, 2)]
    re, im = times(g, kernel, s.forward(g.input("u", u), n, 3))
    y = s.inverse(g.Mul(re, np.float32(n)), g.Mul(np.float32(n), im), n, 3)
    check(tmp_path, g, [g.slice(y, 0, L, 2)], [causal(u, k)], ["long_conv"])


def test_time_before_channels(tmp_path):
    u, k = sequences()
    g = Graph()
    x, w = g.input("u", u.transpose(0, 2, 1).copy()), g.input("k", k.T.copy())
    n = np.int64(2 * L)
    spectrum = lambda v, rank, axis: g.DFT(g.Unsqueeze(v, g.ints(rank)), n, np.int64(axis), onesided=1)
    a, b = spectrum(x, 3, 1), spectrum(w, 2, 0)
    part = lambda v, p: g.Gather(v, np.int64(p), axis=-1)
    re, im = times(g, (part(a, 0), part(a, 1)), (part(b, 0), part(b, 1)))
    joined = g.Concat(g.Unsqueeze(re, g.ints(3)), g.Unsqueeze(im, g.ints(3)), axis=-1)
    y = g.slice(g.Squeeze(g.DFT(joined, n, np.int64(1), inverse=1, onesided=1), g.ints(-1)), 0, L, 1)
    check(tmp_path, g, [y], [causal(u, k).transpose(0, 2, 1)], ["long_conv"])


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("length", [1, 2, 9, 40])
def test_any_length(tmp_path, length, padded):
    """n = 2 L, from the shape; the sequence with its zeros, or none."""
    u, k = sequences(length=length)
    k = np.abs(k)
    g = Graph()
    s = Spectra(g)
    x = g.input("u", u, ["B", D, "L"])
    steps = g.size(x, 2)
    n = g.Squeeze(g.Mul(steps, g.ints(2)), g.ints(0))
    kernel = g.Exp(g.Neg(g.Mul(g.constant(k[:, :1]), g.Cast(g.Range(np.int64(0), g.Squeeze(steps, g.ints(0)), np.int64(1)), to=1))))
    if padded:
        x, kernel = (g.Pad(v, g.Concat(*[g.ints(0)] * (2 * r - 1), steps, axis=0)) for v, r in ((x, 3), (kernel, 2)))
    re, im = times(g, s.forward(x, n, 3), s.forward(kernel, n, 2))
    y = g.Slice(s.inverse(re, im, n, 3), g.ints(0), steps, g.ints(2))
    values = np.exp(-k[:, :1].astype(np.float64) * np.arange(length))
    check(tmp_path, g, [y], [causal(u, values)], ["long_conv"], atol=1e-4, rtol=1e-3)


def test_the_whole_result_is_read_too(tmp_path):
    """The tail of the convolution is an output of the model: the transform stays for it."""
    u, k = sequences()
    n = 2 * L
    g = Graph()
    s = Spectra(g)
    re, im = times(g, s.forward(g.input("u", u), n, 3), s.forward(g.input("k", k), n, 2))
    whole = s.inverse(re, im, n, 3)
    check(tmp_path, g, [g.slice(whole, 0, L, 2), g.slice(whole, L, n, 2)],
          [causal(u, k), causal(u, k, n)[..., L:]], ["long_conv"])
