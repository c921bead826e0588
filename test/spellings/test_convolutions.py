"""Spellings of causal convolutions, and what only looks like one."""
import numpy as np
import pytest

from spelling import Graph, check

B, D, L = 2, 6, 13


def inputs(taps, seed=0, length=L, channels=D, filters=D):
    rng = np.random.default_rng(seed)
    draw = lambda *s: rng.standard_normal(s).astype(np.float32)
    return draw(B, channels, length), draw(filters, 1, taps), draw(filters)


def causal(x, w, bias=None, delay=0, length=None):
    """y[t] = bias + sum_j w[j] x[t - delay - K + 1 + j] in float64, x zero outside of its ends."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    taps, length = w.shape[-1], length or x.shape[-1]
    repeat = w.shape[0] // x.shape[1]
    y = np.zeros((x.shape[0], w.shape[0], length))
    for t in range(length):
        for j in range(taps):
            s = t - delay - taps + 1 + j
            if 0 <= s < x.shape[-1]:
                y[:, :, t] += w[:, 0, j] * np.repeat(x[:, :, s], repeat, axis=1)
    return y + (0 if bias is None else bias.astype(np.float64)[:, None])


def conv(g, x, w, *bias, **attributes):
    return g.Conv(x, w, *bias, **{"group": D, **attributes})


CAUSAL = {}
NOT_CAUSAL = {}


def spelling(table, **options):
    def add(f):
        table[f.__name__] = (f, options)
        return f
    return add


@spelling(CAUSAL)
def pads_in_front(g, x, w, b):
    return conv(g, x, w, b, pads=[3, 0])


@spelling(CAUSAL)
def pads_on_both_sides(g, x, w, b):
    return g.slice(conv(g, x, w, b, pads=[3, 3]), 0, L, 2)


@spelling(CAUSAL)
def cut_by_the_length_of_the_input(g, x, w, b):
    return g.Slice(conv(g, x, w, b, pads=[3, 3]), g.ints(0), g.size(x, 2), g.ints(2))


@spelling(CAUSAL)
def cut_from_the_end(g, x, w, b):
    return g.slice(conv(g, x, w, b, pads=[3, 3]), 0, -3, 2)


@spelling(CAUSAL)
def pad_operator(g, x, w, b):
    return conv(g, g.Pad(x, g.ints(0, 0, 3, 0, 0, 0)), w, b)


@spelling(CAUSAL)
def pad_operator_with_axes(g, x, w, b):
    return conv(g, g.Pad(x, g.ints(3, 0), np.float32(0), g.ints(-1)), w, b)


@spelling(CAUSAL)
def zeros_concatenated(g, x, w, b):
    return conv(g, g.Concat(np.zeros((B, D, 3), np.float32), x, axis=-1), w, b)


@spelling(CAUSAL)
def bias_added_after(g, x, w, b):
    return g.Add(g.Reshape(b, g.ints(D, 1)), conv(g, x, w, pads=[3, 0]))


@spelling(CAUSAL)
def two_dims(g, x, w, b):
    return g.Squeeze(conv(g, g.Unsqueeze(x, g.ints(2)), g.Unsqueeze(w, g.ints(2)), b, pads=[0, 3, 0, 0]), g.ints(2))


@spelling(CAUSAL)
def two_dims_behind(g, x, w, b):
    y = conv(g, g.Unsqueeze(x, g.ints(-1)), g.Unsqueeze(w, g.ints(-1)), b, pads=[3, 0, 3, 0])
    return g.Squeeze(g.slice(y, 0, L, 2), g.ints(3))


@spelling(CAUSAL, time_first=True)
def transposed(g, x, w, b):
    return g.Transpose(conv(g, g.Transpose(x, perm=[0, 2, 1]), w, b, pads=[3, 0]), perm=[0, 2, 1])


@spelling(CAUSAL, delay=2)
def delayed(g, x, w, b):
    return g.slice(conv(g, x, w, b, pads=[5, 0]), 0, L, 2)


@spelling(NOT_CAUSAL, length=L + 3)
def with_its_tail(g, x, w, b):
    return conv(g, x, w, b, pads=[3, 3])


@spelling(CAUSAL, length=L - 2)
def shortened(g, x, w, b):
    return g.slice(conv(g, x, w, b, pads=[3, 0]), 0, L - 2, 2)


@spelling(CAUSAL)
def shifted_and_added(g, x, w, b):
    p = g.Pad(x, g.ints(0, 0, 3, 0, 0, 0))
    taps = g.Squeeze(w, g.ints(1))
    terms = [g.Mul(g.slice(p, j, j + L, 2), g.slice(taps, j, j + 1, 1)) for j in range(4)]
    return g.Add(g.Add(g.Add(terms[2], terms[0]), g.Add(terms[3], terms[1])), g.Unsqueeze(b, g.ints(1)))


@spelling(CAUSAL)
def windows_multiplied_and_summed(g, x, w, b):
    p = g.Pad(x, g.ints(0, 0, 3, 0, 0, 0))
    windows = g.Concat(*[g.Unsqueeze(g.slice(p, j, j + L, 2), g.ints(3)) for j in range(4)], axis=3)
    return g.Add(g.ReduceSum(g.Mul(windows, w), g.ints(3), keepdims=0), g.Unsqueeze(b, g.ints(1)))


@spelling(NOT_CAUSAL, delay=-1)
def looks_ahead(g, x, w, b):
    return conv(g, x, w, b, pads=[2, 1])


@spelling(NOT_CAUSAL, delay=-3)
def runs_backwards(g, x, w, b):
    return conv(g, x, w, b, pads=[0, 3])


@spelling(NOT_CAUSAL, delay=-3)
def cut_at_the_wrong_end(g, x, w, b):
    return g.slice(conv(g, x, w, b, pads=[3, 3]), 3, L + 3, 2)


def run(tmp_path, f, options, kinds):
    x, w, b = inputs(4)
    g = Graph()
    first = options.get("time_first")
    fed = x.transpose(0, 2, 1).copy() if first else x
    y = causal(x, w, b, options.get("delay", 0), options.get("length"))
    out = f(g, g.input("x", fed, options.get("dims")), g.constant(w), g.constant(b))
    check(tmp_path, g, [out], [y.transpose(0, 2, 1) if first else y], kinds)


@pytest.mark.parametrize("name", CAUSAL)
def test_causal(tmp_path, name):
    run(tmp_path, *CAUSAL[name], ["causal_conv"])


@pytest.mark.parametrize("name", [n for n, (f, o) in CAUSAL.items() if "zeros" not in n and "length" not in o and "time_first" not in o])
def test_causal_of_any_batch(tmp_path, name):
    f, options = CAUSAL[name]
    run(tmp_path, f, {**options, "dims": ["B", D, L]}, ["causal_conv"])


@pytest.mark.parametrize("name", NOT_CAUSAL)
def test_not_causal(tmp_path, name):
    run(tmp_path, *NOT_CAUSAL[name], [])


@pytest.mark.parametrize("length", [1, 2, 5, 40, 41])
def test_any_length(tmp_path, length):
    x, w, b = inputs(4, length=length)
    g = Graph()
    name = g.input("x", x, ["B", D, "L"])
    y = conv(g, name, g.constant(w), g.constant(b), pads=[3, 3])
    check(tmp_path, g, [g.Slice(y, g.ints(0), g.size(name, 2), g.ints(2))], [causal(x, w, b)], ["causal_conv"])


@pytest.mark.parametrize("behind", [0, 2])
def test_zeros_cut_off_are_not_the_sequence(tmp_path, behind):
    """Behind a slice, padding reads zeros where the sequence goes on."""
    x, w, _ = inputs(4)
    g = Graph()
    cut = g.slice(g.input("x", x), 0, L - 2, 2)
    expected = causal(x[:, :, : L - 2], w, length=L - 2 + behind)
    check(tmp_path, g, [conv(g, cut, g.constant(w), pads=[3, behind])], [expected], [] if behind else ["causal_conv"])


def test_sums_whose_terms_are_cut_differently(tmp_path):
    x, w, _ = inputs(2)
    g = Graph()
    name = g.input("x", x)
    last = g.Pad(g.slice(name, 0, L - 2, 2), g.ints(0, 0, 1, 0, 0, 1))  # x[t-1], but zero at the end
    y = g.Add(g.Mul(name, w[:, 0, 1:]), g.Mul(last, w[:, 0, :1]))
    expected = causal(x, w)
    expected[:, :, -1] = x[:, :, -1] * w[:, 0, 1]
    check(tmp_path, g, [y], [expected], [])


def test_several_filters_per_channel(tmp_path):
    x, w, b = inputs(3, filters=3 * D)
    g = Graph()
    y = g.Conv(g.input("x", x), w, b, group=D, pads=[2, 0])
    check(tmp_path, g, [y], [causal(x, w, b)], ["causal_conv"])


def test_filters_over_two_channels(tmp_path):
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((B, D, L)).astype(np.float32), rng.standard_normal((D, 2, 3)).astype(np.float32)
    g = Graph()
    expected = sum(causal(x.reshape(B, D // 2, 2, L)[:, :, k], w[:, k : k + 1]) for k in (0, 1))
    check(tmp_path, g, [g.Conv(g.input("x", x), w, group=D // 2, pads=[2, 0])], [expected], [])


@pytest.mark.parametrize("taps", [33, 40])
def test_more_taps_are_a_long_convolution(tmp_path, taps):
    x, w, b = inputs(taps)
    g = Graph()
    check(tmp_path, g, [conv(g, g.input("x", x), w, b, pads=[taps - 1, 0])], [causal(x, w, b)], ["long_conv"])


@pytest.mark.parametrize("length", [1, 7, 30, 31])
def test_generated_kernel_no_longer_than_the_sequence(tmp_path, length):
    """The kernel has min(L, 30) taps; one beyond and the graph has no meaning."""
    x, w, _ = inputs(30, length=length)
    g = Graph()
    name = g.input("x", x, ["B", D, "L"])
    steps = g.size(name, 2)
    kernel = g.Slice(g.Exp(w), g.ints(0), steps, g.ints(2))
    flipped = g.slice(kernel, -1, -(2**63) + 1, 2, -1)
    front = g.Sub(steps, g.ints(1))
    padded = g.Pad(name, g.Concat(g.ints(0, 0), front, g.ints(0, 0, 0), axis=0))
    y = conv(g, padded, flipped)
    used = np.exp(w.astype(np.float64))[:, :, : min(length, 30)][:, :, ::-1]
    delay = max(0, length - 30)
    check(tmp_path, g, [y], [causal(x, used, delay=delay, length=length + delay)], ["long_conv"])


@pytest.mark.parametrize("dilation, pads, raised", [(2, [6, 0], True), (2, [6, 6], True), (3, [9, 0], True), (2, [3, 3], False), (11, [33, 0], False)])
def test_dilated(tmp_path, dilation, pads, raised):
    """Zeros between the taps, where they are few."""
    x, w, b = inputs(4)
    spread = np.zeros((D, 1, 3 * dilation + 1), np.float32)
    spread[:, :, ::dilation] = w
    g = Graph()
    y = conv(g, g.input("x", x), w, b, pads=pads, dilations=[dilation])
    y = g.slice(y, 0, L, 2) if pads[0] == pads[1] == 6 else y
    expected = causal(x, spread, b, delay=pads[0] - 3 * dilation)
    check(tmp_path, g, [y], [expected], ["causal_conv"] if raised else [])


@pytest.mark.parametrize("length", [1, 9])
@pytest.mark.parametrize("kept", [3, 4, 6])
def test_history(tmp_path, kept, length):
    """At least as many inputs of before as the taps reach; the last of all are an output."""
    x, w, b = inputs(4, length=length)
    past = inputs(4, seed=5, length=kept)[0]
    g = Graph()
    joined = g.Concat(g.input("past", past, ["B", D, kept]), g.input("x", x, ["B", D, "L"]), axis=2)
    y = g.slice(conv(g, joined, g.constant(w), g.constant(b)), kept - 3, 2**40, 2)
    everything = np.concatenate([past, x], 2)
    expected = causal(everything, w, b)[:, :, kept:]
    check(tmp_path, g, [y, g.slice(joined, -kept, 2**40, 2)], [expected, everything[:, :, -kept:]], ["causal_conv"])
