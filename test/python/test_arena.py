"""Buffers that share the arena of a call: many lifetimes, sizes known at run time, loops, threads, the report."""
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc


def value(name, *dims):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)


def model(nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, "arena", inputs, outputs, [numpy_helper.from_array(w, n) for n, w in weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def tangle(seed, steps):
    """A graph in which values live for one to `steps` operators, and what it computes from x (b, l, 3) and w (l)."""
    rng = np.random.default_rng(seed)
    nodes, known, compute = [], ["x"], []
    for i in range(steps):
        a, b = rng.choice(known[-6:]), rng.choice(known)
        out, kind = f"v{i}", rng.integers(4)
        if kind == 0:  # CumSum is no elementwise operator: a buffer between dispatches
            nodes.append(helper.make_node("CumSum", [a, "axis"], [out]))
            compute.append((out, lambda v, a=a: np.cumsum(v[a], axis=1)))
        elif kind == 1:
            nodes.append(helper.make_node("Sub", [a, b], [out]))
            compute.append((out, lambda v, a=a, b=b: v[a] - v[b]))
        elif kind == 2:  # a smaller buffer of odd size beside the others
            nodes += [helper.make_node("ReduceMean", [a, "axis"], [f"m{i}"]), helper.make_node("CumSum", [f"m{i}", "last"], [f"c{i}"]),
                      helper.make_node("Add", [f"c{i}", b], [out])]
            compute.append((out, lambda v, a=a, b=b: np.cumsum(v[a].mean(axis=1, keepdims=True), axis=2) + v[b]))
        else:  # of the size of another input
            nodes += [helper.make_node("CumSum", ["w", "first"], [f"c{i}"]), helper.make_node("ReduceSum", [f"c{i}"], [f"s{i}"], keepdims=0),
                      helper.make_node("CumSum", [a, "last"], [f"d{i}"]), helper.make_node("Mul", [f"d{i}", f"s{i}"], [out])]
            compute.append((out, lambda v, a=a: np.cumsum(v[a], axis=2) * np.cumsum(v["w"]).sum()))
        known.append(out)
    weights = [("axis", np.array([1], np.int64)), ("first", np.array([0], np.int64)), ("last", np.array([2], np.int64))]
    nodes.append(helper.make_node("Sum", known[-3:] + known[1:3], ["y"]))
    proto = model(nodes, [value("x", "b", "l", 3), value("w", "n")], [value("y", "b", "l", 3), value(known[steps // 2], "b", "l", 3)], weights)

    def reference(x, w):
        v = {"x": x, "w": w}
        for name, f in compute:
            v[name] = f(v)
        return {"y": sum(v[k] for k in known[-3:] + known[1:3]), known[steps // 2]: v[known[steps // 2]]}

    return proto, reference


def draw(seed, b, l, n):
    rng = np.random.default_rng(seed)
    # Sums of w of about 1 keep products from growing.
    return {"x": rng.standard_normal((b, l, 3)).astype(np.float32), "w": np.full(n, 2 / (n * (n + 1)), np.float32)}


def check(compiled, reference, inputs):
    out = compiled(**inputs)
    for name, want in reference(*(v.astype(np.float64) for v in inputs.values())).items():
        np.testing.assert_allclose(out[name], want, rtol=1e-3, atol=1e-4 * np.abs(want).max(initial=1), err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_tangle(seed):
    proto, reference = tangle(seed, 40)
    compiled = ssm_mlir.compile(proto)
    for i, sizes in enumerate([(1, 5, 7), (2, 3, 1000), (3, 130, 1), (1, 1, 3), (4, 2, 9)]):
        check(compiled, reference, draw(i, *sizes))


def test_threads():
    proto, reference = tangle(7, 30)
    compiled = ssm_mlir.compile(proto)

    def work(thread):
        for i in range(20):
            check(compiled, reference, draw(i, 1 + (thread + i) % 3, 1 + (7 * i + 13 * thread) % 60, 1 + 40 * (i % 4)))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


def test_loop_beside_long_lives():
    """Buffers inside of a Scan, of its rows and of values that live across it, do not touch each other."""
    body = helper.make_graph(
        [helper.make_node("CumSum", ["row", "axis"], ["a"]), helper.make_node("MatMul", ["a", "m"], ["b"]),
         helper.make_node("Sum", ["a", "b", "h", "long"], ["next"]), helper.make_node("CumSum", ["next", "axis"], ["out"])],
        "body", [value("h", 4), value("row", 4)], [value("next", 4), value("out", 4)])
    nodes = [helper.make_node("CumSum", ["z", "axis"], ["long"]), helper.make_node("CumSum", ["x", "axis"], ["rows"]),
             helper.make_node("Scan", ["z", "rows"], ["end", "outs"], body=body, num_scan_inputs=1),
             helper.make_node("Sum", ["outs", "rows", "long", "end"], ["y"])]
    m = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32) / 4
    compiled = ssm_mlir.compile(model(nodes, [value("x", "l", 4), value("z", 4)], [value("y", "l", 4)], [("axis", np.array(0, np.int64)), ("m", m)]))
    for length in (1, 9, 200):
        rng = np.random.default_rng(length)
        x, z = rng.standard_normal((length, 4)).astype(np.float32), rng.standard_normal(4).astype(np.float32)
        long, rows, h, outs = np.cumsum(z), np.cumsum(x, axis=0), z.astype(np.float64), []
        for row in rows:
            a = np.cumsum(row)
            h = a + a @ m + h + long
            outs.append(np.cumsum(h))
        want = np.array(outs) + rows + long + h
        np.testing.assert_allclose(compiled(x=x, z=z)["y"], want, rtol=1e-4, atol=1e-4 * np.abs(want).max())


def test_impossible_size():
    """A window that is longer than its input is an error of the call, not a buffer of negative size."""
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("ReduceSum", ["c"], ["y"])]
    compiled = ssm_mlir.compile(model(nodes, [value("x", 1, 2, "l")], [value("y", 1, 1, 1)], [("w", np.ones((3, 2, 5), np.float32))]))
    assert compiled(x=np.ones((1, 2, 6), np.float32))["y"].item() == 60
    with pytest.raises(ssm_mlir.Error, match="negative"):
        compiled(x=np.ones((1, 2, 2), np.float32))


@pytest.mark.parametrize("dims, arena", [((16, 64), 4096), (("n", 64), "256 * n")])
def test_report(tmp_path, dims, arena):
    nodes = [helper.make_node("CumSum", ["x", "axis"], ["a"]), helper.make_node("CumSum", ["a", "axis"], ["y"])]
    ssm_mlir.compile(model(nodes, [value("x", *dims)], [value("y", *dims)], [("axis", np.array(1, np.int64))]), report=str(tmp_path / "r.json"))
    assert json.loads((tmp_path / "r.json").read_text())["memory"]["arena"] == arena
