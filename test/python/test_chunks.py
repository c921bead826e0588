"""Recurrences computed chunk by chunk are raised to one operator, and compute what the recurrence does."""
import dataclasses

import numpy as np
import onnx.reference
import pytest

from chunked import Spelling, build, data, recurrence
from raised import compiled, name
from test_compile import needs_ssmc

pytestmark = needs_ssmc

RULES = ["none", "constant", "scalar", "key", "delta", "gated_delta"]
CARRIES = ("scan", "loop", "unrolled")
CASES = (
    [Spelling(rule=r, carry=c) for r in RULES for c in CARRIES]
    + [Spelling(rule=r, carry="matrix", final=True) for r in ("none", "constant", "scalar")]
    + [Spelling(rule=r, carry=c, initial=True, final=True, order="bhtd") for r in RULES for c in CARRIES]
    + [Spelling(rule=r, carry=c, length=21, final=f) for r in ("scalar", "gated_delta") for c in CARRIES for f in (False, True)]
    + [Spelling(carry="matrix", length=21, initial=True, final=f) for f in (False, True)]
    + [Spelling(carry=c, mask=m) for c in ("scan", "matrix") for m in ("trilu", "where_zero", "multiply", "stable")]
    + [Spelling(carry=c, contraction=m) for c in ("scan", "matrix") for m in ("einsum", "multiply")]
    + [Spelling(rule="gated_delta", carry=c, inverse=i) for c in CARRIES for i in ("rows_sum", "neumann", "scatter")]
    + [Spelling(carry=c, length=8) for c in ("scan", "matrix")]
    + [Spelling(carry=c, batch=1, heads=1, keys=8, values=8, final=True) for c in CARRIES + ("matrix",)]
    + [Spelling(rule=r, carry="scan", dynamic=True, final=True) for r in ("scalar", "gated_delta")]
)
WRONG = [
    Spelling(rule=r, carry=c, wrong=w)
    for r, w in [("scalar", "future"), ("scalar", "key_decay"), ("scalar", "total_decay"), ("gated_delta", "inverse"), ("gated_delta", "matrix"),
                 ("gated_delta", "key_decay")]
    for c in ("scan", "unrolled")
]


@pytest.mark.parametrize("s", CASES, ids=name)
def test_raised(s, tmp_path):
    module, kinds = compiled(build(s), tmp_path)
    feed = data(s)
    out, expected = module(**feed), recurrence(s, feed)
    for n, value in out.items():
        assert np.abs(expected[n]).max() > 0.1
        np.testing.assert_allclose(value, expected[n], rtol=2e-4, atol=2e-5)
    assert kinds == ["semiseparable"]


@pytest.mark.parametrize("s", WRONG, ids=name)
def test_near_miss(s, tmp_path):
    """What only looks like the recurrence gives what the graph says."""
    model, feed = build(dataclasses.replace(s, carry="unrolled")), data(s)
    module, _ = compiled(build(s), tmp_path)
    got, expected = module(**feed)["o"], onnx.reference.ReferenceEvaluator(model).run(["o"], feed)[0]
    assert np.abs(expected - recurrence(s, feed)["o"]).max() > 1e-2
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)
