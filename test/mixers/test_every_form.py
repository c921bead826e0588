"""Every form of every mixer over the product of its properties: against the float64 loop and against the other forms.

The modules of the single ops look at what is peculiar to them; this one leaves no combination out: direction, initial
and final state, grouped heads, element type, and lengths around the blocks of the forms.
"""
import numpy as np
import pytest

import test_attention
import test_convolutions
import test_selective_scan
import test_semiseparable
from space import assert_close

ELEMENTS = ["f32", "bf16", "f16", "f64"]
CHUNK = 16       # steps of a chunk, of a block of a scan
TIME_BLOCK = 64  # steps between blocks of states, keys of an attention's block


def lengths(block):
    return [0, 1, 7, block - 1, block, block + 1, 1000]


def places(tmp_path, forms):
    for form in forms:
        where = tmp_path / form
        where.mkdir()
        yield form, where


def compare(results, kinds, length):
    """Forms differ by no more than each may from the exact result."""
    first = results[0]
    for other in results[1:]:
        for a, b, kind in zip(first, other, kinds):
            assert_close(a, b, kind, 4 * max(length, 256))


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("states", [True, False])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", test_selective_scan.KINDS)
def test_selective_scan_forms(tmp_path, kind, reverse, states, element):
    built = test_selective_scan.build(tmp_path, kind, element, reverse=reverse, states=states)
    for length in lengths(TIME_BLOCK):
        test_selective_scan.check(kind, built, [length, 7], reverse, False, length)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", test_semiseparable.KINDS)
def test_semiseparable_forms(tmp_path, kind, reverse, groups, element):
    extra, flags, _ = test_semiseparable.KINDS[kind]
    forms = ["recurrent", "chunked"] + ([] if "erase_left" in extra else ["quadratic"])
    built = [test_semiseparable.build(where, kind, form, element, reverse=reverse, groups=groups) for form, where in places(tmp_path, forms)]
    for length in lengths(CHUNK):
        got = [test_semiseparable.check(b, length, reverse, "read_before" in flags, length) for b in built]
        compare(got, [built[0][5][r] for r in built[0][4]], length)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("region", ["plain", "causal", "offset", "bias", "mask_and_slope", "softcap"])
def test_attention_forms(tmp_path, region, groups, element):
    built = [test_attention.build(where, region, form, element, groups=groups) for form, where in places(tmp_path, ["online", "materialised"])]
    for length in lengths(TIME_BLOCK):
        # Scores with a slope of up to 2 for each key are that large, and round by 1.2e-7 for each key.
        rounding = length**2 / 64 if region == "mask_and_slope" else length
        got = [test_attention.check(region, b, length, length, "nan", length, length=rounding) for b in built]
        compare(got, built[0][5], length)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("extra", [(), ("bias",), ("history",), ("bias", "history")])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("order", ["time", "channel"])
def test_causal_conv_forms(tmp_path, order, reverse, extra, element):
    built = test_convolutions.build(tmp_path, element, extra=extra, reverse=reverse, order=order)
    for length in lengths(CHUNK):
        test_convolutions.check(built, length, reverse, element, 4)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kernel", ["dj", "bdj", "j"])
def test_long_conv_forms(tmp_path, kernel, reverse, element):
    built = [test_convolutions.long_conv(where, element, list("bdt"), list(kernel), {"b": 2, "d": 5}, reverse=reverse, form=form)
             for form, where in places(tmp_path, ["convolution", "chunked"])]
    for length in lengths(CHUNK):
        for taps in (1, 33, max(length, 1)):
            got = [[b(length, taps)] for b in built]
            if length:
                compare(got, [element], 64 * taps)
