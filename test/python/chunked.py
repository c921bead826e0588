"""ONNX graphs that compute a recurrence chunk by chunk, in many spellings, and the recurrence itself in float64.

    S_t = exp(g_t) S_{t-1} + k_t (b_t (v_t - S' k_t))^T,  S' = exp(g_t) S_{t-1} for the delta rules, else 0;  o_t = S_t^T q_t
"""
import dataclasses

import numpy as np
from onnx import TensorProto, helper, numpy_helper


@dataclasses.dataclass
class Spelling:
    rule: str = "scalar"  # none, constant, scalar (a decay per head), key (a decay per key), delta, gated_delta
    carry: str = "scan"  # scan, loop, matrix, unrolled
    length: int = 24
    chunk: int = 8
    batch: int = 2
    heads: int = 2
    keys: int = 4
    values: int = 5
    order: str = "bthd"  # of the inputs: bthd or bhtd
    mask: str = "where_inf"  # where_inf, trilu, where_zero, multiply, stable
    contraction: str = "matmul"  # matmul, einsum, multiply
    inverse: str = "rows"  # rows, rows_sum, neumann, scatter
    initial: bool = False
    final: bool = False
    dynamic: bool = False
    wrong: str = ""  # a defect that makes it another function


class Graph:
    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def __call__(self, op, *inputs, outputs=1, **attributes):
        names = []
        for x in inputs:
            if isinstance(x, str):
                names.append(x)
            else:
                names.append(self.constant(x))
        out = [f"v{self.count + i}" for i in range(outputs)]
        self.count += outputs
        self.nodes.append(helper.make_node(op, names, out, **attributes))
        return out[0] if outputs == 1 else out

    def constant(self, x):
        x = np.asarray(x)
        if x.dtype == np.float64:
            x = x.astype(np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(x, name))
        return name


def ints(*x):
    return np.array(x, np.int64)


class Builder:
    """Tensors inside of a chunk are (batch, heads, position, feature), or with the chunk's axis before the position."""

    def __init__(self, g, s):
        self.g, self.s = g, s

    def product(self, a, b, transpose=False):
        """a b, or a b^T, over the last two axes."""
        g, kind = self.g, self.s.contraction
        if kind == "einsum":
            lead = "bhc" if self.s.carry == "matrix" else "bh"
            return g("Einsum", a, b, equation=f"{lead}ij,{lead}{'kj' if transpose else 'jk'}->{lead}ik")
        if kind == "multiply":
            left = g("Unsqueeze", a, ints(-2 if transpose else -1))
            right = g("Unsqueeze", b, ints(-3))
            return g("ReduceSum", g("Mul", left, right), ints(-1 if transpose else -2), keepdims=0)
        return g("MatMul", a, g("Transpose", b, perm=self.swapped) if transpose else b)

    @property
    def swapped(self):
        return [0, 1, 2, 4, 3] if self.s.carry == "matrix" else [0, 1, 3, 2]

    def transposed(self, a):
        return self.g("Transpose", a, perm=self.swapped)

    def masked_decay(self, cs, decay):
        """exp(cs_i - cs_j) where j <= i, else 0; None without a decay."""
        g, s, n = self.g, self.s, self.s.chunk
        below = np.tril(np.ones((n, n), bool), 1 if s.wrong == "future" else 0)
        if cs is None:
            return None
        if s.mask == "stable":
            wide = g("Expand", g("Unsqueeze", decay, ints(-1)), ints(*[1] * (self.rank - 1), n))
            summed = g("CumSum", g("Where", np.tril(np.ones((n, n), bool), -1), wide, np.float32(0)), np.int64(-2))
            return g("Exp", g("Where", below, summed, np.float32(-np.inf)))
        d = g("Sub", g("Unsqueeze", cs, ints(-1)), g("Unsqueeze", cs, ints(-2)))
        if s.mask == "where_inf":
            return g("Exp", g("Where", below, d, np.float32(-np.inf)))
        if s.mask == "trilu":
            return g("Trilu", g("Exp", g("Trilu", d, upper=0)), upper=0)
        if s.mask == "where_zero":
            return g("Where", np.logical_not(below), np.float32(0), g("Exp", g("Where", below, d, np.float32(0))))
        return g("Mul", g("Exp", g("Mul", d, below.astype(np.float32))), below.astype(np.float32))

    @property
    def rank(self):
        return 5 if self.s.carry == "matrix" else 4

    def scores(self, q, k, decay, cs, strict=False):
        """q_i . k_j exp(cs_i - cs_j) for j <= i, or j < i."""
        g, s, n = self.g, self.s, self.s.chunk
        if s.rule == "key":
            d = g("Sub", g("Unsqueeze", cs, ints(-2)), g("Unsqueeze", cs, ints(-3)))
            below = np.tril(np.ones((n, n), bool))[:, :, None]
            e = g("Exp", g("Where", below, d, np.float32(-np.inf)))
            qk = g("Mul", g("Unsqueeze", q, ints(-2)), g("Unsqueeze", k, ints(-3)))
            return g("ReduceSum", g("Mul", qk, e), ints(-1), keepdims=0)
        a = self.product(q, k, transpose=True)
        if decay is not None:
            a = g("Mul", a, decay)
        if strict:
            return g("Trilu", a, np.int64(-1), upper=0)
        return a if decay is not None else g("Trilu", a, upper=0)

    def inverse(self, a):
        """(I - a)^-1 of a strictly lower a."""
        g, s, n = self.g, self.s, self.s.chunk
        eye = np.eye(n, dtype=np.float32)
        if s.wrong == "inverse":
            n -= 1
        if s.inverse == "neumann":
            power, r, m = a, g("Add", a, eye), 2
            while m < n:
                power = g("MatMul", power, power)
                r = g("MatMul", r, g("Add", power, eye))
                m *= 2
            return r
        axis = self.rank - 2
        row = lambda i: g("Slice", a, ints(i), ints(i + 1), ints(axis))
        if s.inverse == "scatter":
            perm = [axis] + [i for i in range(self.rank) if i != axis]
            back = [perm.index(i) for i in range(self.rank)]
            t = g("Transpose", a, perm=perm)
            for i in range(1, n):
                rows = g("Transpose", g("Slice", t, ints(0), ints(i), ints(0)), perm=back)
                mine = g("Transpose", g("Slice", t, ints(i), ints(i + 1), ints(0)), perm=back)
                part = g("Slice", mine, ints(0), ints(i), ints(-1))
                new = g("Transpose", g("Add", mine, g("MatMul", part, rows)), perm=perm)
                t = g("ScatterND", t, ints([i]), new)
            return g("Add", g("Transpose", t, perm=back), eye)
        rows = [row(0)]
        for i in range(1, n):
            above = g("Concat", *rows, axis=axis) if i > 1 else rows[0]
            part = g("Slice", row(i), ints(0), ints(i), ints(-1))
            if s.inverse == "rows_sum":
                sums = g("ReduceSum", g("Mul", self.transposed(part), above), ints(axis), keepdims=1)
            else:
                sums = g("MatMul", part, above)
            rows.append(g("Add", row(i), sums))
        if s.wrong == "inverse":
            rows.append(row(n))
        return g("Add", g("Concat", *rows, axis=axis), eye)

    def parts(self, q, k, v, decay, beta):
        """What does not depend on the state: scores, query and key for the state, total decay, input, and what it erases."""
        g, s = self.g, self.s
        cs = None if decay is None else g("CumSum", decay, np.int64(-2 if s.rule == "key" else -1))
        feature = (lambda x: x) if s.rule == "key" else (lambda x: g("Unsqueeze", x, ints(-1)))
        axis = self.rank - (2 if s.rule == "key" else 2)
        masked = None if s.rule == "key" else self.masked_decay(cs, decay)
        p = {"scores": self.scores(q, k, masked, cs), "q": q, "k": k, "v": v, "w": None, "total": None}
        if cs is not None:
            last = g("Slice", cs, ints(-1), ints(2**31 - 1), ints(axis))
            p["q"] = g("Mul", q, feature(g("Exp", cs)))
            rest = cs if s.wrong == "key_decay" else g("Sub", last, cs)
            p["k"] = g("Mul", k, feature(g("Exp", rest)))
            total = g("Exp", last)  # as a factor of the state
            p["total"] = self.transposed(total) if s.rule == "key" else g("Unsqueeze", total, ints(-1))
            if s.wrong == "total_decay":
                p["total"] = g("Exp", g("Unsqueeze", g("Slice", cs, ints(-2), ints(-1), ints(axis)), ints(-1)))
        if beta is not None:
            b = g("Unsqueeze", beta, ints(-1))
            kb = g("Mul", k, b)
            a = g("Neg", self.scores(kb, q if s.wrong == "matrix" else k, masked, cs, strict=True))
            t = self.inverse(a)
            p["v"] = g("MatMul", t, g("Mul", v, b))
            p["w"] = g("MatMul", t, kb if cs is None else g("Mul", kb, feature(g("Exp", cs))))
        return p

    def output(self, p, state):
        g = self.g
        u = p["v"] if p["w"] is None else g("Sub", p["v"], self.product(p["w"], state))
        inside, before = self.product(p["scores"], u), self.product(p["q"], state)
        return g("Add", inside, before), u

    def next(self, p, state, u):
        g = self.g
        new = self.product(self.transposed(p["k"]), u)
        return g("Add", g("Mul", state, p["total"]) if p["total"] else state, new)


def decays(s):
    return s.rule not in ("none", "delta")


def erases(s):
    return s.rule in ("delta", "gated_delta")


def build(s):
    g = Graph()
    f = Builder(g, s)
    features = {"q": s.keys, "k": s.keys, "v": s.values}
    if decays(s) and s.rule != "constant":
        features["g"] = s.keys if s.rule == "key" else 1
    if erases(s):
        features["b"] = 1
    inputs, chunked, padding = [], {}, -s.length % s.chunk
    count = (s.length + padding) // s.chunk
    for name, size in features.items():
        time = "L" if s.dynamic else s.length
        shape = [s.batch, time, s.heads, size] if s.order == "bthd" else [s.batch, s.heads, time, size]
        flat = size == 1 and name in "gb"
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape[:-1] if flat else shape))
        x = name
        if s.order == "bthd":
            x = g("Transpose", x, perm=[0, 2, 1] if flat else [0, 2, 1, 3])
        if padding:
            after = [0, 0, padding] if flat else [0, 0, padding, 0]
            x = g("Pad", x, ints(*[0] * len(after), *after))
        chunked[name] = g("Reshape", x, ints(0, 0, -1, s.chunk) if flat else ints(0, 0, -1, s.chunk, size))
    if s.rule == "constant":
        log = np.log(1 - 2.0 ** (-2 - np.arange(s.heads)))[None, :, None, None]
        chunked["g"] = g("Expand", log, ints(s.batch, 1, count, s.chunk))
    state_shape = [s.batch, s.heads, s.keys, s.values]
    if s.initial:
        inputs.append(helper.make_tensor_value_info("s0", TensorProto.FLOAT, state_shape))
    start = "s0" if s.initial else g.constant(np.zeros(state_shape))
    names = [n for n in "qkvgb" if n in chunked]

    if s.carry == "matrix":
        p = f.parts(*[chunked.get(n) for n in "qkvgb"])
        new = f.product(f.transposed(p["k"]), p["v"])
        states = g("Concat", g("Unsqueeze", start, ints(2)), new, axis=2)
        if p["total"]:
            last = g("Squeeze", g("Slice", g("CumSum", chunked["g"], np.int64(3)), ints(-1), ints(2**31 - 1), ints(3)), ints(3))
            padded = g("Pad", last, ints(0, 0, 1, 0, 0, 0))
            cs = g("CumSum", padded, np.int64(2))
            d = g("Sub", g("Unsqueeze", cs, ints(3)), g("Unsqueeze", cs, ints(2)))
            matrix = g("Exp", g("Where", np.tril(np.ones((count + 1, count + 1), bool)), d, np.float32(-np.inf)))
            summed = g("Einsum", matrix, states, equation="bhzc,bhckv->bhzkv")
        else:
            summed = g("CumSum", states, np.int64(2))
        before = g("Slice", summed, ints(0), ints(-1), ints(2))
        final = g("Gather", summed, np.int64(count), axis=2)
        out, _ = f.output(p, before)  # (b, h, c, l, v)
        out = g("Reshape", out, ints(s.batch, s.heads, -1, s.values))
    elif s.carry == "unrolled":
        state, outs = start, []
        for c in range(count):
            p = f.parts(*[g("Gather", chunked[n], np.int64(c), axis=2) if n in chunked else None for n in "qkvgb"])
            o, u = f.output(p, state)
            state = f.next(p, state, u)
            outs.append(o)
        out, final = g("Concat", *outs, axis=2), state
    else:
        inner = Graph()
        inner.count = 1000
        body = Builder(inner, s)
        if s.carry == "scan":
            args = [n + "_c" for n in names]
        else:
            args = [inner("Gather", chunked[n], "i", axis=2) for n in names]
        values = dict(zip(names, args))
        p = body.parts(*[values.get(n) for n in "qkvgb"])
        o, u = body.output(p, "s")
        after = body.next(p, "s", u)
        info = lambda n, t=TensorProto.FLOAT: helper.make_tensor_value_info(n, t, None)
        carried = [info("s")]
        if s.carry == "scan":
            sub = helper.make_graph(inner.nodes, "body", carried + [info(a) for a in args], [info(after), info(o)], inner.constants)
            final, stacked = g("Scan", start, *[chunked[n] for n in names], outputs=2, body=sub, num_scan_inputs=len(names),
                               scan_input_axes=[2] * len(names), scan_output_axes=[2])
        else:
            inner.nodes.append(helper.make_node("Identity", ["go"], ["go_on"]))
            sub = helper.make_graph(inner.nodes, "body", [info("i", TensorProto.INT64), info("go", TensorProto.BOOL)] + carried,
                                    [info("go_on", TensorProto.BOOL), info(after), info(o)], inner.constants)
            final, stacked = g("Loop", np.int64(count), "", start, outputs=2, body=sub)
            stacked = g("Transpose", stacked, perm=[1, 2, 0, 3, 4])
        out = g("Reshape", stacked, ints(s.batch, s.heads, -1, s.values))
    if padding:
        out = g("Slice", out, ints(0), ints(s.length), ints(2))
    if s.order == "bthd":
        out = g("Transpose", out, perm=[0, 2, 1, 3])
    outputs = [(out, "o", 4)] + ([(final, "s_last", 4)] if s.final else [])
    for value, name, _ in outputs:
        g.nodes.append(helper.make_node("Identity", [value], [name]))
    graph = helper.make_graph(g.nodes, "chunked", inputs,
                              [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None] * rank) for _, n, rank in outputs], g.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def data(s, seed=0):
    random = np.random.default_rng(seed)
    normal = lambda *shape: random.standard_normal(shape).astype(np.float32)
    order = (lambda x: np.ascontiguousarray(np.swapaxes(x, 1, 2))) if s.order == "bthd" else (lambda x: x)
    b, h, t = s.batch, s.heads, s.length
    k = normal(b, h, t, s.keys)
    if erases(s):
        k /= np.linalg.norm(k, axis=-1, keepdims=True)
    feed = {"q": order(normal(b, h, t, s.keys)), "k": order(k), "v": order(normal(b, h, t, s.values))}
    if decays(s) and s.rule != "constant":
        feed["g"] = order(-np.abs(normal(*(b, h, t) + ((s.keys,) if s.rule == "key" else ()))) * 0.3)
    if erases(s):
        feed["b"] = order(random.uniform(0.1, 1, (b, h, t)).astype(np.float32))
    if s.initial:
        feed["s0"] = normal(b, h, s.keys, s.values)
    return feed


def recurrence(s, feed):
    order = (lambda x: np.swapaxes(x, 1, 2)) if s.order == "bthd" else (lambda x: x)
    x = {n: order(a.astype(np.float64)) if n != "s0" else a.astype(np.float64) for n, a in feed.items()}
    state = x.get("s0", np.zeros((s.batch, s.heads, s.keys, s.values)))
    out = np.zeros((s.batch, s.heads, s.length, s.values))
    for t in range(s.length):
        if s.rule == "constant":
            state = state * (1 - 2.0 ** (-2 - np.arange(s.heads)))[None, :, None, None]
        elif s.rule == "key":
            state = state * np.exp(x["g"][:, :, t])[..., None]
        elif "g" in x:
            state = state * np.exp(x["g"][:, :, t])[..., None, None]
        v = x["v"][:, :, t]
        if erases(s):
            v = x["b"][:, :, t][..., None] * (v - np.einsum("bhkv,bhk->bhv", state, x["k"][:, :, t]))
        state = state + x["k"][:, :, t][..., None] * v[..., None, :]
        out[:, :, t] = np.einsum("bhkv,bhk->bhv", state, x["q"][:, :, t])
    return {"o": order(out), "s_last": state}
