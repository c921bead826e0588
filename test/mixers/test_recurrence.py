"""ssm.recurrence as a dispatch: carries, slices along other axes, captured values, direction."""
import numpy as np
import pytest

from dispatch import Dispatch, tensor


@pytest.mark.parametrize("reverse", [False, True])
def test_gated_step(tmp_path, reverse):
    # h = tanh(x_t + h W), c = c * 0.5 + h; y = h + c, z = c along axis 1
    w, h, x, y = tensor("f32", [5, 5]), tensor("f32", [3, 5]), tensor("f32", ["s0", 3, 5]), tensor("f32", [3, "s0", 5])
    body = f"""  %half = "onnx.Constant"() {{value = dense<0.5> : tensor<1xf32>}} : () -> tensor<1xf32>
  %r0, %r1, %r2, %r3 = ssm.recurrence sequences(%a0 : {x}) initial(%a1, %a2 : {h}, {h})
      {{axes = array<i64: 0>, output_axes = array<i64: 0, 1>{', reverse' if reverse else ''}}} -> finals({h}, {h}) outputs({x}, {y}) {{
    ^bb0(%xt: {h}, %ht: {h}, %ct: {h}):
      %m = "onnx.MatMul"(%ht, %a3) : ({h}, {w}) -> {h}
      %s = "onnx.Add"(%xt, %m) : ({h}, {h}) -> {h}
      %n = "onnx.Tanh"(%s) : ({h}) -> {h}
      %d = "onnx.Mul"(%ct, %half) : ({h}, tensor<1xf32>) -> {h}
      %c = "onnx.Add"(%d, %n) : ({h}, {h}) -> {h}
      %y = "onnx.Add"(%n, %c) : ({h}, {h}) -> {h}
      ssm.yield %n, %c, %y, %c : {h}, {h}, {h}, {h}
  }}"""
    f32 = lambda *dims: ("f32", list(dims))
    compiled = Dispatch(tmp_path, body, [f32("s0", 3, 5), f32(3, 5), f32(3, 5), f32(5, 5)],
                        [f32(3, 5), f32(3, 5), f32("s0", 3, 5), f32(3, "s0", 5)], 1)
    rng = np.random.default_rng(0)
    for length in [0, 1, 7, 100]:
        xs, h0, c0, weight = (rng.uniform(-1, 1, s).astype(np.float32) for s in [(length, 3, 5), (3, 5), (3, 5), (5, 5)])
        got = compiled([xs, h0, c0, weight], [length])
        h64, c64 = h0.astype(np.float64), c0.astype(np.float64)
        ys, zs = np.zeros((length, 3, 5)), np.zeros((3, length, 5))
        for t in range(length)[::-1 if reverse else 1]:
            h64 = np.tanh(xs[t] + h64 @ weight)
            c64 = c64 * 0.5 + h64
            ys[t], zs[:, t] = h64 + c64, c64
        for g, e in zip(got, [h64, c64, ys, zs]):
            np.testing.assert_allclose(g, e, rtol=1e-4, atol=1e-4)


def test_swapped_carries(tmp_path):
    """Each next carry reads the other present one."""
    v, x = tensor("f32", [4]), tensor("f32", ["s0", 4])
    body = f"""  %r0, %r1 = ssm.recurrence sequences(%a0 : {x}) initial(%a1, %a2 : {v}, {v}) {{axes = array<i64: 0>, output_axes = array<i64>}}
      -> finals({v}, {v}) {{
    ^bb0(%xt: {v}, %p: {v}, %q: {v}):
      %s = "onnx.Add"(%p, %xt) : ({v}, {v}) -> {v}
      ssm.yield %q, %s : {v}, {v}
  }}"""
    compiled = Dispatch(tmp_path, body, [("f32", ["s0", 4]), ("f32", [4]), ("f32", [4])], [("f32", [4]), ("f32", [4])], 1)
    for length in [0, 1, 2, 5]:
        xs = np.arange(length * 4, dtype=np.float32).reshape(length, 4)
        p, q = np.full(4, 100, np.float32), np.full(4, 200, np.float32)
        got = compiled([xs, p, q], [length])
        for t in range(length):
            p, q = q, p + xs[t]
        np.testing.assert_array_equal(got[0], p)
        np.testing.assert_array_equal(got[1], q)


def test_parts_of_a_step(tmp_path):
    """Parts of a Split that elementwise operators read where they are, and others that are copied."""
    h, x, w = tensor("f32", [3, 4]), tensor("f32", ["s0", 3, 8]), tensor("f32", [4, 4])
    wide = tensor("f32", [3, 8])
    body = f"""  %no = onnx.NoValue
  %r0, %r1 = ssm.recurrence sequences(%a0 : {x}) initial(%a1 : {h}) {{axes = array<i64: 0>, output_axes = array<i64: 0>}}
      -> finals({h}) outputs({tensor("f32", ["s0", 3, 4])}) {{
    ^bb0(%xt: {wide}, %ht: {h}):
      %p:2 = "onnx.Split"(%xt, %no) {{axis = 1 : si64, num_outputs = 2 : si64}} : ({wide}, none) -> ({h}, {h})
      %m = "onnx.MatMul"(%p#1, %a2) : ({h}, {w}) -> {h}
      %s = "onnx.Mul"(%p#0, %ht) : ({h}, {h}) -> {h}
      %n = "onnx.Add"(%s, %m) : ({h}, {h}) -> {h}
      ssm.yield %n, %p#1 : {h}, {h}
  }}"""
    f32 = lambda *dims: ("f32", list(dims))
    compiled = Dispatch(tmp_path, body, [f32("s0", 3, 8), f32(3, 4), f32(4, 4)], [f32(3, 4), f32("s0", 3, 4)], 1)
    rng = np.random.default_rng(0)
    xs, h0, weight = (rng.uniform(-1, 1, s).astype(np.float32) for s in [(6, 3, 8), (3, 4), (4, 4)])
    got, want = compiled([xs, h0, weight], [6]), h0.astype(np.float64)
    for t in range(6):
        want = xs[t, :, :4] * want + xs[t, :, 4:] @ weight.astype(np.float64)
    np.testing.assert_allclose(got[0], want, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(got[1], xs[:, :, 4:])
