"""ssm.attention in each of its forms against the float64 loop."""
import numpy as np
import pytest

import reference
from dispatch import Dispatch
from space import Space, assert_close, data

MASKED = "%inf = arith.constant 0xFF800000 : f32"
# Name: axes and element types of the modifiers, region after its head, the same on arrays (score, p, i, j, modifiers).
REGIONS = {
    "plain": ([], None, lambda s, h, i, j: s),
    "causal": ([], f"{MASKED}\n %c = arith.cmpi sgt, %j, %i : index\n %r = arith.select %c, %inf, %s : f32\n ssm.yield %r : f32",
               lambda s, h, i, j: np.where(j > i, -np.inf, s)),
    "offset": ([], f"{MASKED}\n %o = arith.constant 3 : index\n %l = arith.addi %i, %o : index\n %c = arith.cmpi slt, %j, %l : index\n"
               " %r = arith.select %c, %s, %inf : f32\n ssm.yield %r : f32", lambda s, h, i, j: np.where(j < i + 3, s, -np.inf)),
    "masked_rows": ([], f"{MASKED}\n %o = arith.constant 2 : index\n %l = arith.addi %j, %o : index\n %c = arith.cmpi sle, %l, %i : index\n"
                    " %r = arith.select %c, %s, %inf : f32\n ssm.yield %r : f32", lambda s, h, i, j: np.where(j + 2 <= i, s, -np.inf)),
    "window": ([], f"{MASKED}\n %o = arith.constant 5 : index\n %l = arith.addi %j, %o : index\n %c = arith.cmpi sgt, %i, %l : index\n"
               " %r = arith.select %c, %inf, %s : f32\n ssm.yield %r : f32", lambda s, h, i, j: np.where(i > j + 5, -np.inf, s)),
    "bias": ([("hij", "f32")], "%r = arith.addf %s, %m0 : f32\n ssm.yield %r : f32", lambda s, h, i, j, m: s + m),
    "mask_and_slope": ([("bj", "i1"), ("h", "f32")], f"{MASKED}\n %d = arith.subi %j, %i : index\n %n = arith.index_cast %d : index to i64\n"
                       " %f = arith.sitofp %n : i64 to f32\n %a = arith.mulf %f, %m1 : f32\n %t = arith.addf %s, %a : f32\n"
                       " %r = arith.select %m0, %t, %inf : f32\n ssm.yield %r : f32",
                       lambda s, h, i, j, m, slope: np.where(m, s + (j - i) * slope, -np.inf)),
    "softcap": ([], "%c = arith.constant 2.0 : f32\n %d = arith.divf %s, %c : f32\n %t = math.tanh %d : f32\n %r = arith.mulf %t, %c : f32\n"
                " ssm.yield %r : f32", lambda s, h, i, j: 2 * np.tanh(s / 2)),
}


def build(tmp, region, form, element, *, groups=1, rows="nan", more=("log_sum_exp", "probabilities"), queries="s0", keys="s1", seed=0):
    modifiers, text, _ = REGIONS[region]
    space = Space({"b": 2, "h": 4, "i": queries, "j": keys, "e": 9, "f": 21}, seed)
    over = ["bhie", "bhje", "bhjf"]
    axes = [space.layout([f"h/{groups}" if d == "h" and groups > 1 and n else d for d in o]) for n, o in enumerate(over)]
    axes += [space.layout(a) for a, _ in modifiers]
    wide = "f64" if element == "f64" else "f32"
    types = [element] * 3 + [wide if t == "f32" else t for _, t in modifiers]
    of = {"output": "bhif", "log_sum_exp": "bhi", "probabilities": "bhij"}
    results = ["output", *more]
    result_axes = [space.layout(of[r]) for r in results]
    result_types = [element if r == "output" else wide for r in results]
    maps = ", ".join(space.map(a) for a in axes + result_axes)
    operands = " ".join(f"{n}(%a{k} : {space.text(types[k], axes[k])})" for k, n in enumerate(["query", "key", "value"]))
    if modifiers:
        operands += (" modifiers(" + ", ".join(f"%a{3 + k}" for k in range(len(modifiers))) + " : "
                     + ", ".join(space.text(t, a) for t, a in zip(types[3:], axes[3:])) + ")")
    tail = " ".join(f"{r}({space.text(t, a)})" for r, t, a in zip(results[1:], result_types[1:], result_axes[1:]))
    block = ""
    if text:
        scalars = "".join(f", %m{k}: {t}" for k, t in enumerate(types[3:]))
        block = f"{{\n ^bb0(%s: f32, %pb: index, %ph: index, %i: index, %j: index{scalars}):\n {text}\n }}".replace("f32", wide)
        if wide == "f64":
            block = block.replace("0xFF800000", "0xFFF0000000000000")
    target = ", ".join(f"%r{k}" for k in range(len(results)))
    body = (f'  {target} = ssm.attention {operands} {{form = "{form}", indexing_maps = [{maps}], scale = 0.37 : f64, masked_rows = "{rows}"}} -> '
            f"{space.text(element, result_axes[0])} {tail} {block}")
    compiled = Dispatch(tmp, body, [space.type(t, a) for t, a in zip(types, axes)],
                        [space.type(t, a) for t, a in zip(result_types, result_axes)], 2)
    return space, axes, types, results, result_axes, result_types, compiled


def check(region, built, queries, keys, rows, seed=0, length=1):
    space, axes, types, results, result_axes, result_types, compiled = built
    rng = np.random.default_rng(seed)
    values = [queries, keys]
    arrays = [rng.random(space.shape(a, values)) < 0.7 if t == "i1" else data(rng, t, space.shape(a, values), -2, 2) for a, t in zip(axes, types)]
    got = compiled(arrays, values)

    def full(k, over):
        return space.expand(arrays[k], axes[k], list(over), values).reshape([8] + [space.size(d, values) for d in over[2:]])
    modifiers = [full(k, "bhij") for k in range(3, len(arrays))]
    i, j = np.arange(queries)[None, :, None], np.arange(keys)[None, None, :]
    score = lambda s: REGIONS[region][2](s, None, i, j, *modifiers)
    out, lse, weights = reference.attention(full(0, "bhie"), full(1, "bhje"), full(2, "bhjf"), 0.37, score, rows == "zero")
    expected = {"output": (out, "bhif"), "log_sum_exp": (lse, "bhi"), "probabilities": (weights, "bhij")}
    for g, r, a, t in zip(got, results, result_axes, result_types):
        array, over = expected[r]
        narrow = "bf16" if t == "f32" and types[0] == "bf16" and r == "output" else t
        assert_close(g, space.contract(array, a, list(over), values), narrow, length)
    return got


@pytest.mark.parametrize("form", ["online", "materialised"])
@pytest.mark.parametrize("region", REGIONS)
def test_regions(tmp_path, region, form):
    rows = "zero" if region == "masked_rows" else "nan"
    built = build(tmp_path, region, form, "f32", rows=rows, seed=len(region))
    for queries, keys in [(0, 3), (1, 1), (7, 7), (8, 63), (9, 64), (65, 65), (130, 130)]:
        if region == "window" and queries > keys + 5:
            continue
        check(region, built, queries, keys, rows, queries)


@pytest.mark.parametrize("form", ["online", "materialised"])
@pytest.mark.parametrize("variant", ["groups", "nan", "f64", "bf16", "f16", "output_only", "decode", "long"])
def test_variants(tmp_path, form, variant):
    element = variant if variant in ("f64", "bf16", "f16") else "f32"
    region = "masked_rows" if variant == "nan" else "mask_and_slope" if variant == "decode" else "causal"
    built = build(tmp_path, region, form, element, groups=2 if variant == "groups" else 1,
                  more=() if variant == "output_only" else ("log_sum_exp", "probabilities"), queries=1 if variant == "decode" else "s0", seed=5)
    for queries, keys in [(1, 200)] if variant == "decode" else [(300, 300)] if variant == "long" else [(5, 5), (70, 70)]:
        check(region, built, queries, keys, "nan", queries)
