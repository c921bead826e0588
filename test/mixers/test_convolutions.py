"""ssm.causal_conv and ssm.long_conv against the float64 loop."""
import numpy as np
import pytest

import reference
from dispatch import Dispatch
from space import Space, assert_close, data

LENGTHS = [0, 1, 2, 3, 7, 16, 17, 100]


def build(tmp, element, *, taps=4, extra=("bias", "history"), reverse=False, order=None, seed=0):
    space = Space({"b": 2, "d": 19, "t": "s0", "j": taps}, seed)
    if order == "time":
        space.layout = lambda axes: sorted(axes, key=lambda a: "bdtj".index(a))
    elif order == "channel":
        space.layout = lambda axes: sorted(axes, key=lambda a: "btjd".index(a))
    over = {"input": "bdt", "weight": "dj", "bias": "d", "history": "bdj"}
    present = ["input", "weight"] + [n for n in ("bias", "history") if n in extra]
    axes = {n: space.layout(over[n]) for n in present}
    wide = "f64" if element == "f64" else "f32"
    types = {n: element if n in ("input", "history") else wide for n in present}
    result_axes = [space.layout("bdt"), space.layout("bdj")]
    maps = ", ".join(space.map(a) for a in [axes[n] for n in present] + result_axes)

    def typed(element, a):
        kind, shape = space.type(element, a)
        return kind, [s - 1 if d == "j" else s for d, s in zip(a, shape)]

    from dispatch import tensor
    shapes = [typed(types[n], axes[n]) if n == "history" else space.type(types[n], axes[n]) for n in present]
    outs = [space.type(element, result_axes[0]), typed(element, result_axes[1])]
    operands = " ".join(f"{n}(%a{i} : {tensor(*s)})" for i, (n, s) in enumerate(zip(present, shapes)))
    body = (f"  %r0, %r1 = ssm.causal_conv {operands} {{indexing_maps = [{maps}]{', reverse' if reverse else ''}}} -> {tensor(*outs[0])} "
            f"final_history({tensor(*outs[1])})")
    return space, present, axes, types, shapes, result_axes, Dispatch(tmp, body, shapes, outs, 1)


def check(built, length, reverse, element, taps):
    space, present, axes, types, shapes, result_axes, compiled = built
    rng = np.random.default_rng(length)
    values = [length]
    arrays = {n: data(rng, types[n], [values[0] if isinstance(d, str) else d for d in s[1]]) for n, s in zip(present, shapes)}
    got = compiled(list(arrays.values()), values)
    short = Space({**space.dims, "j": taps - 1})
    x = space.expand(arrays["input"], axes["input"], list("bdt"), values).reshape(38, length)
    w = space.expand(arrays["weight"], axes["weight"], list("bdj"), values).reshape(38, taps)
    bias = space.expand(arrays["bias"], axes["bias"], list("bd"), values).reshape(38) if "bias" in present else None
    history = short.expand(arrays["history"], axes["history"], list("bdj"), values).reshape(38, taps - 1) if "history" in present else None
    out, final = reference.causal_conv(x, w, bias, history, reverse=reverse)
    assert_close(got[0], space.contract(out, result_axes[0], list("bdt"), values), element)
    assert_close(got[1], short.contract(final, result_axes[1], list("bdj"), values), element)


@pytest.mark.parametrize("order", ["time", "channel", None])
@pytest.mark.parametrize("variant", ["all", "plain", "reverse", "one_tap", "bf16", "f16", "f64"])
def test_causal_conv(tmp_path, variant, order):
    element = variant if variant in ("f64", "bf16", "f16") else "f32"
    taps = 1 if variant == "one_tap" else 4
    built = build(tmp_path, element, taps=taps, extra=() if variant == "plain" else ("bias", "history"), reverse=variant == "reverse",
                  order=order, seed=4)
    for length in LENGTHS:
        check(built, length, variant == "reverse", element, taps)


def long_conv(tmp, element, axes, kernel, dims, *, reverse=False, form="convolution", guard=""):
    wide = "f64" if element == "f64" else "f32"
    space = Space({**dims, "t": "s0", "j": "s1"})
    body = (f"  %r0 = ssm.long_conv input(%a0 : {space.text(element, axes)}) kernel(%a1 : {space.text(wide, kernel)}) "
            f"{{form = \"{form}\", indexing_maps = [{space.map(axes)}, {space.map(kernel)}, {space.map(axes)}]"
            f"{', reverse' if reverse else ''}{guard}}} -> {space.text(element, axes)}")
    compiled = Dispatch(tmp, body, [space.type(element, axes), space.type(wide, kernel)], [space.type(element, axes)], 2)

    def check(length, taps):
        rng = np.random.default_rng(length)
        values, rows = [length, taps], [d for d in dims]
        x, k = data(rng, element, space.shape(axes, values)), data(rng, wide, space.shape(kernel, values))
        out = reference.long_conv(space.expand(x, axes, rows + ["t"], values).reshape(-1, length) if length else np.zeros((1, 0)),
                                  space.expand(k, kernel, rows + ["j"], values).reshape(-1, taps), reverse=reverse)
        got = compiled([x, k], values)[0]
        if length:
            assert_close(got, space.contract(out, axes, rows + ["t"], values), element, 64 * taps)
        else:
            assert got.size == 0
        return got
    return check


@pytest.mark.parametrize("form", ["convolution", "chunked"])
@pytest.mark.parametrize("order", ["bdt", "btd"])
@pytest.mark.parametrize("variant", ["f32", "reverse", "bf16", "f64"])
def test_long_conv(tmp_path, variant, order, form):
    element = variant if variant in ("f64", "bf16") else "f32"
    check = long_conv(tmp_path, element, list(order), list("dj"), {"b": 2, "d": 19}, reverse=variant == "reverse", form=form)
    for length, taps in [(0, 5), (1, 1), (2, 2), (7, 7), (7, 30), (64, 64), (65, 65), (200, 40), (130, 200), (1000, 1000)]:
        check(length, taps)


@pytest.mark.parametrize("axes, kernel, dims", [
    ("t", "j", {}), ("tb", "j", {"b": 5}), ("bdt", "bdj", {"b": 3, "d": 2}), ("btgd", "gj", {"b": 3, "g": 2, "d": 21}), ("dbt", "dj", {"b": 1, "d": 16})])
def test_rows_of_transforms(tmp_path, axes, kernel, dims):
    """Kernels that know all rows, some, or none; an odd number of rows that share one; no rows at all."""
    check = long_conv(tmp_path, "f32", list(axes), list(kernel), dims, form="chunked")
    for length, taps in [(1, 3), (9, 9), (100, 37)]:
        check(length, taps)


def test_long_conv_form_by_length(tmp_path):
    """One library sums for short kernels and transforms for long ones."""
    check = long_conv(tmp_path, "f32", list("bdt"), list("dj"), {"b": 2, "d": 19}, form="chunked", guard=', ssm.short_form = "convolution"')
    for length, taps in [(0, 1), (5, 5), (700, 30), (700, 700)]:
        check(length, taps)
