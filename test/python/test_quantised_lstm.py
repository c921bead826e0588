"""com.microsoft's DynamicQuantizeLSTM against its definition in float64 with integers as they are."""
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc
INPUTS, HIDDEN = 4, 5


def quantised(x):
    """Whole numbers less their zero point, and the scale, of DynamicQuantizeLinear."""
    low, high = min(x.min(), 0), max(x.max(), 0)
    scale = np.float32(high - low) / np.float32(255) or np.float32(1)
    zero = np.clip(np.rint(np.float32(-low) / scale), 0, 255)
    return np.clip(np.rint(np.float32(x) / scale) + zero, 0, 255) - zero, float(scale)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def one_direction(x, w, ws, r, rs, bias, peephole, lengths, backward):
    steps, batch, _ = x.shape
    order = [[lengths[b] - 1 - t if backward and t < lengths[b] else t for t in range(steps)] for b in range(batch)]
    x = np.stack([x[order[b], b] for b in range(batch)], 1)
    q, scale = quantised(x)
    gates = q @ w * (scale * ws) + bias
    h, c = np.zeros((batch, HIDDEN)), np.zeros((batch, HIDDEN))
    y = np.zeros((steps, batch, HIDDEN))
    for t in range(steps):
        q, scale = quantised(h)
        i, o, f, u = np.split(gates[t] + q @ r * (scale * rs), 4, -1)
        i, f = sigmoid(i + peephole[0] * c), sigmoid(f + peephole[2] * c)
        new = f * c + i * np.tanh(u)
        out = sigmoid(o + peephole[1] * new) * np.tanh(new)
        on = (t < np.array(lengths))[:, None]
        h, c = np.where(on, out, h), np.where(on, new, c)
        for b in range(batch):
            if t < lengths[b]:
                y[order[b][t], b] = out[b]
    return y, h, c


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("more", [False, True], ids=["plain", "lengths_and_peepholes"])
def test_against_definition(direction, per_column, more):
    random, directions, steps, batch = np.random.default_rng(3), 2 if direction == "bidirectional" else 1, 6, 3
    scales = (directions, 4 * HIDDEN) if per_column else (directions,)
    constants = {"w": random.integers(-60, 60, (directions, INPUTS, 4 * HIDDEN)).astype(np.int8),
                 "r": random.integers(-60, 60, (directions, HIDDEN, 4 * HIDDEN)).astype(np.int8),
                 "b": random.standard_normal((directions, 8 * HIDDEN)).astype(np.float32) / 8,
                 "ws": np.float32(random.random(scales) / 64), "rs": np.float32(random.random(scales) / 64),
                 "wz": np.zeros(scales, np.int8) if per_column else np.full(scales, 3, np.int8), "rz": np.zeros(scales, np.int8),
                 "p": random.standard_normal((directions, 3 * HIDDEN)).astype(np.float32) / 4}
    names = ["x", "w", "r", "b", "n" if more else "", "", "", "p" if more else "", "ws", "wz", "rs", "rz"]
    node = helper.make_node("DynamicQuantizeLSTM", names, ["y", "yh", "yc"], domain="com.microsoft", hidden_size=HIDDEN, direction=direction)
    info = helper.make_tensor_value_info
    inputs = [info("x", TensorProto.FLOAT, ["L", "B", INPUTS])] + ([info("n", TensorProto.INT32, ["B"])] if more else [])
    graph = helper.make_graph([node], "g", inputs, [info("y", TensorProto.FLOAT, [None] * 4), info("yh", TensorProto.FLOAT, [None] * 3),
                                                    info("yc", TensorProto.FLOAT, [None] * 3)],
                              [numpy_helper.from_array(v, k) for k, v in constants.items() if k in names])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    module = ssm_mlir.compile(helper.make_model(graph, opset_imports=opsets, ir_version=8))
    x, lengths = random.standard_normal((steps, batch, INPUTS)).astype(np.float32), [6, 2, 4] if more else [steps] * batch
    got = module(x=x, **({"n": np.int32(lengths)} if more else {}))
    for d in range(directions):
        zero, real = constants["wz"][d].astype(float), {k: constants[k][d].astype(float) for k in ("w", "r", "ws", "rs", "b", "p")}
        y, h, c = one_direction(x, real["w"] - zero, real["ws"], real["r"], real["rs"], real["b"].reshape(2, -1).sum(0),
                                real["p"].reshape(3, -1) if more else np.zeros((3, HIDDEN)), lengths, direction == "reverse" or d == 1)
        # A state that float32 rounds to another whole number moves the next gates by one part in 255 of a weight.
        for name, part, want in (("y", got["y"][:, d], y), ("yh", got["yh"][d], h), ("yc", got["yc"][d], c)):
            np.testing.assert_allclose(part, want, atol=2e-3, err_msg=name)
        assert np.abs(y).max() > 0.05
