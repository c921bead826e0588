"""ssm-run on a library that gives its inputs back (test/unit/SsmRun/Echo.c)."""
import json
import os
import pathlib
import subprocess

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

BUILD = pathlib.Path(__file__).resolve().parents[3] / "build"
TOOL = os.environ.get("SSM_RUN", str(BUILD / "bin/ssm-run"))
ECHO = os.environ.get("SSM_TEST_ECHO", str(BUILD / "test/unit/SsmRun/echo_model.so"))
DTYPES = [d for d in range(1, 27) if d != 8]


def run(*arguments, code=0):
    done = subprocess.run([TOOL, ECHO, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr + done.stdout
    return done


def array(dtype, rows=5):
    numbers = np.arange(rows * 3).reshape(rows, 3) % 4 - (1 if dtype in (1, 3, 5, 6, 7, 10, 11, 16, 17, 22) else 0)
    if dtype in (25,):
        numbers %= 4
    if dtype in (26,):
        numbers = numbers % 4 - 2
    return numbers.astype(helper.tensor_dtype_to_np_dtype(dtype))


def write_set(folder, rows=5, maybe=True, typed=()):
    """A data set with every element type; those in `typed` use the typed fields of TensorProto."""
    folder.mkdir(exist_ok=True)
    arrays = [array(d, rows) for d in DTYPES]
    for i, (d, a) in enumerate(zip(DTYPES, arrays)):
        if d in typed:
            tensor = helper.make_tensor(f"x{d}", d, a.shape, a.flatten())
        else:
            tensor = numpy_helper.from_array(a, f"x{d}")
        (folder / f"input_{i}.pb").write_bytes(tensor.SerializeToString())
        (folder / f"output_{i}.pb").write_bytes(tensor.SerializeToString())
    n = len(DTYPES)
    elements = [np.arange(k, dtype=np.float32) for k in range(3)]
    sequence = numpy_helper.from_list(elements, "sequence")
    optional = numpy_helper.from_optional(array(1, rows) if maybe else None, "maybe")
    for kind in ("input", "output"):
        (folder / f"{kind}_{n}.pb").write_bytes(sequence.SerializeToString())
        if maybe or kind == "output":
            (folder / f"{kind}_{n + 1}.pb").write_bytes(optional.SerializeToString())
    return arrays, elements


@pytest.mark.parametrize("typed", [(), (1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 14, 15)])
def test_data_set(tmp_path, typed):
    arrays, elements = write_set(tmp_path / "set", typed=typed)
    done = run("--data-set", tmp_path / "set", "--save", tmp_path / "deep" / "saved")
    assert done.stdout.count("ok,") == len(DTYPES) + 2
    for i, (d, a) in enumerate(zip(DTYPES, arrays)):
        tensor = onnx.load_tensor(str(tmp_path / "deep" / "saved" / f"output_{i}.pb"))
        assert tensor.name == f"x{d}" and tensor.data_type == d
        got = numpy_helper.to_array(tensor)
        assert got.shape == a.shape and got.tobytes() == a.tobytes()
    n = len(DTYPES)
    sequence = onnx.SequenceProto.FromString((tmp_path / "deep/saved" / f"output_{n}.pb").read_bytes())
    assert sequence.name == "sequence"
    for got, want in zip(numpy_helper.to_list(sequence), elements, strict=True):
        np.testing.assert_array_equal(got, want)
    optional = onnx.OptionalProto.FromString((tmp_path / "deep/saved" / f"output_{n + 1}.pb").read_bytes())
    np.testing.assert_array_equal(numpy_helper.to_optional(optional), arrays[0])


def test_absent_trailing_input(tmp_path):
    write_set(tmp_path / "set", maybe=False)
    run("--data-set", tmp_path / "set", "--save", tmp_path / "saved")
    optional = onnx.OptionalProto.FromString((tmp_path / "saved" / f"output_{len(DTYPES) + 1}.pb").read_bytes())
    assert numpy_helper.to_optional(optional) is None


def test_difference(tmp_path):
    write_set(tmp_path / "set")
    changed = array(1)
    changed[2, 1] += 0.5
    tensor = numpy_helper.from_array(changed, "x1").SerializeToString()
    (tmp_path / "set/output_0.pb").write_bytes(tensor)
    done = run("--data-set", tmp_path / "set", code=3)
    assert "output 'x1': DIFFERS, max abs error 0.5" in done.stdout and "1 of 15 differ, first at 7" in done.stdout
    run("--data-set", tmp_path / "set", "--atol", 0.6)
    run("--data-set", tmp_path / "set", "--no-compare")
    (tmp_path / "set/output_0.pb").write_bytes(numpy_helper.from_array(array(1, 4)).SerializeToString())
    assert "float32 [5, 3] instead of float32 [4, 3]" in run("--data-set", tmp_path / "set", code=3).stdout
    # NaN equals NaN, infinity equals itself only
    special = array(1)
    special[0] = [np.nan, np.inf, -np.inf]
    for name in ("input_0.pb", "output_0.pb"):
        (tmp_path / "set" / name).write_bytes(numpy_helper.from_array(special).SerializeToString())
    run("--data-set", tmp_path / "set")
    special[0, 1] = -np.inf
    (tmp_path / "set/output_0.pb").write_bytes(numpy_helper.from_array(special).SerializeToString())
    run("--data-set", tmp_path / "set", "--atol", 1e9, "--rtol", 1, code=3)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives(tmp_path, save):
    arrays = {f"x{d}": array(d) for d in DTYPES}
    arrays["x19"] = arrays["x19"].view(np.uint8)        # NumPy writes this one under a name that it cannot read
    given = {**arrays, "x11": np.asfortranarray(arrays["x11"]), "maybe": array(1), "sequence.0": np.float32([1, 2]), "sequence.1": np.float32(3)}
    save(tmp_path / "in.npz", **given)
    run("--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as out:
        assert set(out.files) == set(given)
        for name, want in given.items():
            got = out[name]
            assert got.shape == want.shape
            if name in ("x22", "x26"):                  # carriers may differ in the bits that do not count
                got, want = got.view(want.dtype).astype(np.int8), want.astype(np.int8)
            assert got.tobytes() == np.ascontiguousarray(want).tobytes(), name
    given["y"] = given["x1"]
    save(tmp_path / "in.npz", **given)
    assert "the model has no input 'y'" in run("--inputs", tmp_path / "in.npz", code=1).stderr
    del given["y"], given["x2"]
    save(tmp_path / "in.npz", **given)
    assert "input 'x2': got nothing, expected a tensor" in run("--inputs", tmp_path / "in.npz", code=1).stderr
    given["x2"] = np.zeros((5, 3), np.int16)
    save(tmp_path / "in.npz", **given)
    assert "input 'x2': element type is '<i2', expected uint8" in run("--inputs", tmp_path / "in.npz", code=1).stderr


def test_random_and_benchmark():
    done = run("--random", "--dims", "rows=7")
    assert "output 'x16': bfloat16 [7, 3]" in done.stdout
    assert "size 'rows' is 1" in run("--random").stderr
    figures = json.loads(run("--random", "--dims=rows=4", "--benchmark=json", "--seconds=0.05", "--threads", 1).stdout)
    assert figures["runs"] >= 10 and 0 < figures["min_ms"] <= figures["median_ms"] <= figures["p95_ms"]
    assert "median" in run("--random", "--benchmark", "--seconds", 0.05).stdout
    assert 'the "echo" node' in run("--random", "--profile", "--seconds", 0.05).stdout


def test_refusals(tmp_path):
    assert "input  x16: bfloat16 [rows, 3]" in run().stdout
    assert "usage" in run("--help").stdout
    assert "unknown option '--nothing'" in run("--nothing", code=1).stderr
    assert "is not a folder" in run("--data-set", tmp_path / "none", code=1).stderr
    assert "no inputs" in run("--save", tmp_path, code=1).stderr
    assert "thirteen rows" in run("--random", "--dims", "rows=13", code=2).stderr
    (tmp_path / "in.npz").write_text("no archive")
    assert "not a NumPy archive" in run("--inputs", tmp_path / "in.npz", code=1).stderr
    write_set(tmp_path / "set")
    (tmp_path / "set/input_3.pb").write_bytes(b"\x08\x05\x10")
    assert "input_3.pb" in run("--data-set", tmp_path / "set", code=1).stderr
    write_set(tmp_path / "set")
    (tmp_path / "set/input_0.pb").write_bytes(numpy_helper.from_array(np.zeros((4, 3), np.float32)).SerializeToString())
    assert "dimension 0 ('rows') is 5, but 4 in input 'x1'" in run("--data-set", tmp_path / "set", code=1).stderr
    done = subprocess.run([TOOL, "missing.so"], capture_output=True, text=True)
    assert done.returncode == 1 and "cannot load the library" in done.stderr
