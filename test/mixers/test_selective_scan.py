"""ssm.selective_scan against the float64 loop."""
import numpy as np
import pytest

import reference
from dispatch import Dispatch
from space import Space, assert_close, data

LENGTHS = [0, 1, 7, 63, 64, 65]

MAMBA = """^bb0(%dt: T, %a: T, %x: T, %bs: T, %cs: T):
      %l = arith.mulf %dt, %a : T
      %decay = math.exp %l : T
      %p = arith.mulf %dt, %x : T
      %u = arith.mulf %p, %bs : T
      ssm.yield %decay, %u, %cs : T, T, T"""
GATE = """^bb0(%a: T, %u: T):
      ssm.yield %a, %u : T, T"""
COMPLEX = """^bb0(%ar: T, %ai: T, %ur: T, %ui: T, %cr: T, %ci: T):
      ssm.yield %ar, %ai, %ur, %ui, %cr, %ci : T, T, T, T, T, T"""

# Name: dims, state_rank, axes of the inputs, producer.
KINDS = {
    "mamba": ({"b": 2, "d": 19, "t": "s0", "n": 5}, 1, ["btd", "dn", "btd", "btn", "btn"], MAMBA),
    "mamba_16": ({"b": 1, "d": 33, "t": "s0", "n": 16}, 1, ["btd", "dn", "btd", "btn", "btn"], MAMBA),
    "constant": ({"b": 2, "d": 17, "t": "s0", "n": 11}, 1, ["d", "dn", "btd", "dn", "dn"], MAMBA),
    "shared": ({"b": 2, "d": 18, "t": "s0", "n": 5}, 1, ["btd", "dn", "btd", ["b", "t", "d/6", "n"], ["b", "t", "d/6", "n"]], MAMBA),
    "few_channels": ({"b": 1, "d": 1, "t": "s0", "n": 40}, 1, ["btd", "dn", "btd", "btn", "btn"], MAMBA),
    "two_states": ({"b": 1, "d": 16, "t": "s0", "m": 3, "n": 4}, 2, ["btd", "dm", "btd", "btn", "btmn"], MAMBA),
    "dynamic_state": ({"b": 1, "d": 20, "t": "s0", "n": "s1"}, 1, ["btd", "dn", "btd", "btn", "btn"], MAMBA),
    "gate": ({"b": 3, "d": 21, "t": "s0"}, 0, ["btd", "btd"], GATE),
    "no_channels": ({"t": "s0"}, 0, ["t", "t"], GATE),
    "complex_steps": ({"b": 2, "d": 18, "t": "s0", "n": 3}, 1, ["btdn", "btdn", "btd", "btn", "dn", "btn"], COMPLEX),
    "complex": ({"b": 2, "d": 18, "t": "s0", "n": 6}, 1, ["dn", "dn", "btd", "btn", "dn", "btn"], COMPLEX),
}


def build(tmp, kind, element, *, reverse=False, read_before=False, states=True, seed=0, order="random"):
    dims, rank, over, producer = KINDS[kind]
    space = Space(dims, seed)
    layout = space.layout if order == "random" else list
    names = list(dims)
    split = len(names) - rank
    p, n = names[:split - 1], names[split:]
    parts = 2 if kind.startswith("complex") else 1
    inputs = [layout(o) for o in over]
    narrow = element in ("f16", "bf16")
    wide = "f64" if element == "f64" else "f32"
    types = [element if "t" in o else wide for o in over]
    initial = [layout(p + n) for _ in range(parts if states else 0)]
    results = [layout([d for d in names if d in p or d == "t"])] + [layout(p + n) for _ in range(parts if states else 0)]
    result_types = [element] + [wide] * (len(results) - 1)
    maps = ", ".join(space.map(a) for a in inputs + initial + results)
    flags = "".join(f", {f}" for f, on in [("complex", parts == 2), ("read_before", read_before), ("reverse", reverse)] if on)
    number = len(inputs)

    def listed(first, axes, kinds):
        return ", ".join(f"%a{first + i}" for i in range(len(axes))) + " : " + ", ".join(space.text(t, a) for t, a in zip(kinds, axes))
    first = f"initial({listed(number, initial, [wide] * len(initial))})" if initial else ""
    final = "final(" + ", ".join(space.text(wide, a) for a in results[1:]) + ")" if initial else ""
    target = ", ".join(f"%r{i}" for i in range(len(results)))
    body = (f"  {target} = ssm.selective_scan ins({listed(0, inputs, types)}) {first} {{indexing_maps = [{maps}], state_rank = {rank} : i64"
            f"{flags}}} -> {space.text(element, results[0])} {final} {{\n    " + producer.replace("T", wide) + "\n  }")
    symbols = 1 + ("s1" in dims.values())
    compiled = Dispatch(tmp, body, [space.type(t, a) for t, a in zip(types, inputs)] + [space.type(wide, a) for a in initial],
                        [space.type(t, a) for t, a in zip(result_types, results)], symbols)
    return space, p, n, inputs, types, initial, wide, results, result_types, compiled


def check(kind, built, values, reverse, read_before, seed=0, first_decay=None):
    space, p, n, inputs, types, initial, wide, results, result_types, compiled = built
    rng = np.random.default_rng(seed)
    arrays = []
    for i, (axes, t) in enumerate(zip(inputs, types)):
        low, high = (-1.0, 1.0)
        if kind == "gate" or kind == "no_channels":
            low, high = (0.0, 1.0) if i == 0 else (-1.0, 1.0)
        elif kind.startswith("complex"):
            low, high = (-0.7, 0.7)
        else:
            low, high = [(0.0, 0.8), (-2.0, 0.0)][i] if i < 2 else (-1.0, 1.0)
        arrays.append(data(rng, t, space.shape(axes, values), low, high))
    first = [data(rng, wide, space.shape(a, values)) for a in initial]

    def set_first_decay(to):
        for x, axes in list(zip(arrays, inputs))[: 2 if kind.startswith("complex") else 1]:
            x[(slice(None),) * axes.index("t") + (-1 if reverse else 0,)] = to
    if first_decay is not None:
        set_first_decay(first_decay)
    got = compiled(arrays + first, values)
    if first_decay is not None:  # the state before is zero, so that it counts for nothing
        set_first_decay(0)
    heads = int(np.prod([space.size(d, values) for d in p], dtype=int))
    states = int(np.prod([space.size(d, values) for d in n], dtype=int))
    full = [space.expand(x, a, p + ["t"] + n, values).reshape(heads, -1 if values[0] else 0, states) for x, a in zip(arrays, inputs)]
    start = [space.expand(x, a, p + n, values).reshape(heads, states) for x, a in zip(first, initial)]
    length = values[0]
    if kind.startswith("complex"):
        a, u, c = full[0] + 1j * full[1], full[2] + 1j * full[3], full[4] + 1j * full[5]
        h0 = start[0] + 1j * start[1] if start else np.zeros((heads, states), complex)
    elif len(full) == 2:
        a, u, c = full[0], full[1], None
        h0 = start[0] if start else np.zeros((heads, states))
    else:
        dt, decay, x, bs, c = full
        a, u = np.exp(dt * decay), dt * x * bs
        h0 = start[0] if start else np.zeros((heads, states))
    out, h = reference.selective_scan(a, u, c, h0, reverse=reverse, read_before=read_before)
    assert_close(got[0], space.contract(out, results[0], p + ["t"], values), result_types[0], length)
    finals = [np.real(h), np.imag(h)] if kind.startswith("complex") else [h]
    for g, axes, f in zip(got[1:], results[1:], finals):
        assert_close(g, space.contract(f, axes, p + n, values), wide, length)
    return got


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_kinds(tmp_path, kind, seed):
    built = build(tmp_path, kind, "f32", seed=seed)
    for length in LENGTHS:
        check(kind, built, [length, 7], False, False, length)


@pytest.mark.parametrize("kind", ["mamba", "mamba_16", "gate", "complex", "few_channels"])
@pytest.mark.parametrize("variant", ["reverse", "read_before", "stateless", "f64", "bf16", "f16", "long", "natural"])
def test_variants(tmp_path, kind, variant):
    element = variant if variant in ("f64", "bf16", "f16") else "f32"
    built = build(tmp_path, kind, element, reverse=variant == "reverse", read_before=variant == "read_before",
                  states=variant != "stateless", seed=2, order="natural" if variant == "natural" else "random")
    for length in [1000] if variant == "long" else [0, 1, 70]:
        check(kind, built, [length, 7], variant == "reverse", variant == "read_before", length)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", ["gate", "no_channels", "complex_steps"])
def test_first_decay_is_of_nothing(tmp_path, kind, reverse):
    built = build(tmp_path, kind, "f32", states=False, reverse=reverse, seed=3)
    for length in [1, 2, 64, 65, 130]:
        for decay in (-np.inf, np.nan):
            check(kind, built, [length, 7], reverse, False, length, first_decay=decay)
