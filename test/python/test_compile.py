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
