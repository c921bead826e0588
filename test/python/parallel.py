"""Graphs of parallel scans: h[t] = a[t] h[t-1] + b[t] by stages that combine elements further and further apart."""
import dataclasses

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

END = 2**62
AXES = {"BLD": 1, "LBD": 0, "BDL": 2, "BLDN": 1, "BDNL": 3, "LD": 0}


@dataclasses.dataclass(frozen=True)
class Scan:
    tree: str = "hillis"  # hillis, tail (only later elements are made anew), halves (odd and even), sweeps (up and down), blocks
    shift: str = "pad"  # how an element meets an earlier one: pad, crop, concat, roll, gather
    length: int = 12
    layout: str = "BLD"
    decay: str = "data"  # data, vector (one for all steps), folded (known when compiled), one
    readout: str = ""  # mul or einsum with c over N
    initial: bool = False
    final: bool = False
    flipped: bool = False  # from the last step to the first
    dynamic: bool = False  # batch
    parts: str = ""  # complex numbers as pairs, giving states, or a real number by a sum or a matrix
    wrong: str = ""  # stage, pad, decay, offset

    @property
    def axis(self):
        return AXES[self.layout]

    @property
    def shape(self):
        sizes = {"B": 2, "L": self.length, "D": 5, "N": 3}
        return tuple(sizes[c] for c in self.layout)


class Graph:
    def __init__(self, s):
        self.s, self.nodes, self.constants, self.rank = s, [], [], len(s.shape)

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def op(self, kind, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def slice(self, x, start, end, axis, step=1):
        return self.op("Slice", x, self.ints(start), self.ints(end), self.ints(axis), self.ints(step))

    def pads(self, axis, before, after=0, rank=None):
        rank = rank or self.rank
        pads = [0] * (2 * rank)
        pads[axis], pads[rank + axis] = before, after
        return self.ints(*pads)

    def earlier(self, x, by, length, axis, identity):
        """x of `by` steps before, and the identity where there is none."""
        s = self.s
        fill = self.constant(np.float32(identity))
        if s.shift == "pad":
            return self.op("Pad", self.slice(x, 0, length - by, axis), self.pads(axis, by), fill)
        if s.shift == "crop":
            return self.op("Pad", x, self.pads(axis, by, -by), fill)
        if s.shift == "concat":
            head = self.op("Mul", self.slice(x, 0, by, axis), self.constant(np.float32(0)))
            if identity:
                head = self.op("Add", head, fill)
            return self.op("Concat", head, self.slice(x, 0, -by, axis), axis=axis)
        mask = self.constant((np.arange(length) >= by).reshape([length] + [1] * (self.rank - axis - 1)))
        if s.shift == "gather":
            moved = self.op("Gather", x, self.constant(np.maximum(np.arange(length) - by, 0)), axis=axis)
        else:
            moved = self.op("Concat", self.slice(x, -by, END, axis), self.slice(x, 0, -by, axis), axis=axis)
        return self.op("Where", mask, moved, fill)

    def combined(self, x, y):
        """The pair of both stretches, x before y."""
        return self.op("Mul", y[0], x[0]), self.op("Add", self.op("Mul", y[0], x[1]), y[1])

    def hillis(self, a, b, length, axis):
        by, stage = 1, 0
        while by < length:
            offset = 3 if self.s.wrong == "offset" and stage == 1 else by
            if self.s.wrong == "stage" and 2 * by >= length:
                break
            earlier_b = self.earlier(b, offset, length, axis, 1 if self.s.wrong == "pad" else 0)
            earlier_a = self.earlier(a, by, length, axis, 1)
            b = self.op("Add", self.op("Mul", a, earlier_b), b)
            if not (self.s.wrong == "decay" and stage == 1):
                a = self.op("Mul", a, earlier_a)
            by, stage = 2 * by, stage + 1
        return a, b

    def tail(self, a, b, length, axis):
        by = 1
        while by < length:
            late = [self.slice(v, by, END, axis) for v in (a, b)]
            new = self.combined([self.slice(v, 0, -by, axis) for v in (a, b)], late)
            a, b = [self.op("Concat", self.slice(v, 0, by, axis), n, axis=axis) for v, n in zip((a, b), new)]
            by *= 2
        return a, b

    def interleaved(self, even, odd, evens, odds, axis):
        if evens > odds:
            odd = self.op("Pad", odd, self.pads(axis, 0, 1))
        both = [self.op("Unsqueeze", v, self.ints(axis + 1)) for v in (even, odd)]
        shape = list(self.s.shape)
        shape[axis] = 2 * evens
        if self.s.dynamic:
            shape[self.s.layout.index("B")] = -1
        joined = self.op("Reshape", self.op("Concat", *both, axis=axis + 1), self.ints(*shape))
        return self.slice(joined, 0, evens + odds, axis) if evens > odds else joined

    def halves(self, a, b, length, axis):
        if length < 2:
            return a, b
        even = [self.slice(v, 0, length - 1, axis, 2) for v in (a, b)]
        odd = self.halves(*self.combined(even, [self.slice(v, 1, END, axis, 2) for v in (a, b)]), length // 2, axis)
        before = odd if length % 2 else [self.slice(v, 0, -1, axis) for v in odd]
        evens = (length + 1) // 2
        heads = [self.slice(v, 0, 1, axis) for v in (a, b)]
        if evens > 1:
            rest = self.combined(before, [self.slice(v, 2, END, axis, 2) for v in (a, b)])
            heads = [self.op("Concat", h, r, axis=axis) for h, r in zip(heads, rest)]
        return [self.interleaved(e, o, evens, length // 2, axis) for e, o in zip(heads, odd)]

    def sweeps(self, a, b, length, axis):
        whole = 1 << (length - 1).bit_length()
        if whole > length:
            a = self.op("Pad", a, self.pads(axis, 0, whole - length), self.constant(np.float32(1)))
            b = self.op("Pad", b, self.pads(axis, 0, whole - length))
        levels, n = [(a, b)], whole
        while n > 1:
            halves = [[self.slice(v, k, END, axis, 2) for v in levels[-1]] for k in (0, 1)]
            levels.append(self.combined(*halves))
            n //= 2
        zero = [self.op("Mul", v, self.constant(np.float32(0))) for v in levels[-1]]
        before = [self.op("Add", zero[0], self.constant(np.float32(1))), zero[1]]
        for level in reversed(levels[:-1]):
            left = [self.slice(v, 0, END, axis, 2) for v in level]
            before = [self.interleaved(p, q, n, n, axis) for p, q in zip(before, self.combined(before, left))]
            n *= 2
        return [self.slice(v, 0, length, axis) for v in self.combined(before, (a, b))]

    def blocks(self, a, b, length, axis, size=4):
        shape = list(self.s.shape)
        self.rank += 1
        inside = self.hillis(*[self.op("Reshape", v, self.ints(*shape[:axis], length // size, size, *shape[axis + 1 :])) for v in (a, b)],
                             size, axis + 1)
        self.rank -= 1
        last = [self.op("Squeeze", self.slice(v, size - 1, size, axis + 1), self.ints(axis + 1)) for v in inside]
        carried = self.earlier(self.hillis(*last, length // size, axis)[1], 1, length // size, axis, 0)
        whole = self.op("Add", self.op("Mul", inside[0], self.op("Unsqueeze", carried, self.ints(axis + 1))), inside[1])
        return None, self.op("Reshape", whole, self.ints(*shape))


def data(s):
    random = np.random.default_rng(0)
    feed = {"b": random.standard_normal(s.shape).astype(np.float32)}
    if s.parts:
        feed["bi"] = random.standard_normal(s.shape).astype(np.float32)
        angle, size = random.uniform(0, 2, s.shape), random.uniform(0.6, 1, s.shape)
        feed |= {"a": (size * np.cos(angle)).astype(np.float32), "ai": (size * np.sin(angle)).astype(np.float32)}
    elif s.decay == "data":
        feed["a"] = random.uniform(0.5, 1, s.shape).astype(np.float32)
    if s.readout or s.parts == "sum":
        feed["c"] = random.standard_normal((2, s.length, 3) if s.readout else s.shape).astype(np.float32)
    if s.parts == "sum":
        feed["ci"] = random.standard_normal(s.shape).astype(np.float32)
    if s.initial:
        feed["h0"] = random.standard_normal([n for k, n in enumerate(s.shape) if k != s.axis]).astype(np.float32)
    return feed


def vector(s):
    sizes = [n if c == "D" else 1 for c, n in zip(s.layout, s.shape)]
    return (1.0 if s.decay == "one" else np.linspace(0.6, 0.99, 5)) * np.ones(sizes, np.float32)


def matrix():
    return np.random.default_rng(1).standard_normal((2, 5, 4)).astype(np.float32)


def build(s):
    g, feed = Graph(s), data(s)
    a, b = "a", "b"
    if s.decay == "vector":
        a = g.op("Expand", g.constant(vector(s).astype(np.float32)), g.op("Shape", b))
    elif s.decay in ("folded", "one"):
        a = g.constant(np.broadcast_to(vector(s), s.shape).astype(np.float32).copy())
    if s.flipped:
        a, b = [g.slice(v, -1, -END, s.axis, -1) for v in (a, b)]
    if s.parts:
        outputs = complex_outputs(g, s)
    else:
        decays, h = getattr(g, s.tree)(a, b, s.length, s.axis)
        if s.initial:
            h = g.op("Add", h, g.op("Mul", decays, g.op("Unsqueeze", "h0", g.ints(s.axis))))
        outputs = [g.slice(h, -1, -END, s.axis, -1) if s.flipped else h]
        if s.readout:
            order = [c for c in s.layout if c in "BLN"]
            c = g.op("Unsqueeze", g.op("Transpose", "c", perm=["BLN".index(x) for x in order]), g.ints(s.layout.index("D")))
            if s.readout == "mul":
                outputs = [g.op("ReduceSum", g.op("Mul", outputs[0], c), g.ints(s.layout.index("N")), keepdims=0)]
            else:
                letters = s.layout.lower()
                outputs = [g.op("Einsum", outputs[0], "c", equation=f"{letters},bln->{letters.replace('n', '')}")]
        if s.final:
            outputs.append(g.op("Gather", h, g.constant(np.int64(-1)), axis=s.axis))

    def shape(v):
        dims = list(v.shape)
        if s.dynamic:
            dims[s.layout.index("B")] = "batch"
        return dims

    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape(v)) for n, v in feed.items()]
    results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
    graph = helper.make_graph(g.nodes, "parallel_scan", inputs, results, g.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def complex_outputs(g, s):
    ar, ai, br, bi, by = "a", "ai", "b", "bi", 1
    times = lambda x, y: g.op("Mul", x, y)
    while by < s.length:
        sar, sai, sbr, sbi = [g.earlier(v, by, s.length, s.axis, v == ar) for v in (ar, ai, br, bi)]
        sign = "Add" if s.wrong == "sign" else "Sub"
        br, bi = (g.op("Add", g.op(sign, times(ar, sbr), times(ai, sbi)), br),
                  g.op("Add", g.op("Add", bi, times(ar, sbi)), times(ai, sbr)))
        ar, ai = g.op("Sub", times(ar, sar), times(ai, sai)), g.op("Add", times(ar, sai), times(ai, sar))
        by *= 2
    if s.parts == "states":
        return [br, bi]
    if s.parts == "sum":
        return [g.op("ReduceSum", g.op("Sub", times(br, "c"), times(bi, "ci")), g.ints(s.layout.index("D")), keepdims=0)]
    m = matrix()
    return [g.op("Sub", g.op("MatMul", br, g.constant(m[0])), g.op("MatMul", bi, g.constant(m[1])))]


def recurrence(s, feed):
    """What the graph should give, in float64."""
    wide = {n: v.astype(np.float64) for n, v in feed.items()}
    b = wide["b"] + (1j * wide["bi"] if s.parts else 0)
    a = wide["a"] + (1j * wide["ai"] if s.parts else 0) if "a" in wide else np.broadcast_to(vector(s), s.shape)
    a, b = np.moveaxis(a, s.axis, 0), np.moveaxis(b, s.axis, 0)
    h, states = wide.get("h0", np.zeros(b.shape[1:])), np.zeros_like(b)
    for t in reversed(range(s.length)) if s.flipped else range(s.length):
        states[t] = h = a[t] * h + b[t]
    h = np.moveaxis(states, 0, s.axis)
    if s.parts == "states":
        return [h.real, h.imag]
    if s.parts == "sum":
        return [(h * (wide["c"] + 1j * wide["ci"])).sum(s.layout.index("D")).real]
    if s.parts:
        return [(h @ (matrix()[0] + 1j * matrix()[1]).astype(complex)).real]
    outputs = [h]
    if s.readout:
        outputs = [np.einsum(f"{s.layout.lower()},bln->{s.layout.lower().replace('n', '')}", h, wide["c"])]
    return outputs + ([states[0 if s.flipped else -1]] if s.final else [])
