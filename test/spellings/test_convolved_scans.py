"""Time-invariant scans in their convolution form, against the recurrence in float64: both directions, lengths that only run time knows,
states read before and after the update, real and complex ones."""
import numpy as np
import pytest

from spelling import Graph, check

rng = np.random.default_rng(0)
B, D, N = 3, 4, 8
LENGTHS = (0, 1, 2, 7, 63, 64, 65, 1000)


def scan(g, x, decay, b, c, reverse, before):
    """y[t] = sum_n Re(c h), h = decay h + b x[t], over axis 1 of x; complex numbers are two carries."""
    parts = ["re", "im"][:1 + np.iscomplexobj(decay)]
    step = Graph()
    step.count = 1000  # names of the outer graph are seen in it
    last = step.ints(-1)

    def times(v, h):
        """The parts of v * h."""
        if len(parts) == 1:
            return [step.Mul(h[0], v)]
        return [step.Sub(step.Mul(h[0], v.real), step.Mul(h[1], v.imag)), step.Add(step.Mul(h[0], v.imag), step.Mul(h[1], v.real))]

    row, states = step.Unsqueeze("x", last), ["h_" + p for p in parts]
    following = [step.Add(old, step.Mul(row, b.imag if part == "im" else b.real)) for part, old in zip(parts, times(decay, states))]
    y = step.ReduceSum(times(c, states if before else following)[0], last, keepdims=0)
    body = step.body([(s, [B, D, N]) for s in states] + [("x", [B, D])], [(f, [B, D, N]) for f in following] + [(y, [B, D])])
    h0 = g.constant(np.zeros((B, D, N)))
    return g.node("Scan", [h0] * len(parts) + [x], len(parts) + 1, body=body, num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1],
                  scan_input_directions=[int(reverse)], scan_output_directions=[int(reverse)])[-1]


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("is_complex", [False, True])
def test_scan(tmp_path, is_complex, reverse, before):
    a = rng.uniform(0.7, 0.99, (D, N)) * (np.exp(1j * rng.uniform(0, 3, (D, N))) if is_complex else 1)
    b = rng.standard_normal((D, N)) + (1j * rng.standard_normal((D, N)) if is_complex else 0)
    c = rng.standard_normal((D, N)) + (1j * rng.standard_normal((D, N)) if is_complex else 0)
    g = Graph()
    x = g.input("x", np.zeros((B, 5, D), np.float32), [B, "L", D])
    y = scan(g, x, a, b, c, reverse, before)
    compiled = None
    for length in LENGTHS:
        data = rng.standard_normal((B, length, D)).astype(np.float32)
        h, expected = np.zeros((B, D, N), complex), np.zeros((B, length, D))
        for t in reversed(range(length)) if reverse else range(length):
            fresh = a * h + b * data[:, t, :, None]
            expected[:, t] = (c * (h if before else fresh)).sum(-1).real
            h = fresh
        if not compiled:
            compiled = check(tmp_path, g, [y], [expected], ["selective_scan"], ["--form=selective_scan:convolution"], feeds={"x": data})
            assert compiled.forms == ["convolution"]
        np.testing.assert_allclose(compiled({"x": data})[0], expected, atol=3e-5 * max(1, np.abs(expected).max(initial=0)), rtol=1e-4)
