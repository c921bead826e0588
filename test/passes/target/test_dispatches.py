"""Hand-written dispatches through `ssm-cpu-dispatch`, run on odd, empty and unit sizes and compared with NumPy.

The runtime is a stand-in of a few lines, so that this tests the code generator alone. SSM_BUILD names the build folder.
"""
import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "mixers"))
from dispatch import NP, call, load


def build(tmp, body, inputs, output, symbols):
    """inputs: [(type, 's0, 4')], output alike; body defines %r from %a0, %a1 ..., %o, %s0 ..."""
    maps = ", ".join(f"s{i}" for i in range(symbols))

    def arg(name, spec):
        element, dims = spec
        shape = "".join((d.strip() if d.strip().isdigit() else "?") + "x" for d in dims.split(",") if d.strip())
        return f"%m{name}: memref<{shape}{element}> {{ssm.dims = affine_map<()[{maps}] -> ({dims})>}}", shape + element

    args, text = [], ""
    for name, spec in [(f"a{i}", s) for i, s in enumerate(inputs)] + [("o", output)]:
        a, t = arg(name, spec)
        args.append(a)
        writable = " writable" if name == "o" else ""
        text += f"  %{name} = bufferization.to_tensor %m{name} restrict{writable} : memref<{t}> to tensor<{t}>\n"
    args += [f"%s{i}: index" for i in range(symbols)]
    out = arg("o", output)[1]
    module = f"""func.func private @dispatch_0({', '.join(args)})
    attributes {{ssm.dispatch, ssm.inputs = {len(inputs)} : i64, ssm.outputs = 1 : i64}} {{
{text}{body}
  bufferization.materialize_in_destination %r in restrict writable %mo : (tensor<{out}>, memref<{out}>) -> ()
  return
}}"""
    (tmp / "d.mlir").write_text(module)
    return load(tmp, tmp / "d.mlir", "-O2")


def run(lib, arrays, out, symbols):
    call(lib, [np.ascontiguousarray(a) for a in arrays] + [out], symbols)
    return out


rng = np.random.default_rng(0)


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


ELEMENTWISE = """  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]} ins(%a0, %a1 : tensor<?x?xT>, tensor<?xT>) outs(%o : tensor<?x?xT>) {
    ^bb0(%x: T, %y: T, %z: T):
      %p = arith.mulf %x, %y : T
      %q = math.tanh %p : T
      linalg.yield %q : T
  } -> tensor<?x?xT>"""


@pytest.mark.parametrize("t,tolerance", [("f32", 1e-6), ("f64", 1e-14), ("f16", 2e-3), ("bf16", 2e-2)])
def test_elementwise(tmp_path, t, tolerance):
    lib = build(tmp_path, ELEMENTWISE.replace("T", t), [(t, "s0, s1"), (t, "s1")], (t, "s0, s1"), 2)
    for m, n in [(0, 5), (1, 1), (3, 37), (500, 301)]:
        x, y = f32(m, n).astype(NP[t]), f32(n).astype(NP[t])
        got = run(lib, [x, y], np.empty((m, n), NP[t]), [m, n])
        expected = np.tanh((x.astype(np.float64) * y.astype(np.float64)).astype(NP[t]).astype(np.float64))
        np.testing.assert_allclose(got.astype(np.float64), expected, atol=tolerance)


def contraction(a, b, c, loops, kinds, ta, tb, tc):
    k = ", ".join(f'"{k}"' for k in kinds)
    return f"""  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%o : {tc}) -> {tc}
  %r = linalg.generic {{indexing_maps = [affine_map<({loops}) -> ({a})>, affine_map<({loops}) -> ({b})>,
      affine_map<({loops}) -> ({c})>], iterator_types = [{k}]}} ins(%a0, %a1 : {ta}, {tb}) outs(%f : {tc}) {{
    ^bb0(%x: f32, %y: f32, %z: f32):
      %p = arith.mulf %x, %y fastmath<reassoc,contract> : f32
      %q = arith.addf %z, %p fastmath<reassoc,contract> : f32
      linalg.yield %q : f32
  }} -> {tc}"""


P, R = "parallel", "reduction"
T2 = "tensor<?x?xf32>"
SIZES = [(0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (1, 70, 300), (3, 5, 7), (4, 33, 31), (13, 64, 65), (64, 129, 200)]


@pytest.mark.parametrize("transposed", [False, True])
def test_matmul(tmp_path, transposed):
    b = "n, k" if transposed else "k, n"
    body = contraction("m, k", b, "m, n", "m, n, k", [P, P, R], T2, T2, T2)
    lib = build(tmp_path, body, [("f32", "s0, s1"), ("f32", "s2, s1" if transposed else "s1, s2")], ("f32", "s0, s2"), 3)
    for m, k, n in SIZES:
        x, y = f32(m, k), f32(k, n)
        got = run(lib, [x, y.T if transposed else y], np.full((m, n), np.nan, np.float32), [m, k, n])
        np.testing.assert_allclose(got, x.astype(np.float64) @ y, rtol=1e-4, atol=1e-4)


def test_batch_matmul_with_shared_weight(tmp_path):
    t3 = "tensor<?x?x?xf32>"
    body = contraction("g, m, k", "k, n", "g, m, n", "g, m, n, k", [P, P, P, R], t3, T2, t3)
    lib = build(tmp_path, body, [("f32", "s3, s0, s1"), ("f32", "s1, s2")], ("f32", "s3, s0, s2"), 4)
    for (m, k, n), g in [(s, g) for s in SIZES for g in (0, 1, 3)]:
        x, y = f32(g, m, k), f32(k, n)
        got = run(lib, [x, y], np.full((g, m, n), np.nan, np.float32), [m, k, n, g])
        np.testing.assert_allclose(got, x.astype(np.float64) @ y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution(tmp_path, stride):
    t3, w3 = "tensor<?x?x?xf32>", "tensor<5x?x3xf32>"
    body = contraction("o, i, k", f"b, i, x * {stride} + k", "b, o, x", "b, o, x, i, k", [P, P, P, R, R], w3, t3,
                       "tensor<?x5x?xf32>")
    lib = build(tmp_path, body, [("f32", "5, s1, 3"), ("f32", f"s0, s1, s2 * {stride} + 2")], ("f32", "s0, 5, s2"), 3)
    for b, i, x in [(1, 1, 1), (2, 3, 40), (1, 4, 33)]:
        w, v = f32(5, i, 3), f32(b, i, x * stride + 2)
        got = run(lib, [w, v], np.full((b, 5, x), np.nan, np.float32), [b, i, x])
        expected = sum(np.einsum("oi,bix->box", w[:, :, k], v[:, :, k:k + x * stride:stride][:, :, :x]) for k in range(3))
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_loop_that_hands_on_a_new_buffer(tmp_path):
    body = """  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %s1 step %c1 iter_args(%state = %a0) -> (tensor<?xf32>) {
    %e = tensor.empty(%s0) : tensor<?xf32>
    %n = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
        ins(%state : tensor<?xf32>) outs(%e : tensor<?xf32>) {
      ^bb0(%x: f32, %y: f32):
        %k = linalg.index 0 : index
        %l = arith.subi %s0, %k : index
        %m = arith.subi %l, %c1 : index
        %v = tensor.extract %state[%m] : tensor<?xf32>
        %w = arith.addf %x, %v : f32
        linalg.yield %w : f32
    } -> tensor<?xf32>
    scf.yield %n : tensor<?xf32>
  }"""
    lib = build(tmp_path, body, [("f32", "s0")], ("f32", "s0"), 2)
    for n, steps in [(0, 3), (1, 0), (7, 1), (9, 4)]:
        x = f32(n)
        expected = x.copy()
        for _ in range(steps):
            expected = expected + expected[::-1]
        np.testing.assert_allclose(run(lib, [x], np.empty(n, np.float32), [n, steps]), expected, rtol=1e-5)


def test_branch_concat_and_pad(tmp_path):
    body = """  %zero = arith.constant 0.0 : f32
  %c3 = arith.constant 3 : index
  %small = arith.cmpi slt, %s0, %c3 : index
  %b = scf.if %small -> (tensor<?xf32>) {
    scf.yield %a0 : tensor<?xf32>
  } else {
    %e = tensor.empty(%s0) : tensor<?xf32>
    %n = linalg.negf ins(%a0 : tensor<?xf32>) outs(%e : tensor<?xf32>) -> tensor<?xf32>
    scf.yield %n : tensor<?xf32>
  }
  %c = tensor.concat dim(0) %b, %a0 : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %r = tensor.pad %c low[1] high[2] {
  ^bb0(%i: index):
    tensor.yield %zero : f32
  } : tensor<?xf32> to tensor<?xf32>"""
    lib = build(tmp_path, body, [("f32", "s0")], ("f32", "s0 * 2 + 3"), 1)
    for n in [0, 1, 2, 5, 20000]:
        x = f32(n)
        expected = np.pad(np.concatenate([x if n < 3 else -x, x]), (1, 2))
        np.testing.assert_array_equal(run(lib, [x], np.empty(2 * n + 3, np.float32), [n]), expected)


def test_integer_power_and_small_integers(tmp_path):
    body = """  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]} ins(%a0, %a1 : tensor<?xi64>, tensor<?xi64>) outs(%o : tensor<?xi64>) {
    ^bb0(%x: i64, %y: i64, %z: i64):
      %p = math.ipowi %x, %y : i64
      linalg.yield %p : i64
  } -> tensor<?xi64>"""
    lib = build(tmp_path, body, [("i64", "s0"), ("i64", "s0")], ("i64", "s0"), 1)
    x, y = np.array([2, -3, 5, -1, 1, 7, 0]), np.array([10, 3, 0, -3, -2, -1, 4])
    np.testing.assert_array_equal(run(lib, [x, y], np.empty(7, np.int64), [7]), [1024, -27, 1, -1, 1, 0, 0])


def test_transpose(tmp_path):
    body = """  %r = linalg.transpose ins(%a0 : tensor<?x?xf32>) outs(%o : tensor<?x?xf32>) permutation = [1, 0]"""
    lib = build(tmp_path, body, [("f32", "s0, s1")], ("f32", "s1, s0"), 2)
    for m, n in [(0, 3), (1, 1), (33, 65), (300, 200)]:
        x = f32(m, n)
        np.testing.assert_array_equal(run(lib, [x], np.empty((n, m), np.float32), [m, n]), x.T)


FUNCTIONS = {
    "exp": (np.exp, -87, 88), "log": (np.log, 1e-30, 1e30), "log1p": (np.log1p, -0.99, 50), "tanh": (np.tanh, -10, 10),
    "sin": (np.sin, -1e5, 1e5), "cos": (np.cos, -1e5, 1e5), "rsqrt": (lambda x: 1 / np.sqrt(x), 1e-3, 1e3),
    "sinh": (np.sinh, -5, 5), "atan": (np.arctan, -9, 9),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_accuracy(tmp_path, name):
    function, low, high = FUNCTIONS[name]
    body = f"""  %r = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}} ins(%a0 : tensor<?xf32>) outs(%o : tensor<?xf32>) {{
    ^bb0(%x: f32, %z: f32):
      %p = math.{name} %x : f32
      linalg.yield %p : f32
  }} -> tensor<?xf32>"""
    lib = build(tmp_path, body, [("f32", "s0")], ("f32", "s0"), 1)
    x = rng.uniform(low, high, 100003).astype(np.float32)
    got = run(lib, [x], np.empty_like(x), [x.size])
    exact = function(x.astype(np.float64))
    ulp = np.abs(got - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    assert ulp.max() <= 2.5, (x[ulp.argmax()], ulp.max())
