"""Evaluates the ONNX graphs of the property test with NumPy, in whatever precision their inputs have.

It knows the operators that `recurrences.py` writes and nothing of how they are compiled: the independent reference.
"""
import numpy as np
from onnx import helper, numpy_helper


def _slice(x, starts, ends, axes, steps=None):
    index = [slice(None)] * x.ndim
    for s, e, a, k in zip(starts, ends, axes, [1] * len(starts) if steps is None else steps):
        index[a] = slice(s, None if k < 0 and e < -x.shape[a] else e, k)
    return x[tuple(index)]


def _split(x, sizes, axis):
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


def _cumsum(x, axis, exclusive=0, reverse=0):
    a = int(axis)
    if reverse:
        x = np.flip(x, a)
    r = np.cumsum(x, a)
    if exclusive:
        r = r - x
    return np.flip(r, a) if reverse else r


def _trilu(x, k=0, upper=1):
    return np.triu(x, int(k)) if upper else np.tril(x, int(k))


def _pad(x, pads, value=0):
    n = x.ndim
    return np.pad(x, [(pads[i], pads[n + i]) for i in range(n)], constant_values=value)


OPERATORS = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "MatMul": np.matmul, "Exp": np.exp, "Log": np.log,
    "Tanh": np.tanh, "Neg": np.negative, "Abs": np.abs, "Max": np.maximum, "Min": np.minimum, "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal, "Less": np.less, "Where": np.where, "Identity": lambda x: x, "Sqrt": np.sqrt,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Softplus": lambda x: np.logaddexp(x, 0), "Relu": lambda x: np.maximum(x, 0),
    "Gather": lambda x, i, axis=0: np.take(x, i, axis), "Squeeze": lambda x, a: np.squeeze(x, tuple(a)), "Slice": _slice,
    "Unsqueeze": lambda x, a: np.expand_dims(x, tuple(a)), "Concat": lambda *x, axis: np.concatenate(x, axis),
    "Transpose": lambda x, perm: np.transpose(x, perm), "Reshape": lambda x, s: np.reshape(x, s), "Split": lambda x, s, axis=0: _split(x, s, axis),
    "ReduceSum": lambda x, a, keepdims=1: np.sum(x, tuple(a), keepdims=bool(keepdims)), "Shape": lambda x: np.array(x.shape),
    "ReduceMean": lambda x, a, keepdims=1: np.mean(x, tuple(a), keepdims=bool(keepdims)), "Expand": lambda x, s: np.broadcast_to(x, s),
    "CumSum": _cumsum, "Trilu": _trilu, "Pad": _pad, "Einsum": lambda *x, equation: np.einsum(equation, *x),
    "Range": lambda a, b, c: np.arange(a, b, c), "Clip": lambda x, low, high: np.clip(x, low, high),
}


def evaluate(graph, values):
    """All outputs of a graph; `values` are what it sees by name."""
    values = dict(values)
    for t in graph.initializer:
        values[t.name] = numpy_helper.to_array(t)
    for node in graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        inputs = [values[n] for n in node.input if n]
        with np.errstate(all="ignore"):
            if node.op_type == "Scan":
                results = scan(inputs, attributes, values)
            elif node.op_type == "Loop":
                results = loop(inputs, attributes, values)
            else:
                results = OPERATORS[node.op_type](*inputs, **attributes)
        if not isinstance(results, tuple):
            results = (results,)
        values.update(zip(node.output, results))
    return [values[o.name] for o in graph.output]


def scan(inputs, attributes, outer):
    body, n = attributes["body"], attributes["num_scan_inputs"]
    states, sequences = inputs[:-n], inputs[-n:]
    axes = attributes.get("scan_input_axes", [0] * n)
    directions = attributes.get("scan_input_directions", [0] * n)
    outs = len(body.output) - len(states)
    out_axes = attributes.get("scan_output_axes", [0] * outs)
    out_directions = attributes.get("scan_output_directions", [0] * outs)
    length = sequences[0].shape[axes[0]]
    stacked = [[] for _ in range(outs)]
    for t in range(length):
        slices = [np.take(s, length - 1 - t if d else t, a) for s, a, d in zip(sequences, axes, directions)]
        results = evaluate(body, {**outer, **dict(zip((i.name for i in body.input), states + slices))})
        states = results[:len(states)]
        for list_, r in zip(stacked, results[len(states):]):
            list_.append(r)
    return tuple(states) + tuple(np.stack(s[::-1] if d else s, a) for s, a, d in zip(stacked, out_axes, out_directions))


def loop(inputs, attributes, outer):
    body, trip, states = attributes["body"], int(inputs[0]), inputs[2:]
    outs = len(body.output) - 1 - len(states)
    stacked = [[] for _ in range(outs)]
    go = inputs[1]
    for i in range(trip):
        if not go:
            break
        results = evaluate(body, {**outer, **dict(zip((v.name for v in body.input), [np.array(i), go] + states))})
        go, states = results[0], results[1:1 + len(states)]
        for list_, r in zip(stacked, results[1 + len(states):]):
            list_.append(r)
    return tuple(states) + tuple(np.stack(s, 0) for s in stacked)
