"""Joins and splits of many parts, slices by constant positions, and compile time of an unrolled graph."""
import resource

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc


def model(nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, "parts", inputs, outputs, [numpy_helper.from_array(w, n) for n, w in weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def value(name, *dims):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_many(axis):
    """Split into 20 parts of unequal size, each negated, joined in reverse; joined once more behind other work."""
    sizes = [i % 3 + 1 for i in range(20)]
    shape = [3, 4, 5]
    shape[axis] = sum(sizes)
    nodes = [helper.make_node("Split", ["x", "sizes"], [f"p{i}" for i in range(20)], axis=axis)]
    nodes += [helper.make_node("Neg", [f"p{i}"], [f"n{i}"]) for i in range(20)]
    parts = [f"n{i}" for i in reversed(range(20))]
    nodes += [helper.make_node("Concat", parts, ["y"], axis=axis), helper.make_node("Abs", ["y"], ["z"])]
    dims = [f"d{i}" for i in range(3)]
    dims[axis] = sum(sizes)
    compiled = ssm_mlir.compile(model(nodes, [value("x", *dims)], [value("y", *dims), value("z", *dims), value("p3", *[None] * 3)],
                                      [("sizes", np.array(sizes, np.int64))]))
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    want = np.split(x, np.cumsum(sizes)[:-1], axis=axis)
    out = compiled(x=x)
    np.testing.assert_array_equal(out["y"], np.concatenate([-p for p in reversed(want)], axis=axis))
    np.testing.assert_array_equal(out["z"], np.abs(out["y"]))
    np.testing.assert_array_equal(out["p3"], want[3])


def test_constant_positions():
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    nodes, weights, wanted = [], [], {}
    cases = [([0, 1], [2, 6]), ([1, 2], [3, 4]), ([-2, -6], [9, -1]), ([3, 0], [4, 2**62])]
    for i, (start, end) in enumerate(cases):
        weights += [(f"s{i}", np.array(start, np.int64)), (f"e{i}", np.array(end, np.int64))]
        nodes.append(helper.make_node("Slice", ["x", f"s{i}", f"e{i}"], [f"y{i}"]))
        wanted[f"y{i}"] = x[start[0]:end[0], start[1]:end[1]]
    for i in (0, 2, -1):
        weights.append((f"g{i}", np.array(i, np.int64)))
        nodes.append(helper.make_node("Gather", ["x", f"g{i}"], [f"r{i}"], axis=1))
        wanted[f"r{i}"] = x[:, i]
    outputs = [value(n, *v.shape) for n, v in wanted.items()]
    got = ssm_mlir.compile(model(nodes, [value("x", 4, 6)], outputs, weights))(x=x)
    for name, want in wanted.items():
        np.testing.assert_array_equal(got[name], want)


def unrolled(steps):
    """8 nodes a step: the step's row of x goes through a matrix and into the state."""
    weights = [("w", np.eye(16, dtype=np.float32)), ("axis", np.array([1], np.int64))]
    nodes = []
    for t in range(steps):
        weights += [(f"i{t}", np.array([t], np.int64)), (f"j{t}", np.array([t + 1], np.int64))]
        nodes += [helper.make_node("Slice", ["x", f"i{t}", f"j{t}", "axis"], [f"s{t}"]), helper.make_node("Squeeze", [f"s{t}", "axis"], [f"x{t}"]),
                  helper.make_node("Mul", [f"h{t}", f"h{t}"], [f"a{t}"]), helper.make_node("Neg", [f"a{t}"], [f"b{t}"]),
                  helper.make_node("MatMul", [f"x{t}", "w"], [f"c{t}"]), helper.make_node("Add", [f"b{t}", f"c{t}"], [f"d{t}"]),
                  helper.make_node("Tanh", [f"d{t}"], [f"h{t + 1}"]), helper.make_node("Unsqueeze", [f"h{t + 1}", "axis"], [f"y{t}"])]
    nodes.append(helper.make_node("Concat", [f"y{t}" for t in range(steps)], ["y"], axis=1))
    return model(nodes, [value("x", "B", steps, 16), value("h0", "B", 16)], [value("y", "B", steps, 16)], weights)


def test_unrolled(tmp_path):
    """Processor time of the compiler, in proportion to the nodes."""
    def seconds(steps):
        onnx.save(unrolled(steps), tmp_path / "m.onnx")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ssm_mlir.compile(str(tmp_path / "m.onnx"), output=str(tmp_path / "m.so"))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    half, full = seconds(312), seconds(625)
    assert full < 20 and full < 2.3 * half + 0.5
    module = ssm_mlir.load(str(tmp_path / "m.so"))
    x, h = np.random.default_rng(0).standard_normal((2, 625, 16)).astype(np.float32), np.zeros((2, 16), np.float32)
    got = module(x=x, h0=h)["y"]
    for t in range(625):
        h = np.tanh(x[:, t] - h * h)
        np.testing.assert_allclose(got[:, t], h, atol=1e-4)
