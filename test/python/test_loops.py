"""Loops that become sequence mixers: what they give at lengths that are easily forgotten, and what they check."""
import json

import numpy as np
import onnx.parser
import pytest

import ssm_mlir
from test_compile import needs_ssmc

pytestmark = needs_ssmc
HEADER = '<ir_version: 10, opset_import: ["": 21]>\n'
RANDOM = np.random.default_rng(0)


def compiled(text, tmp_path):
    """The model, and how often each kind of mixer was raised."""
    report = tmp_path / "report.json"
    module = ssm_mlir.compile(onnx.parser.parse_model(HEADER + text), report=str(report))
    kinds = [r["kind"] for r in json.loads(report.read_text())["raised"]]
    return module, {k: kinds.count(k) for k in kinds}


def values(*shape):
    return RANDOM.uniform(0.2, 0.9, shape).astype(np.float32)


def recurrence(a, u, h, steps=None):
    out = []
    for t in range(len(a) if steps is None else steps):
        h = a[t] * h + u[t]
        out.append(h)
    return np.stack(out) if out else np.zeros((0,) + h.shape, np.float32), h


def test_rows_of_one(tmp_path):
    """Slices [i : i + 1] and a state that starts as the first row times 0: as many rows as there are, also none."""
    module, raised = compiled("""
    rows (float[L, B, 3] a, float[L, B, 3] u) => (float[M, B, 3] y, float[K, B, 3] last)
    <int64[1] zero = {0}, int64[1] one = {1}, float none = {0.0}, bool yes = {1}> {
      first = Slice(u, zero, one, zero)
      h0 = Mul(first, none)
      empty = Slice(u, zero, zero, zero)
      shape = Shape<start = 0, end = 1>(u)
      count = Squeeze(shape)
      last, y = Loop<body = step (int64 i, bool c, float[K, B, 3] h, float[N, B, 3] buffer) => (bool d, float[K, B, 3] g, float[P, B, 3] longer) {
        d = Identity(c)
        at = Reshape(i, one)
        next = Add(at, one)
        at_a = Slice(a, at, next, zero)
        at_u = Slice(u, at, next, zero)
        kept = Mul(at_a, h)
        g = Add(kept, at_u)
        longer = Concat<axis = 0>(buffer, g)
      }>(count, yes, h0, empty)
    }""", tmp_path)
    assert raised == {"selective_scan": 1}
    for length, batch in [(0, 2), (1, 2), (5, 1), (5, 0), (37, 3)]:
        a, u = values(length, batch, 3), values(length, batch, 3)
        got = module(a=a, u=u)
        want, h = recurrence(a, u, np.zeros((batch, 3), np.float32))
        np.testing.assert_allclose(got["y"], want, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(got["last"], h[None] if length else np.zeros((0, batch, 3)), rtol=1e-5, atol=1e-6)


def test_more_steps_than_rows(tmp_path):
    """The trip count is an input: a run that would gather past the end says so."""
    module, raised = compiled("""
    trips (float[L, 3] a, float[L, 3] u, int64 count) => (float[M, 3] y, float[3] last)
    <float[3] h0 = {1.0, 2.0, 3.0}, bool yes = {1}, int64 one = {1}> {
      last, y = Loop<body = step (int64 i, bool c, float[3] h) => (bool d, float[3] g, float[3] o) {
        d = Identity(c)
        at_a = Gather<axis = 0>(a, i)
        at_u = Gather<axis = 0>(u, i)
        kept = Mul(at_a, h)
        g = Add(kept, at_u)
        o = Identity(g)
      }>(count, yes, h0)
    }""", tmp_path)
    assert raised == {"selective_scan": 1}
    for length, count in [(5, 5), (5, 3), (5, 0), (0, 0), (40, 39)]:
        a, u = values(length, 3), values(length, 3)
        got = module(a=a, u=u, count=np.array(count))
        want, h = recurrence(a, u, np.array([1, 2, 3], np.float32), count)
        np.testing.assert_allclose(got["y"], want, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(got["last"], h, rtol=1e-5, atol=1e-6)
    for length, count in [(5, 6), (0, 1), (5, 1 << 40)]:
        with pytest.raises(ssm_mlir.Error, match="outside of the tensor"):
            module(a=values(length, 3), u=values(length, 3), count=np.array(count))


def test_batch_of_the_state(tmp_path):
    """A state of batch 1 beside inputs of any batch: raised, and every other batch is an error."""
    module, raised = compiled("""
    batch (float[L, B, 3] a, float[L, B, 3] u) => (float[1, 3] last, float[L, B, 3] y)
    <float[1, 3] h0 = {1.0, 2.0, 3.0}> {
      last, y = Scan<num_scan_inputs = 2, body = step (float[1, 3] h, float[B, 3] at_a, float[B, 3] at_u) => (float[1, 3] g, float[B, 3] o) {
        kept = Mul(at_a, h)
        g = Add(kept, at_u)
        o = Identity(g)
      }>(h0, a, u)
    }""", tmp_path)
    assert raised == {"selective_scan": 1}
    a, u = values(6, 1, 3), values(6, 1, 3)
    want, _ = recurrence(a, u, np.array([[1, 2, 3]], np.float32))
    np.testing.assert_allclose(module(a=a, u=u)["y"], want, rtol=1e-5, atol=1e-6)
    with pytest.raises(ssm_mlir.Error, match="must be equal"):
        module(a=values(6, 2, 3), u=values(6, 2, 3))
