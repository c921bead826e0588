"""Random recurrences, linear and not, spelled at random as ONNX graphs.

`build(seed, dtype)` gives a model and its inputs; the same seed gives the same graph in float32 and in float64. A seed
decides what is computed (diagonal, matrix-valued, delta rule, any function of states and inputs, several carries), how it
is spelled (Scan, Loop, unrolled, doubling, cumulative sums, masked matrix, chunks), and in one case of three what is
wrong with it: an offset, a mask, a padding, a combiner or a gate that makes it another function, which it must stay.
"""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

DTYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}


class Graph:
    """Nodes of one graph or of one body; names and constants are of the whole model."""

    def __init__(self, model, nodes):
        self.model, self.nodes = model, nodes

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [self.model.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=self.model.name("n"), **attributes))
        return names[0] if outputs == 1 else names

    def __getattr__(self, kind):
        return lambda *inputs, **attributes: self.op(kind, *inputs, **attributes)

    def ints(self, *values):
        return self.model.constant(np.array(values, np.int64))

    def index(self, value):
        return self.model.constant(np.array(value, np.int64))

    def number(self, value):
        return self.model.constant(np.array(value, self.model.dtype))

    def body(self):
        return Graph(self.model, [])


class Model:
    def __init__(self, seed, dtype, prefix):
        self.random = np.random.default_rng(seed)
        self.dtype, self.prefix, self.count = dtype, prefix, 0
        self.initializers, self.inputs, self.outputs, self.feeds = [], [], [], ({}, {})
        self.nodes = []
        self.graph = Graph(self, self.nodes)
        self.dynamic = self.chance(0.4)
        self.story = []

    def chance(self, p):
        return self.random.random() < p

    def pick(self, *options):
        return options[self.random.integers(len(options))]

    def name(self, kind="v"):
        self.count += 1
        return f"{self.prefix}{kind}{self.count}"

    def constant(self, array):
        name = self.name("c")
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def typed(self, name, shape=None):
        return helper.make_tensor_value_info(name, DTYPES[self.dtype], shape)

    def input(self, shape, dims=None, scale=1.0, shift=0.0):
        """A float input; `dims` names the axes that are symbolic in a dynamic model, which the second feed makes longer."""
        name = self.name("x")
        declared = [f"{self.prefix}{d}" if d and self.dynamic else s for s, d in zip(shape, dims or [None] * len(shape))]
        self.inputs.append(self.typed(name, declared))
        other = [{"B": s + 1, "L": s + 4}.get(d, s) if self.dynamic else s for s, d in zip(shape, dims or [None] * len(shape))]
        for feeds, sizes in zip(self.feeds, (shape, other)):
            drawn = (scale * self.random.standard_normal(sizes) + shift).astype(np.float32)
            feeds[name] = drawn.astype(self.dtype)
        return name

    def weight(self, shape, scale=1.0, shift=0.0):
        return self.constant((scale * self.random.standard_normal(shape) + shift).astype(np.float32).astype(self.dtype))

    def output(self, value):
        name = self.name("y")
        self.graph.nodes.append(helper.make_node("Identity", [value], [name], name=self.name("n")))
        self.outputs.append(self.typed(name))


# --- steps: next states and outputs of one step, from states and the slices at t ------------------------------------------

def expression(m, g, depth, states, slices, weights):
    """Any function of one shape, of moderate size."""
    if depth == 0 or m.chance(0.15):
        return m.pick(*states, *slices, *slices)
    a = lambda: expression(m, g, depth - 1, states, slices, weights)
    kind = m.pick("Add", "Sub", "Mul", "Mul", "Tanh", "Sigmoid", "Max", "Min", "Where", "scaled", "Neg", "mix", "roll", "Clip", "bias")
    if kind in ("Add", "Sub", "Mul", "Max", "Min"):
        return g.op(kind, a(), a())
    if kind in ("Tanh", "Sigmoid", "Neg"):
        return g.op(kind, a())
    if kind == "Where":
        return g.Where(g.Greater(a(), g.number(0.1)), a(), a())
    if kind == "scaled":
        return g.Mul(a(), g.number(round(m.random.uniform(-1, 1), 2)))
    if kind == "mix":
        return g.Add(g.Mul(a(), weights[0]), g.Mul(a(), weights[1]))
    if kind == "bias":
        return g.Add(a(), m.pick(*weights))
    if kind == "Clip":
        return g.Clip(a(), g.number(-0.7), g.number(0.9))
    x = a()
    cut = [g.Slice(x, g.ints(s), g.ints(e), g.ints(1)) for s, e in ((1, m.width), (0, 1))]
    return g.Concat(*cut, axis=1)


def any_step(m):
    """States and slices are (B, D)."""
    carries, sequences = m.pick(1, 1, 2, 3), m.pick(1, 2, 3)
    weights = [m.weight((m.width,), 0.5), m.weight((m.width,), 0.5)]
    shapes = [m.random.integers(1 << 30) for _ in range(carries + 1)]
    bounded = [m.chance(0.7) for _ in range(carries)]

    def step(g, states, slices):
        saved, following = m.random, []
        for seed, bound in zip(shapes, bounded):
            m.random = np.random.default_rng(seed)
            e = expression(m, g, m.pick(2, 3), states, slices, weights)
            following.append(g.Tanh(e) if bound else g.Mul(e, g.number(0.4)))
        m.random = np.random.default_rng(shapes[-1])
        out = expression(m, g, 1, following, slices + states, weights)
        m.random = saved
        return following, [following[0], out]
    return step, carries, sequences


def linear_step(m):
    """h' = a h + u with coefficients from slices; sometimes with something that makes it another recurrence."""
    gate = m.pick("sigmoid", "exp", "weight", "mix", "negative")
    flaw = m.pick(*[None] * 6, "state gate", "clip", "square", "leak")
    m.story.append(f"{gate} gate, {flaw or 'linear'}")
    order, lagged, weight = m.chance(0.5), m.chance(0.2), m.weight((m.width,), 0.2, 0.6)

    def step(g, states, slices):
        h, r, x = states[0], slices[0], slices[1]
        if flaw == "state gate":
            r = g.Add(r, h)
        if flaw == "clip":
            h = g.Clip(h, g.number(-0.5), g.number(0.5))
        a = {"sigmoid": lambda: g.Sigmoid(r), "exp": lambda: g.Exp(g.Neg(g.Softplus(r))), "weight": lambda: weight,
             "mix": lambda: g.Sub(g.number(1.0), g.Sigmoid(r)), "negative": lambda: g.Tanh(r)}[gate]()
        u = g.Mul(g.Sub(g.number(1.0), a), x) if gate in ("mix", "sigmoid") and order else x
        if flaw == "square":
            h = g.Mul(h, g.Mul(g.number(0.3), h))
        kept = g.Mul(a, h) if order else g.Mul(h, a)
        following = g.Add(kept, u) if order else g.Add(u, kept)
        if flaw == "leak":
            following = g.Where(g.Greater(following, g.number(0.0)), following, g.Mul(following, g.number(0.5)))
        return [following], [states[0] if lagged else following]
    return step, 1, 2


def complex_step(m):
    """Two carries coupled as one complex number, or nearly so."""
    flaw = m.pick(None, None, "sign", "shared")
    m.story.append(f"pair, {flaw or 'complex'}")

    def step(g, states, slices):
        re, im = states
        a, b = g.Mul(g.Tanh(slices[0]), g.number(0.7)), g.Mul(g.Tanh(slices[1]), g.number(0.7))
        cross = g.Mul(b, im)
        first = (g.Add if flaw == "sign" else g.Sub)(g.Mul(a, re), cross)
        second = g.Add(g.Mul(b, re), g.Mul(b if flaw == "shared" else a, im))
        return [g.Add(first, slices[2]), second], [g.Add(first, slices[2])]
    return step, 2, 3


def matrix_step(m):
    """S' = decay S + k v^T with o = S^T q; slices q, k, v are (B, K), (B, K), (B, V), g is (B, 1) or (B, K)."""
    rule = m.pick("linear", "decay", "key decay", "delta", "gated delta")
    flaw = m.pick(None, None, None, "value decay", "no transpose", "beta on state", "tanh")
    before = m.chance(0.25)
    m.square = flaw in ("value decay", "no transpose")
    m.story.append(f"matrix {rule}, {flaw or 'as it should be'}")

    def step(g, states, slices):
        s, (q, k, v, r) = states[0], slices
        last, middle = g.ints(2), g.ints(1)
        key, value = g.Unsqueeze(k, last), g.Unsqueeze(v, middle)
        decay = g.Sigmoid(r)
        if rule in ("decay", "key decay", "gated delta"):
            wide = g.Unsqueeze(decay, last) if rule == "key decay" else g.Unsqueeze(
                g.Slice(decay, g.ints(0), g.ints(1), g.ints(1)), last)
            if flaw == "value decay" and rule == "key decay":
                wide = g.Unsqueeze(decay, middle)
            s = g.Mul(wide, s)
        if rule in ("delta", "gated delta"):
            unit = g.Div(key, g.Sqrt(g.Add(g.ReduceSum(g.Mul(key, key), middle), g.number(0.1))))
            seen = g.ReduceSum(g.Mul(s, unit), middle)
            beta = g.Unsqueeze(g.Slice(decay, g.ints(1), g.ints(2), g.ints(1)), last)
            update = g.Mul(unit, g.Mul(beta, g.Sub(value, seen)))
            if flaw == "beta on state":
                s = g.Mul(s, beta)
        else:
            update = g.Mul(key, value)
        following = g.Add(s, update)
        if flaw == "tanh":
            following = g.Tanh(following)
        read = states[0] if before else following
        if flaw == "no transpose":
            out = g.Squeeze(g.MatMul(read, g.Unsqueeze(q, last)), last)
        else:
            out = g.Squeeze(g.MatMul(g.Unsqueeze(q, middle), read), middle)
        return [following], [out]
    return step, 1, 4


# --- spellings of steps -----------------------------------------------------------------------------------------------------

def by_scan(m, g, step, initial, sequences, axis, length, reverse, ranks):
    body = g.body()
    states, slices = [m.name() for _ in initial], [m.name() for _ in sequences]
    following, outs = step(body, states, slices)
    results = [body.Identity(r) for r in following + outs]
    types = [m.typed(n, [None] * r) for n, r in zip(states + slices, ranks)]
    graph = helper.make_graph(body.nodes, m.name("g"), types, [m.typed(r) for r in results])
    attributes = {"scan_input_axes": [axis] * len(sequences), "scan_output_axes": [axis] * len(outs)}
    out_reverse = reverse
    if reverse and m.chance(0.3):
        m.story.append("outputs in the order of the run")
        out_reverse = False
    if reverse:
        attributes.update(scan_input_directions=[1] * len(sequences), scan_output_directions=[int(out_reverse)] * len(outs))
    values = g.op("Scan", *initial, *sequences, outputs=len(results), body=graph, num_scan_inputs=len(sequences), **attributes)
    values = values if isinstance(values, list) else [values]
    return values[:len(initial)], values[len(initial):]


def by_loop(m, g, step, initial, sequences, axis, length, reverse, ranks):
    trip = g.index(length)
    if m.dynamic:
        trip = g.Squeeze(g.Gather(g.Shape(sequences[0]), g.ints(axis)), g.ints(0))
    shift = m.pick(*[0] * 6, 1, -1) if length > 1 else 0
    if shift:
        m.story.append(f"index {shift:+}")
    trip_m = g.Sub(trip, g.index(1)) if shift or (length > 1 and m.chance(0.1)) else trip
    body = g.body()
    i, go, states = m.name(), m.name(), [m.name() for _ in initial]
    at = i
    if reverse:
        at = body.Sub(body.Sub(trip_m, g.index(1)), i)
    if shift == 1:
        at = body.Add(at, g.index(1))
    slices = [body.Gather(s, at, axis=axis) for s in sequences]
    if shift == -1: # one of them lags
        slices[0] = body.Gather(sequences[0], body.op("Max", body.Sub(at, g.index(1)), g.index(0)), axis=axis)
    following, outs = step(body, states, slices)
    results = [body.Identity(r) for r in following + outs]
    inputs = [helper.make_tensor_value_info(i, TensorProto.INT64, []), helper.make_tensor_value_info(go, TensorProto.BOOL, [])]
    inputs += [m.typed(n, [None] * r) for n, r in zip(states, ranks)]
    on = body.Identity(go)
    graph = helper.make_graph(body.nodes, m.name("g"), inputs, [helper.make_tensor_value_info(on, TensorProto.BOOL, [])] +
                              [m.typed(r) for r in results])
    true = m.constant(np.array(True))
    values = g.op("Loop", trip_m, true, *initial, outputs=len(results), body=graph)
    values = values if isinstance(values, list) else [values]
    outs = values[len(initial):]
    if reverse: # scan outputs are stacked as the loop runs
        outs = [g.Slice(o, g.ints(-1), g.ints(-1 << 31), g.ints(0), g.ints(-1)) for o in outs]
    return values[:len(initial)], [moved(m, g, o, axis) for o in outs]


def moved(m, g, value, axis):
    """Time from axis 0 to `axis` of a value of rank 3."""
    return value if axis == 0 else g.Transpose(value, perm=[1, 0, 2])


def by_unrolling(m, g, step, initial, sequences, axis, length, reverse, ranks):
    way = m.pick("gather", "slice", "split")
    steps = list(range(length))[::-1 if reverse else 1]
    flaw = m.pick(*[None] * 6, "swap", "skip", "repeat", "order")
    if flaw:
        m.story.append(f"steps: {flaw}")
    if length > 4:
        if flaw == "swap":
            steps[2], steps[3] = steps[3], steps[2]
        if flaw == "skip":
            steps.pop(m.random.integers(1, length - 1))
        if flaw == "repeat":
            steps.insert(3, steps[2])
    if way == "split" and length > 1 and not m.dynamic:
        parts = [g.op("Split", s, g.ints(*[1] * length), outputs=length, axis=axis) for s in sequences]
        slices = lambda t: [g.Squeeze(p[t], g.ints(axis)) for p in parts]
    elif way == "slice":
        slices = lambda t: [g.Squeeze(g.Slice(s, g.ints(t), g.ints(t + 1), g.ints(axis)), g.ints(axis)) for s in sequences]
    else:
        slices = lambda t: [g.Gather(s, g.index(t), axis=axis) for s in sequences]
    states, columns = list(initial), {}
    for t in steps:
        states, outs = step(g, states, slices(t))
        for k, o in enumerate(outs):
            columns.setdefault(k, []).append(g.Unsqueeze(o, g.ints(axis)))
    stacked = []
    for column in columns.values():
        if reverse:
            column = column[::-1]
        if flaw == "order" and len(column) > 4:
            column[1], column[2] = column[2], column[1]
        stacked.append(g.Concat(*column, axis=axis))
    return states, stacked


# --- closed forms ------------------------------------------------------------------------------------------------------------

def doubling(m, g):
    """Hillis-Steele over pairs (a, b) on (B, L, D), by Concat or by Pad."""
    length = m.pick(4, 5, 8, 13, 16)
    a = g.Sigmoid(m.input((2, length, 3), ("B", None, None)))
    b = m.input((2, length, 3), ("B", None, None))
    flaw = m.pick(None, None, None, "pad", "stage", "offset", "combiner", "prefix")
    m.story.append(f"doubling, {flaw or 'as it should be'}")
    way, offsets = m.pick("concat", "pad", "where"), []
    while (1 << len(offsets)) < length:
        offsets.append(1 << len(offsets))
    if flaw == "stage":
        offsets.pop(m.random.integers(len(offsets)))
    if flaw == "offset":
        offsets[-1] = min(offsets[-1] + 1, length - 1)

    def shifted(x, by, fill):
        kept = g.Slice(x, g.ints(0), g.ints(length - by), g.ints(1))
        if way == "pad":
            return g.Pad(kept, g.ints(0, by, 0, 0, 0, 0), g.number(fill))
        if m.dynamic:
            edge = g.Mul(g.Slice(x, g.ints(0), g.ints(by), g.ints(1)), g.number(0.0))
            return g.Concat(g.Add(edge, g.number(fill)), kept, axis=1)
        return g.Concat(m.constant(np.full((2, by, 3), fill, m.dtype)), kept, axis=1)
    wrong = m.random.integers(len(offsets))
    for n, by in enumerate(offsets):
        one = 0.5 if flaw == "pad" and n == wrong else 1.0
        zero = 0.25 if flaw == "pad" and n == wrong and m.chance(0.5) else 0.0
        if way == "where":
            early = m.constant((np.arange(length) >= by)[None, :, None])
            rolled = [g.Concat(g.Slice(x, g.ints(length - by), g.ints(length), g.ints(1)),
                               g.Slice(x, g.ints(0), g.ints(length - by), g.ints(1)), axis=1) for x in (a, b)]
            pa, pb = g.Where(early, rolled[0], g.number(one)), g.Where(early, rolled[1], g.number(zero))
        else:
            pa, pb = shifted(a, by, one), shifted(b, by, zero)
        last = n == wrong
        scaled = g.Mul(pa if flaw == "combiner" and last else a, pb)
        b = g.Add(scaled, b)
        a = g.Mul(a, a if flaw == "prefix" and last else pa)
    m.output(b)
    if m.chance(0.4):
        m.output(a)


def cumulative(m, g):
    """exp(cs) cumsum(exp(-cs) u) over the log decays."""
    length = m.pick(1, 3, 7, 12)
    r, x = (m.input((2, length, 3), ("B", "L", None)) for _ in range(2))
    flaw = m.pick(None, None, None, "exclusive", "reverse", "axis", "sign", "other decay")
    m.story.append(f"cumulative sums, {flaw or 'as it should be'}")
    log = g.Neg(g.Softplus(r))
    cs = g.CumSum(log, g.index(1), **({"exclusive": 1} if flaw == "exclusive" else {"reverse": 1} if flaw == "reverse" else {}))
    down = g.Neg(cs)
    if flaw == "other decay":
        down = g.Neg(g.CumSum(g.Neg(g.Softplus(x)), g.index(1)))
    u = g.Mul(g.Exp(cs if flaw == "sign" else down), x)
    total = g.CumSum(u, g.index(0 if flaw == "axis" else 1))
    y = g.Mul(g.Exp(cs), total) if m.chance(0.5) else g.Div(total, g.Exp(g.Neg(cs)))
    m.output(y)


def masked_matrix(m, g):
    """(mask . exp(cs_i - cs_j) . q k^T) v on (B, L, .)."""
    length = m.pick(1, 4, 9)
    q, k = (m.input((2, length, 4), ("B", None, None)) for _ in range(2))
    v, r = m.input((2, length, 5), ("B", None, None)), m.input((2, length), ("B", None))
    flaw = m.pick(None, None, None, "strict", "wide", "upper", "sign", "mask before exp", "one column")
    decays = m.chance(0.7)
    m.story.append(f"masked matrix{' with decay' if decays else ''}, {flaw or 'as it should be'}")
    scores = g.MatMul(q, g.Transpose(k, perm=[0, 2, 1]))
    offset = {"strict": -1, "wide": 1}.get(flaw, 0)
    mask = np.triu(np.ones((length, length)), 0) if flaw == "upper" else np.tril(np.ones((length, length)), offset)
    if flaw == "one column" and length > 2:
        mask[-1, 1] = 0
    if decays:
        cs = g.CumSum(g.Neg(g.Softplus(r)), g.index(1))
        i, j = g.Unsqueeze(cs, g.ints(2)), g.Unsqueeze(cs, g.ints(1))
        difference = g.Sub(j, i) if flaw == "sign" else g.Sub(i, j)
        if flaw == "mask before exp":
            difference = g.Mul(difference, m.constant(mask.astype(m.dtype)))
        elif m.chance(0.5):
            difference = g.Where(m.constant(mask > 0), difference, g.number(-np.inf))
        scores = g.Mul(scores, g.Exp(difference))
    way = m.pick("where", "mul", "trilu") if flaw not in ("one column",) else m.pick("where", "mul")
    if flaw == "mask before exp":
        pass
    elif way == "trilu":
        scores = g.Trilu(scores, g.index(0 if flaw == "upper" else offset), upper=int(flaw == "upper"))
    elif way == "mul":
        scores = g.Mul(scores, m.constant(mask.astype(m.dtype)))
    else:
        scores = g.Where(m.constant(mask > 0), scores, g.number(0.0))
    m.output(g.MatMul(scores, v))


def chunked(m, g):
    """Linear attention with a decay per position in unrolled chunks, a state between them."""
    chunk, count = m.pick(2, 3, 4), m.pick(1, 2, 3)
    length = chunk * count
    q, k = (m.input((2, length, 3), ("B", None, None)) for _ in range(2))
    v, r = m.input((2, length, 4), ("B", None, None)), m.input((2, length), ("B", None))
    flaw = m.pick(None, None, None, "state decay", "in decay", "out decay", "mask")
    m.story.append(f"{count} chunks of {chunk}, {flaw or 'as it should be'}")
    log = g.Neg(g.Softplus(r))
    mask = m.constant(np.tril(np.ones((chunk, chunk)), -1 if flaw == "mask" else 0) > 0)
    state, outs = None, []
    part = lambda x, c: g.Slice(x, g.ints(c * chunk), g.ints((c + 1) * chunk), g.ints(1))
    for c in range(count):
        qc, kc, vc = part(q, c), part(k, c), part(v, c)
        cs = g.CumSum(part(log, c), g.index(1))
        i, j = g.Unsqueeze(cs, g.ints(2)), g.Unsqueeze(cs, g.ints(1))
        inner = g.Exp(g.Where(mask, g.Sub(i, j), g.number(-np.inf)))
        out = g.MatMul(g.Mul(g.MatMul(qc, g.Transpose(kc, perm=[0, 2, 1])), inner), vc)
        total = g.Slice(cs, g.ints(chunk - 1), g.ints(chunk), g.ints(1))
        if state is not None:
            read = qc if flaw == "out decay" else g.Mul(qc, g.Exp(i))
            out = g.Add(out, g.MatMul(read, state))
        left = g.Exp(cs) if flaw == "in decay" else g.Exp(g.Sub(total, cs))
        added = g.MatMul(g.Transpose(g.Mul(kc, g.Unsqueeze(left, g.ints(2))), perm=[0, 2, 1]), vc)
        if state is None:
            state = added
        else:
            state = g.Add(state if flaw == "state decay" else g.Mul(state, g.Exp(g.Unsqueeze(total, g.ints(2)))), added)
        outs.append(out)
    m.output(g.Concat(*outs, axis=1) if count > 1 else outs[0])
    if m.chance(0.3):
        m.output(state)


# --- a whole case ------------------------------------------------------------------------------------------------------------

def stepwise(m, g):
    kind = m.pick("linear", "linear", "any", "matrix", "complex")
    batch, length, m.width = m.pick(1, 2), m.pick(1, 2, 5, 7), m.pick(2, 3, 4)
    axis = 1 if kind == "matrix" else m.pick(0, 1)
    step, carries, sequences = {"linear": linear_step, "any": any_step, "matrix": matrix_step, "complex": complex_step}[kind](m)
    shape = lambda width: (batch, length, width) if axis else (length, batch, width)
    dims = ("B", "L", None) if axis else ("L", "B", None)
    spell = m.pick(by_scan, by_loop, by_unrolling)
    if spell is by_unrolling:
        dims = tuple(None if d == "L" else d for d in dims)
    inputs = [m.input(shape(m.width), dims) for _ in range(sequences)]
    sizes = [(batch, m.width)] * carries
    if kind == "matrix":
        values = m.width + (0 if m.square else m.pick(0, 1))
        inputs[2] = m.input(shape(values), dims)
        sizes = [(batch, m.width, values)]
    given = m.chance(0.4)
    initial = [m.input(s, ("B",) + (None,) * (len(s) - 1), 0.5) if given or m.dynamic
               else m.constant(np.full(s, m.pick(0.0, 0.0, 0.0, 0.5), m.dtype)) for s in sizes]
    reverse = m.chance(0.2)
    m.story.append(f"{spell.__name__}, time at {axis}{', reversed' if reverse else ''}, length {length}")
    ranks = [len(s) for s in sizes] + [2] * sequences
    finals, outs = spell(m, g, step, initial, inputs, axis, length, reverse, ranks)
    for o in outs:
        m.output(g.Tanh(o) if m.chance(0.2) else o)
    if m.chance(0.5):
        m.output(m.pick(*finals))


def build(seed, dtype="float32", prefix=""):
    """The model of a seed, with inputs."""
    m = Model(seed, dtype, prefix)
    form = m.pick(stepwise, stepwise, stepwise, stepwise, doubling, cumulative, masked_matrix, chunked)
    form(m, m.graph)
    return m


def to_proto(models):
    """One ONNX model of several; their names differ by prefix."""
    graph = helper.make_graph([n for m in models for n in m.nodes], "g", [i for m in models for i in m.inputs],
                              [o for m in models for o in m.outputs], [c for m in models for c in m.initializers])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
