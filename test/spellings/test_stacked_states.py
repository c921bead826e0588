"""A complex state as one tensor with an axis of two, whose step picks the parts and joins them again, against complex numbers in float64;
and steps of the same shape that mix the parts in another way, which are no complex scan and stay right."""
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from spelling import Graph, check

rng = np.random.default_rng(0)
B, D, N = 2, 4, 8


def scan(g, x, transition, b, axis, read):
    """next[i] = sum_j transition[i][j] h[j] + b[i] x over the two parts; `read` makes y of them. Gives y and the final state."""
    info = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    nodes = []

    def node(op, *operands, **attributes):
        nodes.append(helper.make_node(op, operands, [f"n{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    def constant(array):
        dtype = np.int64 if np.asarray(array).dtype == np.int64 else np.float32
        return node("Constant", value=numpy_helper.from_array(np.asarray(array, dtype)))

    h = [node("Gather", "h", constant(np.array(i)), axis=axis) for i in range(2)]
    at, row = constant(np.array([axis])), node("Unsqueeze", "x", constant(np.array([-1])))
    parts = []
    for i in range(2):
        mixed = node("Add", node("Mul", h[0], constant(transition[i][0])), node("Mul", h[1], constant(transition[i][1])))
        parts.append(node("Add", mixed, node("Mul", row, constant(b[i]))))
    nodes.append(helper.make_node("Concat", [node("Unsqueeze", p, at) for p in parts], ["next"], axis=axis))
    nodes.append(helper.make_node("Identity", [read(node, constant, parts)], ["y"]))
    state = [2, B, D, N] if axis == 0 else [B, D, N, 2]
    body = helper.make_graph(nodes, "body", [info("h", state), info("x", [B, D])], [info("next", state), info("y", [B, D])])
    return g.node("Scan", [g.constant(np.zeros(state)), x], 2, body=body, num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1])


def by_parts(c):
    def read(node, constant, parts):
        products = [node("Mul", p, constant(q)) for p, q in zip(parts, c)]
        return node("ReduceSum", node("Add", *products), constant(np.array([-1])), keepdims=0)
    return read


def at_once(c, axis):
    def read(node, constant, parts):
        weights = np.stack(c, axis) if axis < 0 else np.stack(c)[:, None]
        return node("ReduceSum", node("Mul", "next", constant(weights)), constant(np.array([axis, -1 if axis == 0 else -2])), keepdims=0)
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
