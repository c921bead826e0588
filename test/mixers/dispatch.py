"""Compiles dispatches through ssm-opt, one mixer each or text of a test's own, and calls them on NumPy arrays.

The runtime is a stand-in of a few lines. SSM_BUILD names the build folder.
"""
import ctypes
import os
import pathlib
import subprocess

import ml_dtypes
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPT = pathlib.Path(os.environ.get("SSM_BUILD", ROOT / "build")) / "bin" / "ssm-opt"
RUNTIME = """
#include <stdint.h>
#include <stdlib.h>
long live;
void *ssmrt_alloc(void *rt, int64_t n) { ++live; return aligned_alloc(64, (n + 64) / 64 * 64); }
void ssmrt_free(void *rt, void *p) { --live; free(p); }
void ssmrt_parallel_for(void *rt, int64_t n, void (*body)(void *, int64_t, int64_t), void *args) {
  int64_t half = n / 2;
  body(args, half, n);
  body(args, 0, half);
}
"""
NP = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i64": np.int64, "i8": np.int8, "i1": np.bool_}


def tensor(element, dims):
    """Type of a tensor: a dim is a number or a symbol like 's0'."""
    shape = "".join(("?" if str(d).startswith("s") else str(d)) + "x" for d in dims)
    if not any(str(d).startswith("s") for d in dims):
        return f"tensor<{shape}{element}>"
    count = 1 + max(int(str(d)[1:]) for d in dims if str(d).startswith("s"))
    names = ", ".join(f"s{i}" for i in range(count))
    return f"tensor<{shape}{element}, affine_map<()[{names}] -> ({', '.join(str(d) for d in dims)})>>"


def run_tool(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]


def load(tmp, lowered, level):
    """The library of a file with lowered dispatches, and of the stand-in for the runtime."""
    (tmp / "rt.c").write_text(RUNTIME)
    run_tool(OPT, lowered, "--ssm-cpu-dispatch", "--verify-each=0", "-o", tmp / "llvm.mlir")
    run_tool("mlir-translate-22", "--mlir-to-llvmir", tmp / "llvm.mlir", "-o", tmp / "d.ll")
    run_tool("clang-22", level, "-w", "-march=native", "-mprefer-vector-width=512", "-shared", "-fPIC", "--rtlib=compiler-rt", tmp / "d.ll",
             tmp / "rt.c", "-lm", "-o", tmp / "d.so")
    return ctypes.CDLL(str(tmp / "d.so"))


def call(lib, arrays, sizes):
    """dispatch_0 of the inputs and outputs, in order, which must be contiguous."""
    lib.dispatch_0(None, *[ctypes.c_void_p(a.ctypes.data) for a in arrays], *[ctypes.c_int64(s) for s in sizes])
    assert ctypes.c_long.in_dll(lib, "live").value == 0, "buffers were not freed"


class Dispatch:
    """body computes %r0, %r1 ... from %a0, %a1 ...; inputs and outputs are lists of (element, dims)."""

    def __init__(self, tmp, body, inputs, outputs, symbols):
        self.outputs, self.symbols = outputs, symbols
        args = ", ".join(f"%a{i}: {tensor(*t)}" for i, t in enumerate(inputs))
        results = ", ".join(tensor(*t) for t in outputs)
        values = ", ".join(f"%r{i}" for i in range(len(outputs)))
        text = (f"func.func private @dispatch_0({args}) -> ({results}) attributes {{ssm.dispatch, ssm.symbols = {symbols} : i64}} {{\n"
                f"{body}\n  return {values} : {results}\n}}\n")
        (tmp / "d.mlir").write_text(text)
        run_tool(OPT, tmp / "d.mlir", "--pass-pipeline=builtin.module(func.func(ssm-lower-dispatch))", "-o", tmp / "low.mlir")
        self.lib = load(tmp, tmp / "low.mlir", os.environ.get("SSM_TEST_OPT", "-O1"))

    def __call__(self, inputs, sizes):
        arrays = [np.ascontiguousarray(a) for a in inputs]
        outs = []
        for element, dims in self.outputs:
            shape = [sizes[int(str(d)[1:])] if str(d).startswith("s") else d for d in dims]
            outs.append(np.full(shape, np.nan if element[0] in "fb" else 7).astype(NP[element]))
        call(self.lib, arrays + outs, sizes)
        return outs
