"""A complex state as one tensor with an axis of two, whose step picks the parts and joins them again, against complex numbers in float64;
and steps of the same shape that mix the parts in another way, which are no complex scan and stay right."""
import numpy as np
import pytest

from spelling import Graph, check

rng = np.random.default_rng(0)
B, D, N = 2, 4, 8


def scan(g, x, transition, b, axis, read):
    """next[i] = sum_j transition[i][j] h[j] + b[i] x over the two parts; `read` makes y of them. Gives y and the final state."""
    step = Graph()
    step.count = 1000  # names of the outer graph are seen in it
    h = [step.Gather("h", np.array(i), axis=axis) for i in range(2)]
    at, row = step.ints(axis), step.Unsqueeze("x", step.ints(-1))
    parts = []
    for i in range(2):
        mixed = step.Add(step.Mul(h[0], transition[i][0]), step.Mul(h[1], transition[i][1]))
        parts.append(step.Add(mixed, step.Mul(row, b[i])))
    following = step.Concat(*(step.Unsqueeze(p, at) for p in parts), axis=axis)
    y = read(step, parts, following)
    state = [2, B, D, N] if axis == 0 else [B, D, N, 2]
    body = step.body([("h", state), ("x", [B, D])], [(following, state), (y, [B, D])])
    return g.node("Scan", [g.constant(np.zeros(state)), x], 2, body=body, num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1])


def by_parts(c):
    def read(step, parts, following):
        return step.ReduceSum(step.Add(*(step.Mul(p, q) for p, q in zip(parts, c))), step.ints(-1), keepdims=0)
    return read


def at_once(c, axis):
    def read(step, parts, following):
        weights = np.stack(c, axis) if axis < 0 else np.stack(c)[:, None]
        return step.ReduceSum(step.Mul(following, weights), step.ints(axis, -1 if axis == 0 else -2), keepdims=0)
    return read


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("kind", ["complex", "dense"])
def test_scan(tmp_path, kind, whole, axis):
    a = rng.uniform(0.7, 0.99, (D, N)) * np.exp(1j * rng.uniform(0, 3, (D, N)))
    transition = np.array([[a.real, -a.imag], [a.imag, a.real if kind == "complex" else a.real / 2]])
    b, c = rng.standard_normal((2, D, N)), rng.standard_normal((2, D, N))
    g = Graph()
    x = g.input("x", np.zeros((B, 5, D), np.float32), [B, "L", D])
    final, y = scan(g, x, transition, b, axis, at_once(list(c), axis) if whole else by_parts(c))
    compiled = None
    for length in (7, 0, 1, 64, 130):
        data = rng.standard_normal((B, length, D)).astype(np.float32)
        h, expected = np.zeros((2, B, D, N)), np.zeros((B, length, D))
        for t in range(length):
            h = np.einsum("ijdn,jbdn->ibdn", transition, h) + b[:, None] * data[:, t, :, None]
            expected[:, t] = np.einsum("idn,ibdn->bd", c, h)
        results = [expected, h if axis == 0 else np.moveaxis(h, 0, -1)]
        if not compiled:
            raised = "selective_scan" if kind == "complex" else "recurrence"
            compiled = check(tmp_path, g, [y, final], results, [raised], atol=1e-4, feeds={"x": data})
        for got, want in zip(compiled({"x": data}), results):
            np.testing.assert_allclose(got, want, atol=1e-4, rtol=1e-4)
