"""Random operators: without a seed other numbers in each call and in each turn of a loop, with one the same."""
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc
SIZE = 20000


def compiled(nodes, outputs, inputs=(), weights=()):
    values = [helper.make_tensor_value_info(n, t, d) for n, t, d in outputs]
    given = [helper.make_tensor_value_info(n, t, d) for n, t, d in inputs]
    graph = helper.make_graph(nodes, "random", given, values, [numpy_helper.from_array(w, n) for n, w in weights])
    return ssm_mlir.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10))


def draws(op, seed=None):
    """A function that runs one operator, and the mean that its numbers have."""
    attributes = {} if seed is None else {"seed": seed}
    x = np.full((2, SIZE // 2), 0.5, np.float32)
    kind, mean, inputs, weights = TensorProto.FLOAT, 0.5, ["x"], []
    if op in ("RandomNormal", "RandomUniform"):
        attributes["shape"] = [2, SIZE // 2]
        inputs = []
    if op.startswith("RandomNormal"):
        mean = 0
    elif op == "Multinomial":
        attributes["sample_size"] = SIZE // 2
        x, kind = np.zeros((2, 3), np.float32), TensorProto.INT32
        mean = 1
    elif op == "Dropout":
        inputs += ["ratio", "training"]
        weights = [("ratio", np.float32(0.25)), ("training", np.bool_(True))]
    node = helper.make_node(op, inputs, ["y"], **attributes)
    model = compiled([node], [("y", kind, [None, None])], [("x", TensorProto.FLOAT, x.shape)] if inputs else [], weights)
    return lambda: model(**({"x": x} if inputs else {}))["y"], mean


OPERATORS = ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli", "Dropout"]


@pytest.mark.parametrize("op", OPERATORS)
def test_without_seed(op):
    run, mean = draws(op)
    first, second = run(), run()
    assert (first != second).mean() > 0.2
    for y in (first, second):
        assert abs(y.astype(np.float64).mean() - mean) < 0.05
        assert (y[0] != y[1]).mean() > 0.2


@pytest.mark.parametrize("op", OPERATORS)
def test_with_seed(op):
    run, mean = draws(op, 7 if op == "Dropout" else 7.0)
    first = run()
    np.testing.assert_array_equal(first, run())
    np.testing.assert_array_equal(first, draws(op, 7 if op == "Dropout" else 7.0)[0]())
    assert abs(first.astype(np.float64).mean() - mean) < 0.05


def test_nodes_differ():
    """Equal operators are not one: neither two generators nor two Dropouts of one value."""
    nodes = [helper.make_node("RandomUniform", [], [n], shape=[SIZE]) for n in "ab"]
    nodes += [helper.make_node("Dropout", ["x", "", "training"], [n]) for n in "cd"]
    model = compiled(nodes, [(n, TensorProto.FLOAT, [SIZE]) for n in "abcd"], [("x", TensorProto.FLOAT, [SIZE])], [("training", np.bool_(True))])
    out = model(x=np.ones(SIZE, np.float32))
    assert (out["a"] != out["b"]).mean() > 0.99
    assert (out["c"] != out["d"]).mean() > 0.3


def test_turns_differ():
    body = helper.make_graph([helper.make_node("Identity", ["c"], ["k"]), helper.make_node("RandomNormal", [], ["r"], shape=[SIZE])], "body",
                             [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
                             [helper.make_tensor_value_info("k", TensorProto.BOOL, []), helper.make_tensor_value_info("r", TensorProto.FLOAT, [SIZE])])
    model = compiled([helper.make_node("Loop", ["n", ""], ["y"], body=body)], [("y", TensorProto.FLOAT, [None, SIZE])], [("n", TensorProto.INT64, [])])
    y = model(n=np.array(3, np.int64))["y"]
    assert abs(np.corrcoef(y) - np.eye(3)).max() < 0.05
