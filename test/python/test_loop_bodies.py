"""Scan with bodies that are no recurrence anybody raises, against the same steps in NumPy."""
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc
FLOAT, N = TensorProto.FLOAT, helper.make_node
TABLE = (np.arange(16, dtype=np.float32).reshape(4, 4) / 8)
KERNEL = np.float32([0.1, 0.5, -0.2])


def branch(name, op):
    return helper.make_graph([N(*op, [name])], name, [], [helper.make_tensor_value_info(name, FLOAT, [4])])


# name: nodes from a = s + x to q, constants, and q of a
BODIES = {
    "sorted": ([N("TopK", ["a", "two"], ["v", "i"]), N("ReduceSum", ["v"], ["r"], keepdims=1), N("Mul", ["a", "r"], ["q"])],
               {"two": np.int64([2])}, lambda a: a * np.sort(a)[-2:].sum()),
    "places": ([N("NonZero", ["a"], ["i"]), N("Cast", ["i"], ["f"], to=FLOAT), N("ReduceSum", ["f"], ["r"], keepdims=0), N("Mul", ["a", "r"], ["q"])],
               {}, lambda a: a * np.float32(np.nonzero(a)[0].sum())),
    "size_from_data": ([N("Round", ["a"], ["n"]), N("Unique", ["n"], ["u"]), N("Shape", ["u"], ["z"]), N("Cast", ["z"], ["f"], to=FLOAT), N("Mul", ["a", "f"], ["q"])],
                       {}, lambda a: a * np.float32(len(np.unique(np.round(a))))),
    "cumulative": ([N("CumSum", ["a", "zero"], ["q"])], {"zero": np.int64(0)}, np.cumsum),
    "branches": ([N("ReduceSum", ["a"], ["r"], keepdims=0), N("Greater", ["r", "nought"], ["c"]),
                  N("If", ["c"], ["q"], then_branch=branch("t", ("Mul", ["a", "a"])), else_branch=branch("e", ("Neg", ["a"])))],
                 {"nought": np.float32(0)}, lambda a: a * a if a.sum() > 0 else -a),
    "window": ([N("Unsqueeze", ["a", "front"], ["w"]), N("Conv", ["w", "kernel"], ["c"], pads=[1, 1]), N("Squeeze", ["c", "front"], ["q"])],
               {"front": np.int64([0, 1]), "kernel": KERNEL[None, None]}, lambda a: np.correlate(a, KERNEL, "same")),
    "looked_up": ([N("ArgMax", ["a"], ["i"], axis=0, keepdims=0), N("Gather", ["table", "i"], ["g"]), N("Add", ["a", "g"], ["q"])],
                  {"table": TABLE}, lambda a: a + TABLE[np.argmax(a)]),
}


@pytest.mark.parametrize("name", BODIES)
def test_body(name):
    nodes, constants, step = BODIES[name]
    info = helper.make_tensor_value_info
    body = helper.make_graph([N("Add", ["s", "x"], ["a"]), *nodes, N("Tanh", ["q"], ["next"]), N("Identity", ["q"], ["out"])], "body",
                             [info("s", FLOAT, [4]), info("x", FLOAT, [4])], [info("next", FLOAT, [4]), info("out", FLOAT, [4])],
                             [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()])
    graph = helper.make_graph([N("Scan", ["s0", "xs"], ["last", "y"], body=body, num_scan_inputs=1)], "g",
                              [info("s0", FLOAT, [4]), info("xs", FLOAT, ["L", 4])], [info("last", FLOAT, [4]), info("y", FLOAT, ["L", 4])])
    module = ssm_mlir.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    random = np.random.default_rng(1)
    for length in (0, 1, 7):
        s, xs = random.standard_normal(4).astype(np.float32), random.standard_normal((length, 4)).astype(np.float32)
        state, outputs = s, np.zeros((0, 4), np.float32)
        for x in xs:
            q = step(state + x)
            state, outputs = np.tanh(q), np.concatenate([outputs, q[None]])
        got = module(s0=s, xs=xs)
        np.testing.assert_allclose(got["last"], state, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(got["y"], outputs, rtol=1e-4, atol=1e-5)
