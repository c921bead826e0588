"""Graphs of so many different operators that those which differ in numbers only share machine code, against NumPy."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc
FLOAT, N = TensorProto.FLOAT, helper.make_node
ROWS, STEPS = 8, 280  # two dispatches a step; the last ones are long enough to run in parallel


def build():
    """Steps that pad to a length, a scalar and a table of their own; every seventh also divides its index by the length."""
    random = np.random.default_rng(0)
    constants, nodes, steps, length = {"axis": np.int64(-1)}, [], [], 64
    for i in range(STEPS):
        step = {f"p{i}": np.int64([0, 0, 0, i % 37 + 1]), f"s{i}": np.float32(1 - 1 / (i + 2)),
                f"t{i}": random.uniform(-1, 1, (ROWS, 1)).astype(np.float32)}
        length += i % 37 + 1
        nodes += [N("Pad", [f"v{i}", f"p{i}"], [f"q{i}"]), N("Mul", [f"q{i}", f"s{i}"], [f"m{i}"]),
                  N("Add", [f"m{i}", f"t{i}"], [f"a{i}" if i % 7 == 0 else f"v{i + 1}"])]
        if i % 7 == 0:
            step[f"w{i}"], step[f"b{i}"] = np.int64([length, ROWS]), np.int64([ROWS, length])
            nodes += [N("Reshape", [f"a{i}", f"w{i}"], [f"r{i}"]), N("Transpose", [f"r{i}"], [f"z{i}"], perm=[1, 0]),
                      N("Reshape", [f"z{i}", f"b{i}"], [f"v{i + 1}"])]
        constants.update(step)
        steps.append(list(step.values()))
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [info("v0", FLOAT, [ROWS, 64])], [info(f"v{STEPS}", FLOAT, None)],
                              [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), steps


def test_sizes_scalars_and_tables():
    model, steps = build()
    x = np.random.default_rng(1).standard_normal((ROWS, 64)).astype(np.float32)
    want = x
    for pads, scalar, table, *transposed in steps:
        want = np.pad(want, ((0, 0), (0, pads[3]))) * scalar + table
        if transposed:
            want = want.reshape(transposed[0]).T.reshape(transposed[1])
    for threads in (1, 2):
        got = ssm_mlir.compile(model, threads=threads)(v0=x)[f"v{STEPS}"]
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
