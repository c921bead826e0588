"""Products with constant matrices, which are packed at compile time: odd sizes, transposes, shared and side-file weights."""
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc


def build(nodes, weights, inputs, outputs):
    graph = helper.make_graph(nodes, "weights", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
                              [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs],
                              [numpy_helper.from_array(w, n) for n, w in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def draw(*shape):
    return np.random.default_rng(len(shape) + sum(shape)).standard_normal(shape).astype(np.float32)


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("columns", [15, 16, 31, 32, 33, 64, 129, 160])
@pytest.mark.parametrize("rows", [1, 2, 5, 8, 19])
def test_matmul(rows, columns):
    w, x = draw(37, columns), draw(rows, 37)
    module = ssm_mlir.compile(build([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": w}, [("x", ["M", 37])], [("y", ["M", columns])]))
    close(module(x=x)["y"], x @ w)
    assert module(x=x[:0])["y"].shape == (0, columns)


@pytest.mark.parametrize("shape", [(37,), (2, 37), (3, 1, 37), (2, 3, 5, 37)])
def test_ranks(shape):
    w, x = draw(37, 70), draw(*shape)
    model = build([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": w}, [("x", [f"d{i}" for i in range(len(shape) - 1)] + [37])],
                  [("y", None)])
    close(ssm_mlir.compile(model)(x=x)["y"], x @ w)


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_gemm(trans_a, trans_b):
    w, x, c = draw(37, 50), draw(6, 37), draw(50)
    node = helper.make_node("Gemm", ["x", "w", "c"], ["y"], transA=trans_a, transB=trans_b, alpha=0.5, beta=2.0)
    model = build([node], {"w": np.ascontiguousarray(w.T) if trans_b else w, "c": c},
                  [("x", [37, 6] if trans_a else [6, 37])], [("y", [6, 50])])
    close(ssm_mlir.compile(model)(x=np.ascontiguousarray(x.T) if trans_a else x)["y"], 0.5 * (x @ w) + 2 * c)


@pytest.mark.parametrize("dtype,tolerance", [(TensorProto.DOUBLE, 1e-12), (TensorProto.FLOAT16, 2e-3), (TensorProto.BFLOAT16, 1e-2)])
@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("rows", [1, 3, 13])
def test_types(dtype, tolerance, constant, rows):
    """Narrow floats are summed in float32, float64 in itself."""
    numpy_type = helper.tensor_dtype_to_np_dtype(dtype)
    w, x = draw(37, 70).astype(numpy_type), draw(rows, 37).astype(numpy_type)
    inputs = [helper.make_tensor_value_info("x", dtype, ["M", 37])]
    if not constant:
        inputs.append(helper.make_tensor_value_info("w", dtype, [37, "N"]))
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "types", inputs,
                              [helper.make_tensor_value_info("y", dtype, ["M", None])],
                              [helper.make_tensor("w", dtype, w.shape, w.tobytes(), raw=True)] if constant else [])
    module = ssm_mlir.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    got = np.asarray(module(x=x, **({} if constant else {"w": w}))["y"]).astype(np.float64)
    want = x.astype(np.float64) @ w.astype(np.float64)
    assert np.linalg.norm(got - want) <= tolerance * np.linalg.norm(want)


def test_shared(tmp_path):
    """One large matrix, read three ways: rows of it, products with it and with its transpose. It is stored once for each."""
    w, x, ids = draw(200, 300), draw(4, 200), np.array([3, 199, 0], np.int64)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("MatMul", ["x2", "w"], ["b"]),
             helper.make_node("Transpose", ["w"], ["t"]), helper.make_node("MatMul", ["a", "t"], ["c"])]
    model = build(nodes, {"w": w}, [("x", [4, 200]), ("x2", [1, 200])], [("a", [4, 300]), ("b", [1, 300]), ("c", [4, 200])])
    nodes = model.graph.node
    nodes.append(helper.make_node("Gather", ["w", "ids"], ["d"]))
    model.graph.input.append(helper.make_tensor_value_info("ids", TensorProto.INT64, [3]))
    model.graph.output.append(helper.make_tensor_value_info("d", TensorProto.FLOAT, [3, 300]))
    module = ssm_mlir.compile(model, output=str(tmp_path / "m.so"))
    out = module(x=x, x2=x[:1], ids=ids)
    close(out["a"], x @ w)
    close(out["b"], x[:1] @ w)
    close(out["c"] / 100, x @ w @ w.T / 100)
    np.testing.assert_array_equal(out["d"], w[ids])
    panels, transposed = 200 * 320 * 4, 300 * 224 * 4
    size = (tmp_path / "m.safetensors").stat().st_size
    assert 0 <= size - (w.nbytes + panels + transposed) < 1024


def test_only_packed(tmp_path):
    w = draw(256, 256)
    model = build([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": w}, [("x", [1, 256])], [("y", [1, 256])])
    ssm_mlir.compile(model, output=str(tmp_path / "m.so"))
    assert (tmp_path / "m.safetensors").stat().st_size < w.nbytes + 1024
