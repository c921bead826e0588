"""Parallel scans of every tree are raised to one operator, and compute what the recurrence does."""

import numpy as np
import onnx.reference
import pytest

from parallel import Scan, build, data, recurrence
from raised import compiled, name
from test_compile import needs_ssmc

pytestmark = needs_ssmc

CASES = (
    [Scan(length=n) for n in (3, 4, 5, 37, 64)]
    + [Scan(shift=k, length=21) for k in ("crop", "concat", "roll", "gather")]
    + [Scan(tree=t, layout=x, length=11) for t in ("hillis", "tail", "halves") for x in ("LBD", "BDL", "BLDN", "LD")]
    + [Scan(tree="halves", length=n) for n in (3, 4, 6, 9, 16, 31)]
    + [Scan(tree="sweeps", length=n) for n in (4, 13, 16)]
    + [Scan(tree="blocks", length=32, layout=x) for x in ("BLD", "BDL")]
    + [Scan(readout=r, layout=x) for r in ("mul", "einsum") for x in ("BLDN", "BDNL")]
    + [Scan(readout="mul", layout="BLDN", initial=i, final=True) for i in (False, True)]
    + [Scan(tree=t, initial=True) for t in ("hillis", "halves")]
    + [Scan(flipped=True), Scan(flipped=True, layout="BLDN", readout="mul"), Scan(tree="halves", flipped=True)]
    + [Scan(tree=t, decay=d, length=20) for t in ("hillis", "halves", "tail") for d in ("vector", "folded")]
    + [Scan(decay="one", length=9)]
    + [Scan(tree=t, dynamic=True, decay=d) for t in ("hillis", "halves") for d in ("data", "vector")]
    + [Scan(parts=p, shift=k, length=11) for p in ("states", "sum", "matrix") for k in ("pad", "roll")]
)
WRONG = [Scan(wrong=w) for w in ("stage", "pad", "decay", "offset")] + [Scan(wrong="decay", decay="folded"), Scan(parts="sum", wrong="sign")]


@pytest.mark.parametrize("s", CASES, ids=name)
def test_raised(s, tmp_path):
    module, kinds = compiled(build(s), tmp_path)
    feed = data(s)
    for value, expected in zip(module(**feed).values(), recurrence(s, feed), strict=True):
        np.testing.assert_allclose(value, expected, rtol=2e-4, atol=2e-5)
    assert kinds == ["selective_scan"]


@pytest.mark.parametrize("s", WRONG, ids=name)
def test_near_miss(s, tmp_path):
    """Something else than a recurrence stays what it is."""
    module, kinds = compiled(build(s), tmp_path)
    feed = data(s)
    expected = onnx.reference.ReferenceEvaluator(build(s)).run(None, feed)
    assert any(np.abs(e - r).max() > 1e-3 for e, r in zip(expected, recurrence(s, feed)))
    for value, e in zip(module(**feed).values(), expected, strict=True):
        np.testing.assert_allclose(value, e, rtol=2e-4, atol=2e-5)
    assert kinds == []
