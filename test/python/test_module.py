"""load() and Module, on a library that gives its inputs back (test/unit/SsmRun/Echo.c)."""
import os
import shutil
import subprocess
import sys
import threading

import ml_dtypes
import numpy as np
import pytest
from onnx import helper

import ssm_mlir
from conftest import BUILD

ECHO = os.environ.get("SSM_TEST_ECHO", str(BUILD / "test/unit/SsmRun/echo_model.so"))
DTYPES = [d for d in range(1, 27) if d != 8]


def array(dtype, rows=5):
    signed = np.dtype(helper.tensor_dtype_to_np_dtype(dtype)).name not in ("float8_e8m0fnu",) and dtype not in (2, 4, 9, 12, 13, 21, 25)
    numbers = np.arange(rows * 3).reshape(rows, 3) % 4 - (2 if signed else 0)
    return numbers.astype(helper.tensor_dtype_to_np_dtype(dtype))


def arrays(rows=5, **more):
    return {**{f"x{d}": array(d, rows) for d in DTYPES}, "sequence": [np.float32([1, 2])], **more}


def same(a, b):
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a.astype(wide), b.astype(wide), equal_nan=True)


@pytest.fixture(scope="module")
def module():
    return ssm_mlir.load(ECHO, threads=1)


def test_every_dtype(module):
    given = arrays(maybe=array(1))
    got = module(**given)
    assert list(got) == [o.name for o in module.outputs]
    for d in DTYPES:
        assert same(got[f"x{d}"], given[f"x{d}"]), d
    assert same(got["sequence"][0], np.float32([1, 2]))
    assert same(got["maybe"], array(1))
    assert module(**arrays())["maybe"] is None


def test_descriptions(module):
    x16 = module.inputs[14]
    assert x16 == ("x16", np.dtype(ml_dtypes.bfloat16), ("rows", 3), False, False)
    assert module.inputs[-2].sequence and module.inputs[-1].optional
    assert module.metadata["profile"] == ['the "echo" node']
    assert "x16: bfloat16['rows', 3]" in repr(module)
    assert module.profile(arrays(), runs=2)['the "echo" node'] > 0


def test_shapes_and_strides(module):
    base = np.arange(60, dtype=np.float64).reshape(6, 10)
    given = arrays(3, x11=base[::2, 9:0:-3], x1=np.float32([[1, 2, 3]] * 3).T, x6=np.arange(9, dtype=">i4").reshape(3, 3))
    read_only = np.ones((3, 3), np.int64)
    read_only.flags.writeable = False
    given["x7"] = read_only
    given["x16"] = array(16, 6)[::2]
    given["x22"] = array(22, 6)[::-2]
    got = module.run(given)
    for name in ("x11", "x1", "x6", "x7", "x16", "x22"):
        assert np.array_equal(got[name], given[name]), name
    assert module(**arrays(0))["x1"].shape == (0, 3)
    assert np.array_equal(module(**arrays(1, x1=[[1, 2, 3]]))["x1"], [[1, 2, 3]])


def test_outputs_outlive_the_module():
    got = ssm_mlir.load(ECHO)(**arrays())
    assert same(got["x1"], array(1))
    got["x1"][0, 0] = 9        # and are writable


def test_dlpack(module):
    class Foreign:              # an array of another library
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    given = arrays(x1=Foreign(array(1)))
    got = module.run(given, dlpack=True)
    assert np.array_equal(np.from_dlpack(got["x1"]), array(1))
    assert got["x16"].__dlpack_device__()[0] == 1
    again = module.run({**given, "x16": got["x16"]})       # bfloat16 through DLPack
    assert same(again["x16"], array(16))


@pytest.mark.parametrize("change, message", [
    ({"x1": np.zeros((5, 3))}, "input 'x1': element type is float64, expected float32"),
    ({"x1": np.zeros((5, 4), np.float32)}, "input 'x1': dimension 1 is 4, expected 3"),
    ({"x2": np.zeros((4, 3), np.uint8)}, "input 'x2': dimension 0 ('rows') is 4, but 5 in input 'x1'"),
    ({"x1": None}, "input 'x1': got nothing, expected a tensor"),
    ({"y": array(1)}, "the model has no input 'y'"),
    ({"x1": "text"}, "input 'x1'"),
    ({"x1": object()}, "input 'x1'"),
    ({"x1": np.array(["a"])}, "input 'x1': element type is <U1, expected float32"),
    ({"sequence": array(1)}, "input 'sequence': got a ndarray, expected a list of arrays"),
    ({"sequence": [array(7)]}, "input 'sequence': element 0 is of int64, expected float32"),
])
def test_wrong_inputs(module, change, message):
    with pytest.raises(ssm_mlir.Error) as caught:
        module(**arrays(**change))
    assert message in str(caught.value) and caught.value.status == 1


def test_failures(module, tmp_path):
    with pytest.raises(ssm_mlir.Error, match="thirteen rows") as caught:
        module(**arrays(13))
    assert caught.value.status == 2
    with pytest.raises(ssm_mlir.Error, match="No such file"):
        ssm_mlir.load(tmp_path / "none.so")
    (tmp_path / "text.so").write_text("text")
    with pytest.raises(ssm_mlir.Error, match="cannot load the library"):
        ssm_mlir.load(tmp_path / "text.so")
    with pytest.raises(ssm_mlir.Error, match="no decode step"):
        module.step


def test_file_written_anew(tmp_path):
    """A second library under the name of a loaded one is another library."""
    path = tmp_path / "model.so"
    shutil.copy(ECHO, path)
    first = ssm_mlir.load(path)
    other = (tmp_path / "other.so")
    other.write_bytes(open(ECHO, "rb").read().replace(b"thirteen rows", b"unlucky  rows"))
    os.replace(other, path)
    second = ssm_mlir.load(path)
    with pytest.raises(ssm_mlir.Error, match="unlucky"):
        second(**arrays(13))
    with pytest.raises(ssm_mlir.Error, match="thirteen"):
        first(**arrays(13))


def test_threads(module):
    wrong = []

    def work(seed):
        for i in range(30):
            given = arrays(1 + (seed * 7 + i) % 12)
            if not same(module(**given)["x11"], given["x11"]):
                wrong.append(i)
    workers = [threading.Thread(target=work, args=(s,)) for s in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def test_no_llvm():
    script = f"import ssm_mlir; ssm_mlir.load({ECHO!r}); print(open('/proc/self/maps').read())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(ssm_mlir.__file__))})
    assert "echo_model" in done.stdout and "libLLVM" not in done.stdout and "libMLIR" not in done.stdout
