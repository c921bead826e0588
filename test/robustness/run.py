#!/usr/bin/env python3
"""Damage five models in thousands of ways and compile what results.

    run.py --ssmc build/bin/ssmc [--truncations 200] [--mutations 2000] [--model NAME] [--keep DIR]

A file is either refused (status 1 and a message) or compiled to a library that does not crash and agrees with onnxruntime
where that accepts the file too. Status 2, a signal, more than 10 s or more than 2 GiB of memory is a failure. Half of the
mutations change bytes, half change fields. `--keep DIR` keeps the files that fail.
"""
import argparse
import collections
import concurrent.futures
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "conformance")]
import limits
import models
import mutations
import run as conformance


def inputs_of(model):
    """Arrays for every input that has no initializer; symbolic sizes are 2."""
    random, initialised, given = np.random.default_rng(0), {t.name for t in model.graph.initializer}, []
    for info in model.graph.input:
        if info.name in initialised:
            continue
        tensor = info.type.tensor_type
        shape = [d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else 2 for d in tensor.shape.dim]
        if not info.type.HasField("tensor_type") or np.prod(shape, dtype=float) > 1e6:
            return None
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        given.append((info.name, tensor.elem_type, (random.standard_normal(shape) * 3).astype(dtype)))
    return given


def ours(library, model, given):
    import ctypes
    code = ctypes.CDLL(str(library))
    code.ssm_last_error.restype = ctypes.c_char_p
    handle = ctypes.c_void_p()
    if code.ssm_open(None, ctypes.byref(handle)):
        return "error: " + code.ssm_last_error().decode(errors="replace"), []
    keep, outputs = [], len(model.graph.output)
    values, results = (conformance.Value * max(1, len(given)))(), (conformance.Value * max(1, outputs))()
    for i, (_, dtype, array) in enumerate(given):
        values[i] = conformance.to_value(array, dtype, keep)
    if code.ssm_run(handle, values, len(given), results, outputs):
        return "error: " + code.ssm_last_error().decode(errors="replace"), []
    return "", [conformance.from_value(results[i]) for i in range(outputs)]


def theirs(path, given):
    """onnxruntime's results in a file, or an empty text when it does not take the model."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    results = session.run(None, {name: array for name, _, array in given})
    np.savez(str(path) + ".npz", *results)
    return "done"


def differs(got, want):
    if not isinstance(got, np.ndarray) or got.shape != want.shape or got.dtype != want.dtype:
        return f"want {want.dtype}{want.shape}, got {getattr(got, 'dtype', '')}{getattr(got, 'shape', type(got))}"
    if want.dtype.kind != "f" or not want.size:
        return "" if np.array_equal(got, want) else "values differ"
    finite = np.isfinite(want)
    if not np.array_equal(finite, np.isfinite(got)):
        return "" if not finite.all() else "not finite"
    scale = np.abs(want[finite]).max(initial=0)
    error = np.abs(got[finite] - want[finite]).max(initial=0)
    return "" if error <= 1e-3 * (1e-2 + scale) else f"error {error:.3g} at scale {scale:.3g}"


def judge(library, path):
    """Runs the library beside onnxruntime: 'right', 'not compared', or what is wrong."""
    model = onnx.load(str(path), load_external_data=False)
    given = inputs_of(model)
    if given is None:
        return "not compared"
    reached = limits.in_child(lambda: theirs(path, given))

    def compare():
        error, results = ours(library, model, given)
        if reached != "done":
            return "not compared"
        if error:
            return "wrong: " + error
        with np.load(str(path) + ".npz") as file:
            want = [file[f"arr_{i}"] for i in range(len(file.files))]
        return next(("wrong: " + d for d in map(differs, results, want) if d), "right")
    text = limits.in_child(compare)
    return text if text in ("right", "not compared") or text.startswith(("wrong", "signal")) else "not compared"


def content(name, kind, number, count):
    model = models.ALL[name]()
    data = model.SerializeToString()
    if kind == "truncation":
        return mutations.truncations(data, count)[number]
    return mutations.damage_bytes(data, number) if number % 2 else mutations.damage_fields(model, number)


def try_case(case):
    ssmc, keep, name, kind, number, count = case
    data = content(name, kind, number, count)
    with tempfile.TemporaryDirectory() as scratch:
        path, library = Path(scratch) / "model.onnx", Path(scratch) / "model.so"
        path.write_bytes(data)
        (Path(scratch) / "weights.bin").write_bytes(models.external_data())
        status, text = limits.compile_file(ssmc, path, library)
        if status == 1 and text.strip():
            verdict = "refused"
        elif status == 0:
            verdict = judge(library, path)
        else:
            verdict = f"crash: status {status}: " + " ".join(text.split())[:300]
        left = [f for f in os.listdir(scratch) if f.endswith((".tmp", ".o"))]
        if left:
            verdict = f"crash: leaves {left} behind"
    if keep and verdict not in ("refused", "right", "not compared"):
        Path(keep, f"{name}-{kind}-{number}.onnx").write_bytes(data)
    return f"{name} {kind} {number}", verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ssmc", default="build/bin/ssmc")
    parser.add_argument("--truncations", type=int, default=200)
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--model", choices=models.ALL)
    parser.add_argument("--keep", help="folder for files that fail")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)
    cases = []
    for name in [options.model] if options.model else models.ALL:
        cases += [(options.ssmc, options.keep, name, "truncation", i, options.truncations) for i in range(options.truncations)]
        cases += [(options.ssmc, options.keep, name, "mutation", options.first + i, 0) for i in range(options.mutations)]
    verdicts, failed = collections.Counter(), 0
    with concurrent.futures.ProcessPoolExecutor(options.jobs, multiprocessing.get_context("forkserver")) as pool:
        for label, verdict in pool.map(try_case, cases, chunksize=8):
            verdicts[verdict.split(":")[0]] += 1
            if verdict not in ("refused", "right", "not compared"):
                failed += 1
                print(f"FAILED {label}: {verdict}", flush=True)
    print(f"{len(cases)} files: " + ", ".join(f"{v} {k}" for k, v in verdicts.most_common()))
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
