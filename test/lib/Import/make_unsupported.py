"""A model with two nodes that no compiler of ours takes, and one it does."""
import sys

import onnx
from onnx import TensorProto, helper

x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
graph = helper.make_graph(
    [helper.make_node("StringConcat", ["x", "x"], ["s"], name="strings"),
     helper.make_node("Foo", ["x"], ["f"], name="mystery", domain="com.acme"),
     helper.make_node("Neg", ["x"], ["y"], name="fine")],
    "unsupported", [x], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("com.acme", 1)])
onnx.save(model, sys.argv[1])
