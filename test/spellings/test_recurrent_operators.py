"""LSTM, GRU and RNN become one ssm.recurrence for each direction, with every attribute, against their definition in float64."""
import numpy as np
import pytest
from onnx import TensorProto, helper

from spelling import TYPES, Compiled, Graph

ml_dtypes = pytest.importorskip("ml_dtypes")
TYPES.setdefault(np.dtype(ml_dtypes.bfloat16), TensorProto.BFLOAT16)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
ACTIVATIONS = {
    "Sigmoid": lambda x, a, b: 1 / (1 + np.exp(-x)),
    "Tanh": lambda x, a, b: np.tanh(x),
    "Relu": lambda x, a, b: np.maximum(x, 0),
    "Affine": lambda x, a, b: a * x + b,
    "LeakyRelu": lambda x, a, b: np.where(x < 0, a * x, x),
    "ThresholdedRelu": lambda x, a, b: np.where(x > a, x, 0),
    "ScaledTanh": lambda x, a, b: a * np.tanh(b * x),
    "HardSigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "Elu": lambda x, a, b: np.where(x < 0, a * np.expm1(x), x),
    "Softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "Softplus": lambda x, a, b: np.log1p(np.exp(x)),
}
TAKES = {"Affine": "ab", "LeakyRelu": "a", "ThresholdedRelu": "a", "ScaledTanh": "ab", "HardSigmoid": "ab", "Elu": "a"}


def reference(cell, x, w, r, b, lengths, h0, c0, p, direction="forward", layout=0, clip=None, linear_before_reset=0,
              input_forget=0, activations=None, activation_alpha=(), activation_beta=(), hidden_size=None):
    """Y, Y_h and Y_c, one step of one sequence at a time."""
    if layout:
        x, h0, c0 = (np.swapaxes(v, 0, 1) for v in (x, h0, c0))
    length, batch, _ = x.shape
    directions, hidden = r.shape[0], r.shape[2]
    names = activations or DEFAULTS[cell] * directions
    alphas, betas = list(activation_alpha), list(activation_beta)
    functions = []
    for name in names:
        a = alphas.pop(0) if "a" in TAKES.get(name, "") else 0
        bb = betas.pop(0) if "b" in TAKES.get(name, "") else 0
        functions.append(lambda v, f=ACTIVATIONS[name], a=a, bb=bb: f(v, a, bb))
    limit = lambda v: v if clip is None else np.clip(v, -clip, clip)
    y = np.zeros((length, directions, batch, hidden))
    lasth, lastc = h0.copy(), c0.copy()
    for d in range(directions):
        act = functions[d * len(DEFAULTS[cell]):]
        wi, ri = np.split(w[d], GATES[cell]), np.split(r[d], GATES[cell])
        wb, rb = np.split(b[d][: b.shape[1] // 2], GATES[cell]), np.split(b[d][b.shape[1] // 2:], GATES[cell])
        pi, po, pf = np.split(p[d], 3)
        for n in range(batch):
            h, c = h0[d, n], c0[d, n]
            steps = range(int(lengths[n]))
            for t in reversed(steps) if direction == "reverse" or d == 1 else steps:
                v = x[t, n]
                sums = lambda g, state: v @ wi[g].T + wb[g] + state @ ri[g].T + rb[g]
                if cell == "RNN":
                    h = act[0](limit(sums(0, h)))
                elif cell == "GRU":
                    z, reset = act[0](limit(sums(0, h))), act[0](limit(sums(1, h)))
                    inner = reset * (h @ ri[2].T + rb[2]) if linear_before_reset else (reset * h) @ ri[2].T + rb[2]
                    h = (1 - z) * act[1](limit(v @ wi[2].T + wb[2] + inner)) + z * h
                else:
                    i = act[0](limit(sums(0, h) + pi * c))
                    f = 1 - i if input_forget else act[0](limit(sums(2, h) + pf * c))
                    c = f * c + i * act[1](limit(sums(3, h)))
                    h = act[0](limit(sums(1, h) + po * c)) * act[2](c)
                y[t, d, n] = h
            lasth[d, n], lastc[d, n] = h, c
    if layout:
        return y.transpose(2, 0, 1, 3), np.swapaxes(lasth, 0, 1), np.swapaxes(lastc, 0, 1)
    return y, lasth, lastc


def build(cell, element=np.float32, constant=True, lengths=None, bias=True, initial=True, peepholes=False, sizes=(6, 3, 5, 18),
          dims=None, **attributes):
    """The graph, its outputs and what they must be."""
    length, batch, inputs, hidden = sizes
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    gates, layout = GATES[cell], attributes.get("layout", 0)
    random = np.random.default_rng(7)
    draw = lambda *shape, scale=0.5: (random.standard_normal(shape) * scale).astype(element)
    stated = (batch, directions, hidden) if layout else (directions, batch, hidden)
    values = {"x": draw(*((batch, length, inputs) if layout else (length, batch, inputs)), scale=1.0),
              "w": draw(directions, gates * hidden, inputs), "r": draw(directions, gates * hidden, hidden, scale=0.3),
              "b": draw(directions, 2 * gates * hidden), "h": draw(*stated), "c": draw(*stated), "p": draw(directions, 3 * hidden)}
    for name, given in (("b", bias), ("h", initial), ("c", initial and cell == "LSTM"), ("p", peepholes)):
        if not given:
            values[name] = values[name] * element(0)
    counts = np.full(batch, length) if lengths is None else np.array(lengths)
    wide = {n: v.astype(np.float64) for n, v in values.items()}
    expected = reference(cell, wide["x"], wide["w"], wide["r"], wide["b"], counts, wide["h"], wide["c"], wide["p"], **attributes)

    g = Graph(opset=22)
    place = lambda n: g.constant_of(values[n]) if constant else g.input(n, values[n])
    operands = [g.input("x", values["x"], dims), place("w"), place("r"), place("b") if bias else ""]
    operands += [g.input("n", counts.astype(np.int32)) if lengths is not None else ""]
    operands += [g.input("h", values["h"]) if initial else ""]
    if cell == "LSTM":
        operands += [g.input("c", values["c"]) if initial else "", place("p") if peepholes else ""]
    outputs = g.node(cell, operands, outputs=3 if cell == "LSTM" else 2, hidden_size=hidden, **attributes)
    return g, outputs, expected, directions


def check(tmp_path, cell, rtol=1e-4, atol=2e-5, **case):
    g, outputs, expected, directions = build(cell, **case)
    for options, raised in ((), ["recurrence"] * directions), (["--no-raise"], []):
        folder = tmp_path / str(len(raised))
        folder.mkdir()
        compiled = Compiled(folder, g, outputs, options)
        assert compiled.raised == raised, compiled.missed
        for got, want in zip(compiled({name: array for _, name, array in g.inputs}), expected):
            assert got.shape == want.shape
            got = got.view(ml_dtypes.bfloat16) if got.dtype.kind == "V" else got
            np.testing.assert_allclose(got.astype(np.float64), want, rtol=rtol, atol=atol)


WAYS = ["forward", "reverse", "bidirectional"]


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("direction", WAYS)
@pytest.mark.parametrize("cell", GATES)
def test_directions(tmp_path, cell, direction, layout):
    check(tmp_path, cell, direction=direction, layout=layout)


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("direction", WAYS)
@pytest.mark.parametrize("cell", GATES)
def test_lengths(tmp_path, cell, direction, layout):
    """A sequence that has ended keeps its states and gives zeros; backwards it starts at its own end."""
    check(tmp_path, cell, direction=direction, layout=layout, lengths=[4, 0, 6])


@pytest.mark.parametrize("cell", GATES)
def test_weights_as_inputs(tmp_path, cell):
    check(tmp_path, cell, constant=False, direction="bidirectional", peepholes=cell == "LSTM")


@pytest.mark.parametrize("cell", GATES)
def test_nothing_optional(tmp_path, cell):
    check(tmp_path, cell, bias=False, initial=False)


@pytest.mark.parametrize("cell", GATES)
def test_narrow(tmp_path, cell):
    """Matrices with fewer columns than a panel, and one step of one sequence."""
    check(tmp_path, cell, sizes=(1, 1, 2, 3), direction="bidirectional")


@pytest.mark.parametrize("cell", GATES)
def test_symbolic_sizes(tmp_path, cell):
    check(tmp_path, cell, dims=["length", "batch", 5], initial=False)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("direction", ["reverse", "bidirectional"])
def test_linear_before_reset(tmp_path, direction, constant):
    check(tmp_path, "GRU", linear_before_reset=1, direction=direction, constant=constant, lengths=[6, 2, 3])


@pytest.mark.parametrize("case", [{"peepholes": True}, {"input_forget": 1}, {"peepholes": True, "input_forget": 1, "clip": 0.3},
                                  {"peepholes": True, "direction": "bidirectional", "clip": 0.5}])
def test_lstm_variants(tmp_path, case):
    check(tmp_path, "LSTM", **case)


@pytest.mark.parametrize("cell", GATES)
def test_clip(tmp_path, cell):
    check(tmp_path, cell, clip=0.25)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(tmp_path, name):
    """Each as the only one of an RNN, with other numbers backwards."""
    case = {}
    if "a" in TAKES.get(name, ""):
        case["activation_alpha"] = [0.4, 0.7]
    if "b" in TAKES.get(name, ""):
        case["activation_beta"] = [0.3, 0.6]
    check(tmp_path, "RNN", direction="bidirectional", activations=[name, name], **case)


def test_numbers_of_activations(tmp_path):
    """They go to the activations that take one, in order."""
    check(tmp_path, "LSTM", activations=["HardSigmoid", "Softsign", "ScaledTanh"], activation_alpha=[0.3, 0.8], activation_beta=[0.4, 0.5])
    (tmp_path / "gru").mkdir()
    check(tmp_path / "gru", "GRU", activations=["HardSigmoid", "LeakyRelu", "Sigmoid", "Elu"], direction="bidirectional",
          activation_alpha=[0.3, 0.1, 0.6], activation_beta=[0.4])


# A half-precision result is rounded once.
ELEMENTS = {"f64": (np.float64, 1e-12, 1e-13), "f16": (np.float16, 2e-3, 2e-3), "bf16": (ml_dtypes.bfloat16, 1e-2, 1e-2)}


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("cell", GATES)
def test_elements(tmp_path, cell, element, constant):
    of, rtol, atol = ELEMENTS[element]
    check(tmp_path, cell, rtol=rtol, atol=atol, element=of, constant=constant, direction="bidirectional", lengths=[6, 3, 1])


def test_known_lengths(tmp_path):
    """Lengths that are all of the sequence say nothing."""
    g, outputs, expected, _ = build("GRU")
    n = g.constant(np.full(3, 6, np.int32))
    g.nodes[-1].input[4] = n
    compiled = Compiled(tmp_path, g, outputs)
    assert compiled.raised == ["recurrence"]
    for got, want in zip(compiled({name: array for _, name, array in g.inputs}), expected):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-5)
