"""ssm.semiseparable in each of its forms against the float64 loop."""
import numpy as np
import pytest

import reference
from dispatch import Dispatch
from space import Space, assert_close, data

LENGTHS = [0, 1, 7, 15, 16, 17, 50]

# Name: operands beside query, key and value, with their dims; attributes; results beside the output.
KINDS = {
    "linear": ({}, "", []),
    "decay_head": ({"log_decay": "bth"}, "", ["final"]),
    "decay_constant": ({"log_decay": "h", "initial": "bhkv"}, "", ["final"]),
    "decay_key": ({"log_decay": "bthk", "initial": "bhkv"}, "", ["final"]),
    "read_before": ({"log_decay": "bth", "initial": "bhkv"}, "read_before", []),
    "bonus": ({"log_decay": "bthk", "bonus": "hk"}, "read_before", ["final"]),
    "bonus_head": ({"log_decay": "bth", "bonus": "h"}, "read_before", []),
    "delta": ({"erase_left": "bthk", "erase_right": "bthk"}, "", ["final"]),
    "gated_delta": ({"log_decay": "bth", "erase_left": "bthk", "erase_right": "bthk", "initial": "bhkv"}, "", ["final"]),
    "delta_read_before": ({"log_decay": "bth", "erase_left": "bthk", "erase_right": "bthk", "initial": "bhkv"}, "read_before", []),
    "delta_key_decay": ({"log_decay": "bthk", "erase_left": "bthk", "erase_right": "bthk", "initial": "bhkv"}, "", ["final"]),
    "delta_all": ({"log_decay": "bthk", "erase_left": "bthk", "erase_right": "bthk", "bonus": "bthk", "initial": "bhkv"}, "read_before",
                  ["final"]),
    "gate": ({"log_gate": "bth"}, "", ["final", "log_scale"]),
    "gate_decay": ({"log_decay": "bth", "log_gate": "bth"}, "", ["log_scale"]),
    "gate_initial": ({"log_decay": "th", "log_gate": "bth", "initial": "bhkv"}, "", ["final", "log_scale"]),
}
ORDER = ["query", "key", "value", "log_decay", "erase_left", "erase_right", "bonus", "log_gate", "initial"]
RESULTS = {"output": "bthv", "final": "bhkv", "log_scale": "bth"}


def build(tmp, kind, form, element, *, dims=None, reverse=False, groups=1, seed=0, guard=""):
    extra, flags, more = KINDS[kind]
    space = Space(dims or {"b": 2, "h": 4, "t": "s0", "k": 5, "v": 19}, seed)
    over = {"query": "bthk", "key": "bthk", "value": "bthv", **extra}
    present = [n for n in ORDER if n in over]
    axes = {}
    for n in present:
        a = list(over[n])
        if groups > 1 and n in ("query", "key"):
            a[a.index("h")] = f"h/{groups}"
        axes[n] = space.layout(a)
    results = ["output"] + more
    for r in results:
        axes["result " + r] = space.layout(RESULTS[r])
    narrow = element in ("f16", "bf16")
    types = {n: ("f32" if narrow and n not in ("query", "key", "value") else element) for n in present}
    out_types = {r: ("f32" if narrow and r != "output" else element) for r in results}
    maps = ", ".join(space.map(axes[n]) for n in present + ["result " + r for r in results])
    attributes = "".join(f", {a}" for a in [flags, "reverse" if reverse else ""] if a)
    operands = " ".join(f"{n}(%a{i} : {space.text(types[n], axes[n])})" for i, n in enumerate(present))
    tail = " ".join(f"{r}({space.text(out_types[r], axes['result ' + r])})" for r in more)
    names = ", ".join(f"%r{i}" for i in range(len(results)))
    body = (f'  {names} = ssm.semiseparable {operands} {{form = "{form}", indexing_maps = [{maps}]{attributes}{guard}}} -> '
            f'{space.text(out_types["output"], axes["result output"])} {tail}')
    compiled = Dispatch(tmp, body, [space.type(types[n], axes[n]) for n in present],
                        [space.type(out_types[r], axes["result " + r]) for r in results], 1)
    return space, present, axes, types, results, out_types, compiled


def check(built, length, reverse, read_before, seed=0, strong=False):
    space, present, axes, types, results, out_types, compiled = built
    rng = np.random.default_rng(seed)
    values = [length]
    arrays = {}
    # Independent pairs make a state grow that nothing lets decay; over many steps small ones do not.
    erase = 0.5 if "log_decay" in present else 0.1
    for n in present:
        shape = space.shape(axes[n], values)
        low, high = {"log_decay": (-40.0, 0.0) if strong else (-0.6, 0.0), "log_gate": (-30.0, 30.0) if strong else (-2.0, 2.0),
                     "erase_left": (-erase, erase), "erase_right": (-erase, erase)}.get(n, (-1.0, 1.0))
        arrays[n] = data(rng, types[n], shape, low, high)
        if strong and n in ("log_decay", "log_gate"):
            arrays[n] = np.where(rng.random(shape) < 0.2, -np.inf, arrays[n]).astype(arrays[n].dtype)
    got = compiled([arrays[n] for n in present], values)
    b, h = space.size("b"), space.size("h")

    def full(n, over):
        if n not in present:
            return None
        return space.expand(arrays[n], axes[n], list(over), values).reshape([b * h] + [space.size(d, values) for d in over[2:]])

    q, k, v = full("query", "bhtk"), full("key", "bhtk"), full("value", "bhtv")
    out, state, scales = reference.semiseparable(
        q, k, v, full("log_decay", "bhtk"), full("erase_left", "bhtk"), full("erase_right", "bhtk"), full("bonus", "bhtk"),
        full("log_gate", "bht"), full("initial", "bhkv"), reverse=reverse, read_before=read_before)
    expected = {"output": (out, "bhtv"), "final": (state, "bhkv"), "log_scale": (scales, "bht")}
    for r, g in zip(results, got):
        array, over = expected[r]
        assert_close(g, space.contract(array, axes["result " + r], list(over), values), out_types[r], length)
    return got


@pytest.mark.parametrize("kind", [n for n, (extra, _, _) in KINDS.items() if "erase_left" not in extra])
def test_quadratic(tmp_path, kind):
    built = build(tmp_path, kind, "quadratic", "f32", seed=len(kind))
    for length in LENGTHS:
        check(built, length, False, "read_before" in KINDS[kind][1], length)


@pytest.mark.parametrize("variant", ["reverse", "groups", "f64", "bf16", "strong", "wide"])
@pytest.mark.parametrize("kind", ["decay_head", "decay_key", "gate_initial"])
def test_quadratic_variants(tmp_path, kind, variant):
    element = variant if variant in ("f64", "bf16") else "f32"
    dims = {"b": 1, "h": 2, "t": "s0", "k": 33, "v": 48} if variant == "wide" else None
    built = build(tmp_path, kind, "quadratic", element, dims=dims, reverse=variant == "reverse", groups=2 if variant == "groups" else 1, seed=3)
    for length in (1, 7, 40):
        check(built, length, variant == "reverse", "read_before" in KINDS[kind][1], length, variant == "strong")


@pytest.mark.parametrize("form", ["recurrent", "chunked"])
@pytest.mark.parametrize("kind", KINDS)
def test_kinds(tmp_path, kind, form):
    built = build(tmp_path, kind, form, "f32", seed=len(kind))
    for length in LENGTHS:
        check(built, length, False, "read_before" in KINDS[kind][1], length)


@pytest.mark.parametrize("form", ["recurrent", "chunked"])
def test_constant_operand(tmp_path, form):
    """A small constant lies in the dispatch itself."""
    space = Space({"h": 2, "t": "s0", "k": 3, "v": 4})
    maps = ", ".join(space.map(a) for a in ["htk", "htk", "htv", "h", "htv"])
    body = (f'  %c = "onnx.Constant"() {{value = dense<[-0.5, -0.1]> : tensor<2xf32>}} : () -> tensor<2xf32>\n'
            f'  %r0 = ssm.semiseparable query(%a0 : {space.text("f32", "htk")}) key(%a1 : {space.text("f32", "htk")}) '
            f'value(%a2 : {space.text("f32", "htv")}) log_decay(%c : tensor<2xf32>) {{form = "{form}", indexing_maps = [{maps}]}} -> '
            f'{space.text("f32", "htv")}')
    compiled = Dispatch(tmp_path, body, [space.type("f32", a) for a in ["htk", "htk", "htv"]], [space.type("f32", "htv")], 1)
    rng = np.random.default_rng(0)
    q, k, v = (data(rng, "f32", space.shape(a, [40])) for a in ["htk", "htk", "htv"])
    decay = np.broadcast_to(np.array([-0.5, -0.1])[:, None, None], q.shape)
    assert_close(compiled([q, k, v], [40])[0], reference.semiseparable(q, k, v, decay)[0], "f32", 40)


@pytest.mark.parametrize("kind", ["decay_key", "gated_delta", "gate_initial"])
def test_form_by_length(tmp_path, kind):
    built = build(tmp_path, kind, "chunked", "f32", guard=', ssm.short_form = "recurrent"')
    for length in range(0, 10):
        check(built, length, False, False, length)


@pytest.mark.parametrize("form", ["recurrent", "chunked"])
@pytest.mark.parametrize("kind", ["decay_head", "gated_delta", "delta_all", "gate_initial"])
@pytest.mark.parametrize("variant", ["reverse", "groups", "f64", "bf16", "f16", "long", "strong", "wide"])
def test_variants(tmp_path, kind, form, variant):
    element = variant if variant in ("f64", "bf16", "f16") else "f32"
    dims = {"b": 1, "h": 2, "t": "s0", "k": 33, "v": 48} if variant == "wide" else None
    built = build(tmp_path, kind, form, element, dims=dims, reverse=variant == "reverse", groups=2 if variant == "groups" else 1, seed=3)
    for length in [1000] if variant == "long" else [0, 1, 33]:
        check(built, length, variant == "reverse", "read_before" in KINDS[kind][1], length, variant == "strong")
