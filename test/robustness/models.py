"""Models that the robustness tests damage: small, and between them of every kind of content a file can have."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
OPSET = [helper.make_opsetid("", 21)]


def _value(name, dtype, shape):
    return helper.make_tensor_value_info(name, dtype, shape)


def _weights(random, name, *shape):
    return numpy_helper.from_array(random.standard_normal(shape).astype(np.float32) / 4, name)


def _model(graph, functions=(), opsets=OPSET):
    return helper.make_model(graph, opset_imports=list(opsets), ir_version=10, functions=list(functions))


def cnn():
    """Convolution, normalisation, pooling and a classifier, with an unknown batch."""
    random = np.random.default_rng(1)
    n = helper.make_node
    nodes = [n("Conv", ["x", "k", "kb"], ["c"], name="conv", pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
             n("BatchNormalization", ["c", "s", "b", "m", "v"], ["bn"], name="norm", epsilon=1e-5),
             n("Relu", ["bn"], ["r"], name="relu"),
             n("MaxPool", ["r"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
             n("Flatten", ["p"], ["f"], name="flatten"),
             n("Gemm", ["f", "w", "wb"], ["g"], name="head", transB=1),
             n("Softmax", ["g"], ["y"], name="softmax", axis=-1)]
    constants = [_weights(random, "k", 4, 2, 3, 3), _weights(random, "kb", 4), _weights(random, "s", 4),
                 _weights(random, "b", 4), _weights(random, "m", 4),
                 numpy_helper.from_array(np.float32([1, 2, 3, 4]), "v"), _weights(random, "w", 5, 64), _weights(random, "wb", 5)]
    return _model(helper.make_graph(nodes, "cnn", [_value("x", FLOAT, ["batch", 2, 8, 8])],
                                    [_value("y", FLOAT, ["batch", 5])], constants))


def transformer():
    """One block of self-attention with shape arithmetic, as exporters write it."""
    random = np.random.default_rng(2)
    n = helper.make_node
    nodes = [n("LayerNormalization", ["x", "g1", "b1"], ["h"], name="norm", axis=-1),
             n("MatMul", ["h", "wqkv"], ["qkv"], name="qkv"),
             n("Split", ["qkv"], ["q0", "k0", "v0"], name="split", axis=-1, num_outputs=3),
             n("Shape", ["x"], ["xs"], name="shape"),
             n("Gather", ["xs", "one"], ["length"], name="length"),
             n("Concat", ["minus", "length", "heads", "width"], ["shape"], name="target", axis=0)]
    for name in "qkv":
        nodes += [n("Reshape", [name + "0", "shape"], [name + "1"], name=name + "_heads"),
                  n("Transpose", [name + "1"], [name], name=name + "_transpose",
                    perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3])]
    nodes += [n("MatMul", ["q", "k"], ["qk"], name="scores"), n("Mul", ["qk", "scale"], ["qs"], name="scale"),
              n("Softmax", ["qs"], ["a"], name="softmax", axis=-1), n("MatMul", ["a", "v"], ["av"], name="mix"),
              n("Transpose", ["av"], ["avt"], name="back", perm=[0, 2, 1, 3]),
              n("Reshape", ["avt", "flat"], ["o"], name="join"), n("MatMul", ["o", "wo"], ["oo"], name="out"),
              n("Add", ["x", "oo"], ["y"], name="residual")]
    constants = [_weights(random, "g1", 16), _weights(random, "b1", 16), _weights(random, "wqkv", 16, 48),
                 _weights(random, "wo", 16, 16), numpy_helper.from_array(np.float32(0.35), "scale")]
    constants += [numpy_helper.from_array(np.int64(v), k) for k, v in
                  {"one": [1], "minus": [-1], "heads": [2], "width": [8], "flat": [0, 0, 16]}.items()]
    return _model(helper.make_graph(nodes, "transformer", [_value("x", FLOAT, ["batch", "length", 16])],
                                    [_value("y", FLOAT, ["batch", "length", 16])], constants))


def rnn():
    """A Scan inside, a Loop with a condition around it, and an If."""
    random = np.random.default_rng(3)
    n = helper.make_node
    step = helper.make_graph(
        [n("MatMul", ["s", "w"], ["sw"], name="recur"), n("Add", ["sw", "xt"], ["sum"], name="input"),
         n("Tanh", ["sum"], ["next"], name="cell"), n("Identity", ["next"], ["yt"], name="emit")],
        "step", [_value("s", FLOAT, [2, 4]), _value("xt", FLOAT, [2, 4])],
        [_value("next", FLOAT, [2, 4]), _value("yt", FLOAT, [2, 4])])
    body = helper.make_graph(
        [n("Mul", ["c", "half"], ["c2"], name="decay"), n("ReduceSum", ["c2"], ["total"], name="total", keepdims=0),
         n("Greater", ["total", "limit"], ["go"], name="go_on")],
        "body", [_value("i", INT64, []), _value("cond", BOOL, []), _value("c", FLOAT, [2, 4])],
        [_value("go", BOOL, []), _value("c2", FLOAT, [2, 4]), _value("total", FLOAT, [])])
    branch = [helper.make_graph([n(op, ["last"], [op], name=op)], op, [], [_value(op, FLOAT, [2, 4])]) for op in ("Abs", "Neg")]
    nodes = [n("Scan", ["s0", "x"], ["last", "ys"], name="scan", num_scan_inputs=1, body=step),
             n("Loop", ["trips", "", "last"], ["decayed", "totals"], name="loop", body=body),
             n("ReduceMax", ["ys"], ["peak"], name="peak", keepdims=0), n("Greater", ["peak", "limit"], ["high"], name="high"),
             n("If", ["high"], ["chosen"], name="choose", then_branch=branch[0], else_branch=branch[1])]
    constants = [_weights(random, "w", 4, 4), numpy_helper.from_array(np.zeros((2, 4), np.float32), "s0"),
                 numpy_helper.from_array(np.float32(0.5), "half"), numpy_helper.from_array(np.float32(-3), "limit"),
                 numpy_helper.from_array(np.int64(3), "trips")]
    return _model(helper.make_graph(nodes, "rnn", [_value("x", FLOAT, ["length", 2, 4])],
                                    [_value("ys", FLOAT, ["length", 2, 4]), _value("decayed", FLOAT, [2, 4]),
                                     _value("totals", FLOAT, ["n"]), _value("chosen", FLOAT, [2, 4])], constants))


def external():
    """Two layers whose weights lie in weights.bin; external_data() gives its content."""
    n = helper.make_node
    nodes = [n("MatMul", ["x", "w1"], ["a"], name="first"), n("Sigmoid", ["a"], ["b"], name="gate"),
             n("Mul", ["a", "b"], ["c"], name="silu"), n("MatMul", ["c", "w2"], ["y"], name="second")]
    constants = []
    for name, shape, offset in (("w1", (8, 16), 0), ("w2", (16, 8), 4096)):
        tensor = TensorProto(name=name, data_type=FLOAT, dims=shape)
        tensor.raw_data = b""
        set_external_data(tensor, "weights.bin", offset=offset, length=4 * shape[0] * shape[1])
        tensor.ClearField("raw_data")
        constants.append(tensor)
    return _model(helper.make_graph(nodes, "external", [_value("x", FLOAT, ["n", 8])], [_value("y", FLOAT, ["n", 8])], constants))


def external_data():
    random = np.random.default_rng(4)
    first, second = (random.standard_normal(128).astype(np.float32).tobytes() for _ in range(2))
    return first.ljust(4096, b"\0") + second


def functions():
    """Model-local functions: one calls another, with an attribute that is handed on."""
    n = helper.make_node
    leak = helper.make_function("local", "Leak", ["x"], ["y"], [helper.make_node("LeakyRelu", ["x"], ["y"], name="leak")],
                                OPSET, ["alpha"])
    attribute = onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="alpha")
    leak.node[0].attribute.append(attribute)
    block = helper.make_function(
        "local", "Block", ["x", "w"], ["y"],
        [n("MatMul", ["x", "w"], ["a"], name="mm"), n("Leak", ["a"], ["b"], domain="local", name="call", alpha=0.1),
         n("Add", ["b", "x"], ["y"], name="skip")], OPSET + [helper.make_opsetid("local", 1)])
    nodes = [n("Block", ["x", "w1"], ["h"], domain="local", name="block1"),
             n("Block", ["h", "w2"], ["y"], domain="local", name="block2")]
    random = np.random.default_rng(5)
    graph = helper.make_graph(nodes, "functions", [_value("x", FLOAT, ["n", 6])], [_value("y", FLOAT, ["n", 6])],
                              [_weights(random, "w1", 6, 6), _weights(random, "w2", 6, 6)])
    return _model(graph, [leak, block], OPSET + [helper.make_opsetid("local", 1)])


ALL = {"cnn": cnn, "transformer": transformer, "rnn": rnn, "external": external, "functions": functions}
