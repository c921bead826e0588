"""ssm.scan in each of its forms against the float64 loop."""
import numpy as np
import pytest

import reference
from dispatch import Dispatch, NP, tensor
from space import assert_close

# Name: element types, identities, region, the same on arrays.
COMBINERS = {
    "sum": (["f32"], ["0.0 : f32"], "%r0 = arith.addf %x0, %y0 : f32", lambda a, b: [a + b]),
    "sum_f64": (["f64"], ["0.0 : f64"], "%r0 = arith.addf %x0, %y0 : f64", lambda a, b: [a + b]),
    "sum_bf16": (["bf16"], ["0.0 : f32"], "%r0 = arith.addf %x0, %y0 : f32", lambda a, b: [a + b]),
    "sum_f16": (["f16"], ["0.0 : f32"], "%r0 = arith.addf %x0, %y0 : f32", lambda a, b: [a + b]),
    "count": (["i64"], ["0 : i64"], "%r0 = arith.addi %x0, %y0 : i64", lambda a, b: [a + b]),
    "maximum": (["f32"], ["0xFF800000 : f32"], "%r0 = arith.maximumf %x0, %y0 : f32", lambda a, b: [np.maximum(a, b)]),
    # (a, b) then (c, d): x -> c (a x + b) + d; not commutative
    "affine": (["f32", "f32"], ["1.0 : f32", "0.0 : f32"],
               "%r0 = arith.mulf %x0, %y0 : f32\n %p = arith.mulf %y0, %x1 : f32\n %r1 = arith.addf %p, %y1 : f32",
               lambda a, b, c, d: [a * c, c * b + d]),
}


@pytest.mark.parametrize("form", ["sequential", "blocked"])
@pytest.mark.parametrize("flags", ["", "reverse", "exclusive", "reverse, exclusive"])
@pytest.mark.parametrize("name", COMBINERS)
def test_scan(tmp_path, name, flags, form):
    elements, identity, region, combiner = COMBINERS[name]
    m = len(elements)
    states = flags != "exclusive"
    for dim, shape in [(0, ["s0", 19]), (1, [3, "s0", 5]), (1, [18, "s0"]), (0, ["s0"])]:
        kinds = [tensor(e, shape) for e in elements]
        rest = [d for d in shape if d != "s0"]
        carried = [tensor(e, rest) for e in elements]
        scalar = [{"bf16": "f32", "f16": "f32"}.get(e, e) for e in elements]
        args = ", ".join([f"%x{i}: {t}" for i, t in enumerate(scalar)] + [f"%y{i}: {t}" for i, t in enumerate(scalar)])
        names = ", ".join(f"%r{i}" for i in range(m * (2 if states else 1)))
        initial = f"initial({', '.join(f'%a{m + i}' for i in range(m))} : {', '.join(carried)})" if states else ""
        body = (f"  {names} = ssm.scan ins({', '.join(f'%a{i}' for i in range(m))} : {', '.join(kinds)}) {initial} "
                f'{{dim = {dim} : i64, form = "{form}", identity = [{", ".join(identity)}]{", " + flags if flags else ""}}} -> {", ".join(kinds)} '
                f"{'final(' + ', '.join(carried) + ')' if states else ''} {{\n ^bb0({args}):\n {region}\n ssm.yield "
                f"{', '.join(f'%r{i}' for i in range(m))} : {', '.join(scalar)}\n }}")
        ins = [(e, shape) for e in elements] + ([(e, rest) for e in elements] if states else [])
        outs = [(e, shape) for e in elements] + ([(e, rest) for e in elements] if states else [])
        where = tmp_path / f"{dim}{len(shape)}"
        where.mkdir()
        compiled = Dispatch(where, body, ins, outs, 1)
        rng = np.random.default_rng(0)
        for length in [0, 1, 7, 15, 16, 17, 1000]:
            arrays = []
            for e, s in ins:
                size = [length if d == "s0" else d for d in s]
                arrays.append(rng.integers(-9, 9, size) if e == "i64" else rng.uniform(-1, 1, size).astype(NP[e]))
            got = compiled(arrays, [length])
            exact = [a if a.dtype == np.int64 else a.astype(np.float64) for a in arrays]

            def lines(x):
                before = int(np.prod(x.shape[:dim], dtype=int))
                return x.reshape(before, length, int(np.prod(x.shape[dim + 1:], dtype=int)))
            shape3 = lines(exact[0]).shape
            first = [x.reshape(shape3[0], shape3[2]) for x in exact[m:]] if states else None
            neutral = [{"1": 1.0, "0": 0.0}.get(i[0]) if not i.startswith("0xFF") else -np.inf for i in identity]
            ys, last = reference.scan([lines(x) for x in exact[:m]], combiner, first, neutral,
                                      reverse="reverse" in flags, exclusive="exclusive" in flags)
            for g, y, e in zip(got, list(ys) + list(last), elements * 2):
                if e == "i64":
                    np.testing.assert_array_equal(g, y.reshape(g.shape))
                else:
                    assert_close(g, y.reshape(g.shape), e, length)
