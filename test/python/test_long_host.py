"""Graphs with so many dispatches that their host code is split into pieces, against the same steps in NumPy."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc
FLOAT, N = TensorProto.FLOAT, helper.make_node
STEPS = 600  # about ten host operations each


def steps(x, result):
    """Sums and shifted copies in turn, which share no dispatch: x -> x / 2 + reversed running sum of x / 4."""
    nodes = []
    for i in range(STEPS):
        last = result if i == STEPS - 1 else f"{x}_{i + 1}"
        before = f"{x}_{i}" if i else x
        nodes += [N("CumSum", [before, "axis"], [f"{x}_c{i}"], reverse=1), N("Mul", [f"{x}_c{i}", "quarter"], [f"{x}_q{i}"]),
                  N("Mul", [before, "half"], [f"{x}_h{i}"]), N("Add", [f"{x}_h{i}", f"{x}_q{i}"], [f"{x}_a{i}"]),
                  N("Clip", [f"{x}_a{i}", "low", "high"], [last])]
    return nodes


def numpy_steps(x):
    for _ in range(STEPS):
        x = np.clip(x / 2 + np.cumsum(x[..., ::-1], -1)[..., ::-1] / 4, -1, 1)
    return x


def test_top_level_and_loop():
    info = helper.make_tensor_value_info
    constants = {"axis": np.int64(-1), "quarter": np.float32(0.25), "half": np.float32(0.5), "low": np.float32(-1), "high": np.float32(1)}
    body = helper.make_graph([*steps("h", "n"), N("Add", ["n", "x"], ["next"]), N("Identity", ["n"], ["out"]), N("Identity", ["c"], ["more"])],
                             "body", [info("i", TensorProto.INT64, []), info("c", TensorProto.BOOL, []), info("h", FLOAT, [None, None])],
                             [info("more", TensorProto.BOOL, []), info("next", FLOAT, None), info("out", FLOAT, None)])
    graph = helper.make_graph([*steps("x", "y"), N("Loop", ["trips", "", "y"], ["last", "all"], body=body), N("Add", ["x_300", "last"], ["z"])], "g",
                              [info("x", FLOAT, ["B", "L"]), info("trips", TensorProto.INT64, [])],
                              [info("y", FLOAT, None), info("all", FLOAT, None), info("z", FLOAT, None)],
                              [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()])
    module = ssm_mlir.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), no_raise=True)
    random = np.random.default_rng(0)
    for trips, shape in ((0, (1, 3)), (3, (2, 5))):
        x = random.uniform(-1, 1, shape).astype(np.float32)
        state, outputs, middle = numpy_steps(x), [], x
        for _ in range(300):
            middle = np.clip(middle / 2 + np.cumsum(middle[..., ::-1], -1)[..., ::-1] / 4, -1, 1)
        got = module(x=x, trips=np.int64(trips))
        np.testing.assert_allclose(got["y"], state, rtol=1e-4, atol=1e-5)
        for _ in range(trips):
            outputs.append(numpy_steps(state))
            state = outputs[-1] + x
        np.testing.assert_allclose(got["all"], np.reshape(outputs, (trips, *shape)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(got["z"], middle + state, rtol=1e-4, atol=1e-5)
