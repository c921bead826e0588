"""LSTM, GRU and RNN with constant weights, which are packed, against the same operator with weights as inputs, which are not."""
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


ATTRIBUTES = [{}, {"direction": "reverse"}, {"direction": "bidirectional"}, {"layout": 1}]


@pytest.mark.parametrize("cell,attributes", [(c, a) for c in GATES for a in ATTRIBUTES] + [("GRU", {"linear_before_reset": 1})])
def test_packed(cell, attributes):
    hidden, inputs, length, batch, directions = 13, 7, 5, 3, 2 if "bidirectional" in attributes.values() else 1
    random = np.random.default_rng(0)
    weights = {n: (random.standard_normal(s) * 0.4).astype(np.float32) for n, s in
               {"w": (directions, GATES[cell] * hidden, inputs), "r": (directions, GATES[cell] * hidden, hidden),
                "b": (directions, 2 * GATES[cell] * hidden)}.items()}
    layout = attributes.get("layout", 0)
    shape = (batch, length, inputs) if layout else (length, batch, inputs)
    values = {"x": random.standard_normal(shape).astype(np.float32), "n": np.array([5, 0, 3], np.int32)}
    node = helper.make_node(cell, ["x", "w", "r", "b", "n"], ["y", "h"], hidden_size=hidden, **attributes)

    def run(constant):
        given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", inputs]), helper.make_tensor_value_info("n", TensorProto.INT32, [batch])]
        if not constant:
            given += [helper.make_tensor_value_info(n, TensorProto.FLOAT, w.shape) for n, w in weights.items()]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4), helper.make_tensor_value_info("h", TensorProto.FLOAT, [None] * 3)]
        graph = helper.make_graph([node], "recurrent", given, outputs, [numpy_helper.from_array(w, n) for n, w in weights.items()] if constant else [])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
        return ssm_mlir.compile(model)(**values, **({} if constant else weights))

    packed, plain = run(True), run(False)
    assert np.abs(plain["y"]).max() > 0.1
    for name in ("y", "h"):
        np.testing.assert_allclose(packed[name], plain[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_cumulative(axis, exclusive, reverse):
    """Sums along an axis, whole rows at a time where it is not the last, also when it is empty."""
    graph = helper.make_graph([helper.make_node("CumSum", ["x", "axis"], ["y"], exclusive=exclusive, reverse=reverse)], "cumulative",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["a", "b", "c"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b", "c"])],
                              [numpy_helper.from_array(np.array(axis, np.int64), "axis")])
    module = ssm_mlir.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    for shape in [(3, 4, 37), (1, 1, 1), (2, 0, 3)]:
        x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        want = np.flip(x, axis) if reverse else x
        want = np.cumsum(want, axis) - (want if exclusive else 0)
        want = np.flip(want, axis) if reverse else want
        np.testing.assert_allclose(module(x=x)["y"], want, rtol=1e-5, atol=1e-5)
