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


@pytest.mark.parametrize("order", ["bdt", "btd"])
@pytest.mark.parametrize("variant", ["f32", "reverse", "bf16", "f64"])
def test_long_conv(tmp_path, variant, order):
    element = variant if variant in ("f64", "bf16") else "f32"
    wide = "f64" if element == "f64" else "f32"
    space = Space({"b": 2, "d": 19, "t": "s0", "j": "s1"})
    axes, kernel = list(order), list("dj")
    body = (f"  %r0 = ssm.long_conv input(%a0 : {space.text(element, axes)}) kernel(%a1 : {space.text(wide, kernel)}) "
            f"{{indexing_maps = [{space.map(axes)}, {space.map(kernel)}, {space.map(axes)}]{', reverse' if variant == 'reverse' else ''}}} -> "
            f"{space.text(element, axes)}")
    compiled = Dispatch(tmp_path, body, [space.type(element, axes), space.type(wide, kernel)], [space.type(element, axes)], 2)
    rng = np.random.default_rng(1)
    for length, taps in [(0, 5), (1, 1), (7, 7), (7, 30), (65, 65), (200, 40), (130, 200)]:
        values = [length, taps]
        x, k = data(rng, element, space.shape(axes, values)), data(rng, wide, space.shape(kernel, values))
        out = reference.long_conv(space.expand(x, axes, list("bdt"), values).reshape(38, length),
                                  space.expand(k, kernel, list("bdj"), values).reshape(38, taps), reverse=variant == "reverse")
        assert_close(compiled([x, k], values)[0], space.contract(out, axes, list("bdt"), values), element, 64 * taps)
