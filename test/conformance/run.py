#!/usr/bin/env python3
"""Run ONNX's own backend tests through ssmc and the C interface.

    run.py --ssmc build/bin/ssmc [--every N] [--dynamic] [--write-expected]

Compares every result with the test's data. expected_failures.txt lists the tests that are refused or fail, each with its
reason; a test outside the list that fails, or one inside it that passes, makes the run fail, so the list only shrinks.
Each library runs in a process of its own: a crash is one failed test.
"""
import argparse
import concurrent.futures
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.backend.test.loader import load_model_tests

HERE = Path(__file__).parent
KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")


class Value(ctypes.Structure):
    """ssm_value of include/ssm-mlir-c/model.h."""

    _fields_ = [("kind", ctypes.c_int32), ("dtype", ctypes.c_int32), ("rank", ctypes.c_int32), ("owned", ctypes.c_int32),
                ("shape", ctypes.c_int64 * 16), ("data", ctypes.c_void_p)]


def to_value(array, dtype, keep):
    value = Value()
    if isinstance(array, list):
        items = (Value * max(1, len(array)))(
            *[to_value(a, helper.np_dtype_to_tensor_dtype(a.dtype), keep) for a in array])
        keep.append(items)
        value.kind, value.data = 2, ctypes.addressof(items)
        value.shape[0] = len(array)
        return value
    array = np.array(array, order="C", copy=True)
    storage = array if array.size else np.zeros(1, array.dtype)
    keep.append(storage)
    value.kind, value.dtype, value.rank, value.data = 1, dtype, array.ndim, storage.ctypes.data
    value.shape[: array.ndim] = array.shape
    return value


def from_value(value):
    if value.kind == 2:
        items = ctypes.cast(value.data, ctypes.POINTER(Value))
        return [from_value(items[i]) for i in range(value.shape[0])]
    if value.kind == 0:
        return None
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(value.dtype))
    shape = tuple(value.shape[: value.rank])
    count = int(np.prod(shape))
    return np.frombuffer(ctypes.string_at(value.data, count * dtype.itemsize) if count else b"", dtype).reshape(shape)


def read(path, type_proto):
    data = path.read_bytes()
    if type_proto.HasField("sequence_type"):
        return [numpy_helper.to_array(t) for t in onnx.SequenceProto.FromString(data).tensor_values]
    if type_proto.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def element_type(type_proto):
    if type_proto.HasField("optional_type"):
        return type_proto.optional_type.elem_type.tensor_type.elem_type
    return type_proto.tensor_type.elem_type


def disagreement(want, got, rtol, atol):
    if isinstance(want, list):
        if not isinstance(got, list) or len(got) != len(want):
            return "a sequence of another length"
        return next((d for d in (disagreement(w, g, rtol, atol) for w, g in zip(want, got)) if d), "")
    if want is None:
        return ""
    want = np.asarray(want)
    if got is None or want.shape != got.shape or want.dtype != got.dtype:
        return f"want {want.dtype}{want.shape}, got {'nothing' if got is None else f'{got.dtype}{got.shape}'}"
    if want.dtype.kind in "biu":
        return "" if np.array_equal(want, got) else "integers differ"
    loose = {"float16": 1e-2, "bfloat16": 4e-2}.get(want.dtype.name, 0)
    rtol, atol = max(rtol, loose), max(atol, loose)
    if want.dtype.kind not in "fc":  # bfloat16, float8, int4 ...
        want, got = want.astype(np.float64), got.astype(np.float64)
    if want.dtype.itemsize <= 2 or rtol < 1e-3:
        rtol = max(rtol, 1e-3)
    return "" if np.allclose(got, want, rtol=rtol, atol=max(atol, 1e-7), equal_nan=True) else \
        f"error {np.nanmax(np.abs(got - want)):.3g}"


def data_sets(test, model):
    """Inputs and outputs of every data set of a test, as arrays, lists or None; a missing trailing input is None."""
    given = [i for i in model.graph.input if i.name not in {t.name for t in model.graph.initializer}]
    if test.model_dir:
        sets = []
        for folder in sorted(Path(test.model_dir).glob("test_data_set_*")):
            values = []
            for prefix, infos in (("input", given), ("output", model.graph.output)):
                paths = [folder / f"{prefix}_{number}.pb" for number in range(len(infos))]
                values.append([read(p, i.type) if p.exists() else None for p, i in zip(paths, infos)])
            sets.append(values)
        return given, sets

    def plain(value):
        return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else \
            [plain(v) for v in value] if isinstance(value, list) else value
    return given, [[[plain(v) for v in inputs], [plain(v) for v in outputs]] for inputs, outputs in test.data_sets or []]


# Outputs that depend on a generator the specification leaves open: only shape and element type can be compared.
RANDOM = {"Bernoulli", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"}


def is_random(model):
    return any(n.op_type in RANDOM or n.op_type == "Dropout" and len(n.input) > 2 for n in model.graph.node)


def run_sets(library_path, model, given_infos, sets, rtol, atol):
    library = ctypes.CDLL(str(library_path))
    library.ssm_last_error.restype = ctypes.c_char_p
    handle = ctypes.c_void_p()
    if library.ssm_open(None, ctypes.byref(handle)):
        return "open: " + library.ssm_last_error().decode()
    for inputs, wanted in sets:
        keep, results = [], (Value * max(1, len(model.graph.output)))()
        given = (Value * max(1, len(given_infos)))()
        for number, (info, array) in enumerate(zip(given_infos, inputs)):
            if array is not None:
                given[number] = to_value(array, element_type(info.type), keep)
        if library.ssm_run(handle, given, len(given_infos), results, len(model.graph.output)):
            return "run: " + library.ssm_last_error().decode()
        for number, (info, want) in enumerate(zip(model.graph.output, wanted)):
            got = from_value(results[number])
            if is_random(model):
                want, got = np.zeros_like(want), np.zeros_like(got)
            wrong = disagreement(want, got, rtol, atol)
            if wrong:
                return f"wrong: {info.name}: {wrong}"
    return ""


def in_child(work, seconds=60):
    """The text that work() gives, from a forked process; a crash is a text too."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(seconds)
        try:
            text = work()
        except Exception as error:  # the parent reports it
            text = f"exception: {error!r}"
        os.write(writing, text.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        text = stream.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return f"crash: signal {status & 127}" if status else text


def make_dynamic(model):
    """Every dimension of every input and output becomes a symbol; declared inner shapes go."""
    del model.graph.value_info[:]
    initialised = {t.name for t in model.graph.initializer}
    for values in (model.graph.input, model.graph.output):
        for value in values:
            if value.type.HasField("tensor_type") and value.name not in initialised:
                for axis, dim in enumerate(value.type.tensor_type.shape.dim):
                    dim.dim_param = f"{value.name}_{axis}"
    return model


def run_test(test, options):
    if not test.model_dir and test.model is None:
        return "no data"
    model = test.model or onnx.load(f"{test.model_dir}/model.onnx", load_external_data=False)
    infos, sets = data_sets(test, model)
    with tempfile.TemporaryDirectory() as scratch:
        path, library = Path(scratch) / "model.onnx", Path(scratch) / "model.so"
        if options.dynamic:
            copy = onnx.ModelProto()
            copy.CopyFrom(model)
            model = make_dynamic(copy)
        path.write_bytes(model.SerializeToString())
        try:
            done = subprocess.run([options.ssmc, str(path), "-o", str(library)], capture_output=True, text=True,
                                  errors="replace", timeout=300)
        except subprocess.TimeoutExpired:
            return "compiling takes over 300 s"
        if done.returncode == 1:
            return "refused: " + " ".join(done.stderr.replace(scratch + "/", "").split())[:160]
        if done.returncode:
            return f"crash: ssmc exits {done.returncode}: " + " ".join(done.stderr.split())[:160]
        return in_child(lambda: run_sets(library, model, infos, sets, test.rtol, test.atol))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ssmc", default="build/bin/ssmc")
    parser.add_argument("--every", type=int, default=1, help="run every Nth test only")
    parser.add_argument("--dynamic", action="store_true", help="make all dims symbolic")
    parser.add_argument("--write-expected", action="store_true", help="write the list anew from this run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    listed = HERE / ("expected_failures_dynamic.txt" if options.dynamic else "expected_failures.txt")
    expected = {}
    if listed.exists():
        expected = dict(line.split("\t", 1) for line in listed.read_text().splitlines() if line and line[0] != "#")
    tests = sorted((t for kind in KINDS for t in load_model_tests(kind=kind)), key=lambda t: t.name)[:: options.every]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = dict(zip([t.name for t in tests], pool.map(lambda t: run_test(t, options), tests)))
    results = {name: text for name, text in results.items() if text != "no data"}
    if options.write_expected:
        lines = ["# Written by run.py --write-expected. Test, tab, reason. Entries may only be removed."]
        lines += [f"{name}\t{' '.join(text.split())[:120]}" for name, text in sorted(results.items()) if text]
        listed.write_text("\n".join(lines) + "\n")
        print(f"{sum(not t for t in results.values())} of {len(results)} pass")
        return 0
    surprises = 0
    for name, text in sorted(results.items()):
        if text and name not in expected:
            print(f"FAILED {name}: {text}")
            surprises += 1
        elif not text and name in expected:
            print(f"FAILED {name}: passes, remove it from {listed.name}")
            surprises += 1
    passed = sum(not t for t in results.values())
    print(f"{passed} of {len(results)} tests right, the others refused or failing as listed but {surprises}")
    print(f"{len(results) - surprises} passed, {surprises} failed")
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main())
