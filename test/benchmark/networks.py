"""Networks to measure with, made from nothing: as many layers as asked for, random weights, batch and length symbolic."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Builder:
    """Nodes, weights and names of a graph under construction; an operator gives the name of its first output."""

    def __init__(self):
        self.nodes, self.weights, self.random = [], [], np.random.default_rng(0)

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(self, *shape):
        return self.constant((self.random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32))

    def dense(self, x, inputs, outputs):
        return self.op("Add", self.op("MatMul", x, self.weight(inputs, outputs)), self.weight(outputs))

    def norm(self, x, width):
        return self.op("LayerNormalization", x, self.constant(np.ones(width, np.float32)), self.constant(np.zeros(width, np.float32)), axis=-1)

    def model(self, result, width):
        shape = ["batch", "length", width]
        graph = helper.make_graph(self.nodes, "network", [helper.make_tensor_value_info("x", FLOAT, shape)],
                                  [helper.make_tensor_value_info(result, FLOAT, shape)], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def encoder(layers=4, width=256, heads=4):
    """A transformer's encoder: attention in pieces and a GELU between two products, each behind a layer norm."""
    b, x = Builder(), "x"
    split, size = b.constant(np.int64([0, 0, heads, width // heads])), b.constant(np.int64([0, 0, width]))
    scale = b.constant(np.float32((width // heads) ** -0.5))
    for _ in range(layers):
        h = b.norm(x, width)
        q, k, v = (b.op("Reshape", b.dense(h, width, width), split) for _ in range(3))
        q, v, k = b.op("Transpose", q, perm=[0, 2, 1, 3]), b.op("Transpose", v, perm=[0, 2, 1, 3]), b.op("Transpose", k, perm=[0, 2, 3, 1])
        p = b.op("Softmax", b.op("Mul", b.op("MatMul", q, k), scale), axis=-1)
        o = b.op("Reshape", b.op("Transpose", b.op("MatMul", p, v), perm=[0, 2, 1, 3]), size)
        x = b.op("Add", x, b.dense(o, width, width))
        h = b.op("Gelu", b.dense(b.norm(x, width), width, 4 * width))
        x = b.op("Add", x, b.dense(h, 4 * width, width))
    return b.model(x, width)


def mamba(layers=4, width=256, state=16):
    """Mamba's blocks without their convolution: projections, the selective scan as onnx.Scan, a gate."""
    b, x = Builder(), "x"
    inner, info = 2 * width, helper.make_tensor_value_info
    last, middle = b.constant(np.int64([2])), b.constant(np.int64([1]))
    for _ in range(layers):
        h = b.norm(x, width)
        u, z = b.dense(h, width, inner), b.dense(h, width, inner)
        dt = b.op("Softplus", b.dense(u, inner, inner))
        before, after = (b.op("MatMul", u, b.weight(inner, state)) for _ in range(2))
        a = b.constant(-np.tile(np.arange(1, state + 1, dtype=np.float32), (inner, 1)))
        n = helper.make_node
        body = helper.make_graph(
            [n("Unsqueeze", ["dt", last], ["dt3"]), n("Mul", ["dt3", a], ["da"]), n("Exp", ["da"], ["decay"]), n("Mul", ["decay", "h"], ["kept"]),
             n("Mul", ["dt", "u"], ["du"]), n("Unsqueeze", ["du", last], ["du3"]), n("Unsqueeze", ["B", middle], ["B3"]),
             n("Mul", ["du3", "B3"], ["new"]), n("Add", ["kept", "new"], ["next"]), n("Unsqueeze", ["C", last], ["C3"]),
             n("MatMul", ["next", "C3"], ["y3"]), n("Squeeze", ["y3", last], ["y"])],
            "step", [info("h", FLOAT, None)] + [info(k, FLOAT, None) for k in ("dt", "u", "B", "C")],
            [info("next", FLOAT, None), info("y", FLOAT, None)])
        shape = b.op("Concat", b.op("Shape", u, start=0, end=1), b.constant(np.int64([inner, state])), axis=0)
        start = b.op("ConstantOfShape", shape, value=helper.make_tensor("zero", FLOAT, [1], [0.0]))
        _, y = b.op("Scan", start, dt, u, before, after, outputs=2, body=body, num_scan_inputs=4, scan_input_axes=[1] * 4, scan_output_axes=[1])
        y = b.op("Mul", b.op("Add", y, b.op("Mul", u, b.weight(inner))), b.op("Mul", z, b.op("Sigmoid", z)))
        x = b.op("Add", x, b.dense(y, inner, width))
    return b.model(x, width)


ALL = {"encoder": encoder, "mamba": mamba}
