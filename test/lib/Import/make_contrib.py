"""Writes DIR/mha.onnx and DIR/gqa.onnx, one com.microsoft operator each."""
import pathlib
import sys

import onnx
from onnx import TensorProto, helper

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)


def write(name, node, inputs, initializers=()):
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs]
    graph = helper.make_graph([node], name, values, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)])
    onnx.save(model, folder / (name + ".onnx"))


same = [("q", ["B", "L", 16]), ("k", ["B", "L", 16]), ("v", ["B", "L", 16])]
grouped = [("q", ["B", "L", 32]), ("k", ["B", "L", 16]), ("v", ["B", "L", 16])]
lengths = [helper.make_tensor("last", TensorProto.INT32, [1], [4]), helper.make_tensor("total", TensorProto.INT32, [], [5])]
write("mha", helper.make_node("MultiHeadAttention", ["q", "k", "v"], ["y"], "mixer", domain="com.microsoft", num_heads=2), same)
write("gqa", helper.make_node("GroupQueryAttention", ["q", "k", "v", "", "", "last", "total"], ["y"], "mixer",
                              domain="com.microsoft", num_heads=4, kv_num_heads=2), grouped, lengths)
