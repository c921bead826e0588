"""An LSTM and a GRU written as steps of a Scan or a Loop, or one after another: one recurrence, whose step is products of the
state with matrices in panels and elementwise operators. Nothing of a step is made anew from the weights."""
import re
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from spelling import BUILD, Compiled, Graph, check

LENGTH, BATCH, INPUTS, HIDDEN = 7, 2, 20, 24
GATES = {"LSTM": 4, "GRU": 3}


def step(cell, g, x, h, c, weights):
    """PyTorch's order of gates: i, f, g, o; or r, z, n."""
    w, r, bw, br = weights
    from_input, from_state = g.Gemm(x, w, bw, transB=1), g.Gemm(h, r, br, transB=1)
    if cell == "LSTM":
        i, f, n, o = g.node("Split", [g.Add(from_input, from_state)], outputs=4, axis=1, num_outputs=4)
        c = g.Add(g.Mul(g.Sigmoid(f), c), g.Mul(g.Sigmoid(i), g.Tanh(n)))
        return g.Mul(g.Sigmoid(o), g.Tanh(c)), c
    xr, xz, xn = g.node("Split", [from_input], outputs=3, axis=1, num_outputs=3)
    hr, hz, hn = g.node("Split", [from_state], outputs=3, axis=1, num_outputs=3)
    reset, z = g.Sigmoid(g.Add(xr, hr)), g.Sigmoid(g.Add(xz, hz))
    n = g.Tanh(g.Add(xn, g.Mul(reset, hn)))
    return g.Add(n, g.Mul(z, g.Sub(h, n))), None


def reference(cell, x, h, weights, first=None):
    sigmoid = lambda v: 1 / (1 + np.exp(-v))
    c, y = h, []
    for t, v in enumerate(x.astype(np.float64)):
        w, r, bw, br = (p.astype(np.float64) for p in (weights if t or first is None else first))
        a, b = np.split(v @ w.T + bw, GATES[cell], 1), np.split(h @ r.T + br, GATES[cell], 1)
        if cell == "LSTM":
            i, f, n, o = (p + q for p, q in zip(a, b))
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(n)
            h = sigmoid(o) * np.tanh(c)
        else:
            z, n = sigmoid(a[1] + b[1]), np.tanh(a[2] + sigmoid(a[0] + b[0]) * b[2])
            h = n + z * (h - n)
        y.append(h)
    return np.stack(y)


def build(cell, spelling):
    random = np.random.default_rng(3)
    draw = lambda *shape: (random.standard_normal(shape) * 0.3).astype(np.float32)
    gates = GATES[cell] * HIDDEN
    values = [draw(gates, INPUTS), draw(gates, HIDDEN), draw(gates), draw(gates)]
    x, h = draw(LENGTH, BATCH, INPUTS), draw(BATCH, HIDDEN)
    g = Graph(opset=18)
    weights = [g.constant(v) for v in values]
    static = spelling.startswith("unrolled")
    xs = g.input("x", x, None if static else ["length", "batch", INPUTS])
    if spelling == "unrolled from zeros":
        h = np.zeros_like(h)
        h0 = g.constant(h)
    else:
        h0 = g.input("h", h, None if static else ["batch", HIDDEN])
    states = 2 if cell == "LSTM" else 1
    if static:
        hidden, c, parts = h0, h0, []
        for t in range(LENGTH):
            hidden, c = step(cell, g, g.Gather(xs, np.array(t), axis=0), hidden, c, weights)
            parts.append(g.Unsqueeze(hidden, g.ints(0)))
        return g, g.node("Concat", parts, axis=0), reference(cell, x, h, values)
    body = Graph()
    body.count = 1000  # names of the outer graph are seen in it
    arguments = [f"state{i}" for i in range(states)]
    loop = spelling == "loop"
    xt = body.Gather(xs, "turn", axis=0) if loop else "xt"
    after, c = step(cell, body, xt, "state0", arguments[-1], weights)
    results = [after] + [c] * (states - 1) + [body.Identity(after)]
    inputs = [(a, ["batch", HIDDEN]) for a in arguments]
    outputs = [(r, ["batch", HIDDEN]) for r in results]
    if loop:
        inputs = [("turn", [], TensorProto.INT64), ("go", [], TensorProto.BOOL)] + inputs
        outputs = [(body.Identity("go"), [], TensorProto.BOOL)] + outputs
    else:
        inputs.append(("xt", ["batch", INPUTS]))
    graph = body.body(inputs, outputs)
    if loop:
        steps = g.Squeeze(g.size(xs, 0))
        results = g.node("Loop", [steps, np.array(True)] + [h0] * states, outputs=states + 1, body=graph)
    else:
        results = g.node("Scan", [h0] * states + [xs], outputs=states + 1, num_scan_inputs=1, body=graph)
    return g, results[-1], reference(cell, x, h, values)


SPELLINGS = [(c, s) for c in GATES for s in ("scan", "loop", "unrolled", "unrolled from zeros")]


@pytest.mark.parametrize("cell,spelling", SPELLINGS)
def test_numbers(tmp_path, cell, spelling):
    g, y, expected = build(cell, spelling)
    check(tmp_path, g, [y], [expected], ["recurrence"])


@pytest.mark.parametrize("cell,spelling", SPELLINGS)
def test_step(tmp_path, cell, spelling):
    """A step has elementwise operators and products with constants."""
    g, y, _ = build(cell, spelling)
    onnx.save(g.model([y]), tmp_path / "m.onnx")
    subprocess.run([BUILD / "bin/ssmc", tmp_path / "m.onnx", "-o", tmp_path / "m.mlir", "--compile-to=raise"], check=True)
    text = (tmp_path / "m.mlir").read_text()
    body = text[text.index("ssm.recurrence"):]
    body = body[: body.index("ssm.yield")]
    operators = re.findall(r'"onnx\.(\w+)"', body)
    assert operators.count("MatMul") == GATES[cell]
    assert set(operators) <= {"MatMul", "Add", "Sub", "Mul", "Sigmoid", "Tanh"}


@pytest.mark.parametrize("cell", GATES)
def test_other_first_step(tmp_path, cell):
    """A first step from zeros whose bias is another one is not a step like the others."""
    random = np.random.default_rng(4)
    draw = lambda *shape: (random.standard_normal(shape) * 0.3).astype(np.float32)
    gates = GATES[cell] * HIDDEN
    values = [draw(gates, INPUTS), draw(gates, HIDDEN), draw(gates), draw(gates)]
    first = values[:3] + [values[3] + np.eye(1, gates, gates - 1, dtype=np.float32)[0]]
    x, zeros = draw(LENGTH, BATCH, INPUTS), np.zeros((BATCH, HIDDEN), np.float32)
    g = Graph(opset=18)
    xs, hidden = g.input("x", x), g.constant(zeros)
    c, parts = hidden, []
    for t in range(LENGTH):
        hidden, c = step(cell, g, g.Gather(xs, np.array(t), axis=0), hidden, c, [g.constant(v) for v in (values if t else first)])
        parts.append(g.Unsqueeze(hidden, g.ints(0)))
    expected = reference(cell, x, zeros, values, first)
    got = Compiled(tmp_path, g, [g.Concat(*parts, axis=0)])({"x": x})[0]
    np.testing.assert_allclose(got, expected, atol=2e-5, rtol=2e-4)
