"""compile() and the ONNX backend. Needs ssmc; how it is called is tested with a stand-in as well."""
import os
import stat

import numpy as np
import onnx
import onnx.parser
import pytest

import ssm_mlir
from ssm_mlir import _programs
from test_module import ECHO

MODEL = """<ir_version: 10, opset_import: ["": 21]>
add (float[n, 3] x, float[n, 3] y) => (float[n, 3] sum, float[n, 3] product) { sum = Add(x, y) product = Mul(x, y) }"""


def has_ssmc():
    try:
        _programs.find("ssmc")
        return True
    except ssm_mlir.Error:
        return False


needs_ssmc = pytest.mark.skipif(not has_ssmc(), reason="ssmc is not built")


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A program in place of ssmc: writes its arguments to a file and the echo library to the output."""
    program = tmp_path / "ssmc"
    program.write_text(f"""#!/bin/sh
echo "$@" > {tmp_path}/arguments
case "$*" in *bad*) echo "bad.onnx: cannot compile" >&2; exit 1;; *crash*) kill -SEGV $$;; esac
while [ "$1" != -o ]; do shift; done
cp {ECHO} "$2"
""")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("SSM_MLIR_SSMC", str(program))
    return tmp_path


def test_call(stand_in):
    module = ssm_mlir.compile("model.onnx", output=stand_in / "kept.so", O=2, threads=4, remarks=False, verify_raise=True,
                              mcpu="native", form=["scan:blocked", "attention:online"], report=stand_in / "r.json")
    assert module.inputs[0].name == "x1" and (stand_in / "kept.so").exists()
    assert (stand_in / "arguments").read_text().split() == [
        "model.onnx", "-o", f"{stand_in}/kept.so", "-O2", "--threads=4", "--verify-raise", "--mcpu=native",
        "--form=scan:blocked", "--form=attention:online", f"--report={stand_in}/r.json"]
    assert ssm_mlir.compile(b"bytes").inputs
    assert ssm_mlir.compile(onnx.parser.parse_model(MODEL)).inputs


def test_errors(stand_in, monkeypatch):
    with pytest.raises(ssm_mlir.Error, match="bad.onnx: cannot compile") as caught:
        ssm_mlir.compile("bad.onnx")
    assert caught.value.status == 1
    with pytest.raises(ssm_mlir.Error, match="status -11") as caught:
        ssm_mlir.compile("crash.onnx")
    assert caught.value.status == 2
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("SSM_MLIR_SSMC")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ssm_mlir.Error, match="set SSM_MLIR_SSMC"):
        ssm_mlir.compile("model.onnx")


@needs_ssmc
def test_real_compilation(tmp_path):
    model = onnx.parser.parse_model(MODEL)
    onnx.save(model, tmp_path / "model.onnx")
    x, y = np.float32([[1, 2, 3]]), np.float32([[4, 5, 6]])
    for given in (tmp_path / "model.onnx", model.SerializeToString(), model):
        got = ssm_mlir.compile(given)(x=x, y=y)
        np.testing.assert_array_equal(got["sum"], x + y)
        np.testing.assert_array_equal(got["product"], x * y)
    with pytest.raises(ssm_mlir.Error):
        ssm_mlir.compile(tmp_path / "none.onnx")


@needs_ssmc
def test_backend():
    from ssm_mlir import backend
    model = onnx.parser.parse_model(MODEL)
    x, y = np.float32([[1, 2, 3]]), np.float32([[4, 5, 6]])
    result = backend.prepare(model).run([x, y])
    np.testing.assert_array_equal(result[0], x + y)
    np.testing.assert_array_equal(backend.run_model(model, {"x": x, "y": y}).product, x * y)
    node = onnx.helper.make_node("Sub", ["a", "b"], ["c"])
    np.testing.assert_array_equal(backend.run_node(node, [x, y])[0], x - y)
    assert backend.supports_device("CPU") and not backend.supports_device("CUDA:0")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A compiled model whose inputs share a symbol."""
    if not has_ssmc():
        pytest.skip("ssmc is not built")
    text = """<ir_version: 10, opset_import: ["": 21]>
      g (float[n, 3] x, float[n, 3] y, int64[k] picks) => (float[k, 3] z) { s = Add(x, y) z = Gather(s, picks) }"""
    path = tmp_path_factory.mktemp("wrong") / "model.so"
    return ssm_mlir.compile(onnx.parser.parse_model(text), output=path)


@pytest.mark.parametrize("change, message", [
    ({"x": np.zeros((2, 3))}, "input 'x': element type is float64, expected float32"),
    ({"x": np.zeros(6, np.float32)}, "input 'x': rank is 1, expected 2"),
    ({"x": np.zeros((2, 4), np.float32)}, "input 'x': dimension 1 is 4, expected 3"),
    ({"y": np.zeros((5, 3), np.float32)}, "input 'y': dimension 0 ('n') is 5, but 2 in input 'x'"),
    ({"y": None}, "input 'y': got nothing, expected a tensor"),
    ({"w": np.zeros(1)}, "the model has no input 'w'"),
    ({"x": [np.zeros((2, 3), np.float32)] * 2}, "input 'x'"),
    ({"x": "text"}, "input 'x'"),
])
def test_wrong_run_time_input(compiled, change, message):
    good = {"x": np.ones((2, 3), np.float32), "y": np.ones((2, 3), np.float32), "picks": np.int64([1, 0, 1])}
    with pytest.raises(ssm_mlir.Error) as caught:
        compiled(**{**good, **change})
    assert message in str(caught.value) and caught.value.status == 1
    missing = dict(good)
    del missing["y"]
    with pytest.raises(ssm_mlir.Error, match="input 'y'"):
        compiled(**missing)
    np.testing.assert_array_equal(compiled(**good)["z"], np.full((3, 3), 2))


def test_refusal_is_an_exception(tmp_path):
    if not has_ssmc():
        pytest.skip("ssmc is not built")
    node = onnx.helper.make_node("StringNormalizer", ["a"], ["b"], name="words")
    value = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [2]) for n in "ab"]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", value[:1], value[1:]), ir_version=10,
                                   opset_imports=[onnx.helper.make_opsetid("", 21)])
    with pytest.raises(ssm_mlir.Error, match="node 'words'") as caught:
        ssm_mlir.compile(model, report=tmp_path / "report.json")
    assert caught.value.status == 1 and (tmp_path / "report.json").exists()
