"""Time-invariant scans in their convolution form, against the recurrence in float64: both directions, lengths that only run time knows,
states read before and after the update, real and complex ones."""
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from spelling import Graph, check

rng = np.random.default_rng(0)
B, D, N = 3, 4, 8
LENGTHS = (0, 1, 2, 7, 63, 64, 65, 1000)


def scan(g, x, decay, b, c, reverse, before):
    """y[t] = sum_n Re(c h), h = decay h + b x[t], over axis 1 of x; complex numbers are two carries."""
    parts = ["re", "im"][:1 + np.iscomplexobj(decay)]
    info = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    nodes = []

    def node(op, *operands, **attributes):
        nodes.append(helper.make_node(op, operands, [f"n{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    def constant(array):
        dtype = np.int64 if array.dtype == np.int64 else np.float32
        return node("Constant", value=numpy_helper.from_array(np.asarray(array, dtype)))

    def times(v, name):
        """The parts of v * h, h given by the prefix of its names."""
        h = [name + p for p in parts]
        if len(parts) == 1:
            return [node("Mul", h[0], constant(v))]
        re, im = constant(v.real), constant(v.imag)
        return [node("Sub", node("Mul", h[0], re), node("Mul", h[1], im)), node("Add", node("Mul", h[0], im), node("Mul", h[1], re))]

    last = constant(np.array([-1]))
    row = node("Unsqueeze", "x", last)
    for part, old in zip(parts, times(decay, "h_")):
        nodes.append(helper.make_node("Add", [old, node("Mul", row, constant(b.imag if part == "im" else b.real))], ["next_" + part]))
    nodes.append(helper.make_node("ReduceSum", [times(c, "h_" if before else "next_")[0], last], ["y"], keepdims=0))
    body = helper.make_graph(nodes, "body", [info("h_" + p, [B, D, N]) for p in parts] + [info("x", [B, D])],
                             [info("next_" + p, [B, D, N]) for p in parts] + [info("y", [B, D])])
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
